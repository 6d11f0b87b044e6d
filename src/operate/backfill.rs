//! `darkroom backfill`: objects that are there already go into the queue, as if they had just been uploaded.
//!
//! Each object is looked up in the catalog first, so that a backfill that is repeated passes over what has its verdict.
//! What it sends has no order and changes nothing where nothing is amiss: it may be killed anywhere, and send twice.

mod choice;
mod fates;
mod report;
mod room;

use std::io::Write;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::progress::Progress;
use super::{OperateError, Pace, Site};
use crate::ports::objects::Listed;
use crate::record::{ImageId, ImageRecord};
use choice::{Choice, Why};
pub use fates::Fates;
use room::Room;

/// Records looked up at once.
const LOOKS: usize = 50;

/// How a backfill goes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillTerms {
    /// What the keys of the objects begin with: the upload prefix, or more.
    pub prefix: String,
    /// The key after which to begin: where an earlier backfill came to.
    pub start_after: Option<String>,
    /// Render again what was published or refused.
    pub is_forced: bool,
    /// Messages that the queue may hold, others' included.
    pub max_queue: u64,
    /// Messages a second, at most.
    pub rate: u32,
    /// Wait until every image that was put into the queue has its verdict.
    pub waits: bool,
    /// Only tell what would be done.
    pub is_dry_run: bool,
    /// Progress as JSON objects, one a line.
    pub as_json: bool,
}

/// What a backfill found and did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackfillReport {
    /// Objects looked at.
    pub objects: u64,
    /// Those that are in the queue now.
    pub enqueued: u64,
    /// Published with the recipe of the settings: left alone.
    pub published: u64,
    /// Published with another recipe: left alone.
    pub outdated: u64,
    /// Refused: left alone.
    pub refused: u64,
    /// A worker has them in hand.
    pub in_hand: u64,
    /// Deleted images, folder markers, and records of a newer build: left alone.
    pub passed_over: u64,
    /// The last key that is done with: the next backfill may begin after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
    /// What became of those in the queue, where it was waited for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fates: Option<Fates>,
}

impl BackfillReport {
    fn count(&mut self, why: Why) {
        *match why {
            Why::Published => &mut self.published,
            Why::Outdated => &mut self.outdated,
            Why::Refused => &mut self.refused,
            Why::InHand => &mut self.in_hand,
            Why::NotOurs => &mut self.passed_over,
        } += 1;
    }

    /// Whether every image that was waited for is published or refused.
    pub fn is_all_well(&self) -> bool {
        self.fates.as_ref().is_none_or(Fates::are_all_well)
    }
}

/// Puts objects into the queue, in the order of their keys. `report` is true at every moment; after each page of the
/// listing a line on `out` says how far it is.
///
/// # Errors
/// When a call fails. What was enqueued by then stays so; `report` says after which key to go on.
pub async fn backfill(
    site: &Site,
    terms: &BackfillTerms,
    progress: &mut Progress<'_>,
    out: &mut dyn Write,
    report: &mut BackfillReport,
) -> Result<(), OperateError> {
    site.check_upload_bucket().await?;
    if progress.is_shown() {
        progress.begin("objects", count(site, terms).await?);
    }
    let room = Room::of(&*site.ports.queue, terms.max_queue);
    let mut run = Backfill { site, terms, pace: Pace::per_second(terms.rate), room, report, sent: Vec::new() };
    run.through(progress, out).await?;
    let Backfill { sent, report, .. } = run;
    if terms.waits {
        progress.begin("images settled", sent.len() as u64);
        fates::follow(site, sent, progress, report.fates.insert(Fates::default())).await?;
    }
    Ok(())
}

/// How many objects there are, for the estimate.
async fn count(site: &Site, terms: &BackfillTerms) -> Result<u64, OperateError> {
    let (mut objects, mut after) = (0, terms.start_after.clone());
    loop {
        let page = site.ports.uploads.list(&terms.prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(objects) };
        objects += page.len() as u64;
        after = Some(last.key.clone());
    }
}

/// An image that was put into the queue.
struct Sent {
    image: ImageId,
    /// Its record's revision before that; `None` where there was no record.
    rev: Option<u64>,
}

/// A backfill in progress.
struct Backfill<'a> {
    site: &'a Site,
    terms: &'a BackfillTerms,
    pace: Pace,
    room: Room<'a>,
    report: &'a mut BackfillReport,
    /// Those to be waited for.
    sent: Vec<Sent>,
}

impl Backfill<'_> {
    async fn through(&mut self, progress: &mut Progress<'_>, out: &mut dyn Write) -> Result<(), OperateError> {
        let mut after = self.terms.start_after.clone();
        loop {
            let page = self.site.ports.uploads.list(&self.terms.prefix, after.as_deref()).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.key.clone());
            for objects in page.chunks(LOOKS) {
                let looked_at = try_join_all(objects.iter().map(|object| self.look(object))).await?;
                for (object, looked_at) in objects.iter().zip(looked_at) {
                    self.decide(object, looked_at).await?;
                    progress.step();
                }
            }
            progress.clear();
            self.report.write_progress(self.terms, out)?;
            out.flush()?;
        }
    }

    /// The image of an object, with its record; `None` for a folder marker.
    async fn look(&self, object: &Listed) -> Result<Option<(ImageId, Option<ImageRecord>)>, OperateError> {
        let Some(image) = ImageId::of_upload(&self.site.prefix, &object.key, object.bytes) else { return Ok(None) };
        let record = self.site.ports.catalog.look(&image).await?;
        Ok(Some((image, record)))
    }

    async fn decide(
        &mut self,
        object: &Listed,
        looked_at: Option<(ImageId, Option<ImageRecord>)>,
    ) -> Result<(), OperateError> {
        match looked_at {
            None => self.report.count(Why::NotOurs),
            Some((image, record)) => match self.choose(object, record.as_ref()).await? {
                Choice::LeaveAlone(why) => self.report.count(why),
                Choice::Enqueue => self.enqueue(object, image, record).await?,
            },
        }
        self.report.objects += 1;
        self.report.last_key = Some(object.key.clone());
        Ok(())
    }

    async fn enqueue(
        &mut self,
        object: &Listed,
        image: ImageId,
        record: Option<ImageRecord>,
    ) -> Result<(), OperateError> {
        if !self.terms.is_dry_run {
            self.room.wait().await?;
            self.pace.step().await;
            // Nobody waits for it: it is no part of how long people do.
            self.site.enqueue(&object.key, self.terms.is_forced, None).await?;
        }
        if self.terms.waits {
            self.sent.push(Sent { image, rev: record.map(|record| record.rev) });
        }
        self.report.enqueued += 1;
        Ok(())
    }
}
