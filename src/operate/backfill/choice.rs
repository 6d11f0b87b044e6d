//! Which objects a backfill puts into the queue, by what their records say.

use super::Backfill;
use crate::operate::OperateError;
use crate::ports::ErrorKind;
use crate::ports::objects::Listed;
use crate::recipe;
use crate::record::{ImageRecord, Status};

/// What is done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    /// It goes into the queue.
    Enqueue,
    /// There is a reason not to.
    LeaveAlone(Why),
}

/// Why an object is left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is published, with the recipe of the settings.
    Published,
    /// It is published, with another recipe.
    Outdated,
    /// It is no image that is taken.
    Refused,
    /// A worker is at work on it.
    InHand,
    /// Its image was deleted, or a newer build knows more about it, or it is no image of ours.
    NotOurs,
}

impl Backfill<'_> {
    /// Decides on an object by its image's record.
    pub(super) async fn choose(&self, object: &Listed, record: Option<&ImageRecord>) -> Result<Choice, OperateError> {
        let Some(record) = record else { return Ok(Choice::Enqueue) };
        let why = match record.status {
            _ if record.is_of_a_newer_schema() => Why::NotOurs,
            Status::Deleted => Why::NotOurs,
            _ if record.has_live_lease(self.site.clock.now()) => Why::InHand,
            Status::WaitingForUpload | Status::WaitingForThumbnails | Status::Failed => return Ok(Choice::Enqueue),
            Status::Published | Status::InvalidContentType if self.terms.is_forced => return Ok(Choice::Enqueue),
            Status::Published if self.is_of_this_recipe(record) => Why::Published,
            Status::Published => Why::Outdated,
            Status::InvalidContentType => Why::Refused,
        };
        let may_be_another = why != Why::NotOurs && why != Why::InHand && object.modified_at > record.updated_at;
        if may_be_another && self.is_another(object, record).await? {
            return Ok(Choice::Enqueue);
        }
        Ok(Choice::LeaveAlone(why))
    }

    /// Whether the published thumbnails are what the recipe of the settings makes of what was read.
    fn is_of_this_recipe(&self, record: &ImageRecord) -> bool {
        let (Some(src), Some(published)) = (&record.src, &record.published) else { return false };
        // The sequencer is part of a version where the bucket keeps none, unless the event had no order.
        let orders = [None, record.seq.as_ref()];
        orders.into_iter().any(|seq| published.version == recipe::version(&self.site.recipe, src, seq))
    }

    /// Whether the object is not the one that the record speaks of: the event of a later upload got lost.
    async fn is_another(&self, object: &Listed, record: &ImageRecord) -> Result<bool, OperateError> {
        match self.site.ports.uploads.head(&object.key).await {
            Ok(info) => Ok(record.src.as_ref() != Some(&info.src)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
