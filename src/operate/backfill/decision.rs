//! Chooses which objects a backfill puts into the queue, by their records.

use super::Backfill;
use crate::operate::OperateError;
use crate::ports::ErrorKind;
use crate::ports::objects::Listed;
use crate::recipe;
use crate::record::{ImageRecord, Status};

/// What to do with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Put it into the queue.
    Enqueue,
    /// Skip it for a reason.
    LeaveAlone(SkipReason),
}

/// Why an object is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SkipReason {
    /// It is published with the current recipe.
    Published,
    /// It is published with another recipe.
    Outdated,
    /// It is not a supported image.
    Refused,
    /// A worker is processing it.
    InHand,
    /// Its image was deleted, a newer build wrote its record, or it is not one of darkroom's images.
    NotOurs,
}

impl Backfill<'_> {
    /// Chooses by the record of the object's image.
    pub(super) async fn choose(&self, object: &Listed, record: Option<&ImageRecord>) -> Result<Decision, OperateError> {
        let Some(record) = record else { return Ok(Decision::Enqueue) };
        let why = match record.status {
            _ if record.is_of_a_newer_schema() => SkipReason::NotOurs,
            Status::Deleted => SkipReason::NotOurs,
            _ if record.has_live_lease(self.context.clock.now()) => SkipReason::InHand,
            Status::WaitingForUpload | Status::WaitingForThumbnails | Status::Failed => return Ok(Decision::Enqueue),
            Status::Published | Status::InvalidContentType if self.options.is_forced => return Ok(Decision::Enqueue),
            Status::Published if self.is_of_this_recipe(record) => SkipReason::Published,
            Status::Published => SkipReason::Outdated,
            Status::InvalidContentType => SkipReason::Refused,
        };
        let may_be_another =
            why != SkipReason::NotOurs && why != SkipReason::InHand && object.modified_at > record.updated_at;
        if may_be_another && self.is_another(object, record).await? {
            return Ok(Decision::Enqueue);
        }
        Ok(Decision::LeaveAlone(why))
    }

    /// Whether the current recipe would make the published thumbnails from the same source.
    fn is_of_this_recipe(&self, record: &ImageRecord) -> bool {
        let (Some(src), Some(published)) = (&record.src, &record.published) else { return false };
        // Without bucket versioning, the sequencer is part of a version, unless the event had no order.
        let orders = [None, record.seq.as_ref()];
        orders.into_iter().any(|seq| published.version == recipe::version(&self.context.recipe, src, seq))
    }

    /// Whether the object differs from the record's source: the event of a later upload was lost.
    async fn is_another(&self, object: &Listed, record: &ImageRecord) -> Result<bool, OperateError> {
        match self.context.ports.uploads.head(&object.key).await {
            Ok(info) => Ok(record.src.as_ref() != Some(&info.src)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}
