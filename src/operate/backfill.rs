//! `darkroom backfill`: puts existing objects into the queue as if they had just been uploaded.
//!
//! It first looks up each object in the catalog, so that a repeated backfill skips images with a verdict. Its events
//! have no order and no effect on images that need nothing: it may be killed at any point, and may send an event twice.

mod decision;
mod queue_capacity;
mod report;
mod verdicts;

use std::io::Write;

use futures_util::future::try_join_all;
use serde::Serialize;

use super::progress::Progress;
use super::{OperateError, OperatorContext, Pace};
use crate::ports::objects::Listed;
use crate::record::{ImageId, ImageRecord};
use decision::{Decision, SkipReason};
use queue_capacity::QueueCapacity;
pub use verdicts::Verdicts;

/// The number of concurrent record lookups.
const LOOKS: usize = 50;

/// The options of a backfill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillOptions {
    /// The prefix of the objects' keys. It starts with the upload prefix.
    pub prefix: String,
    /// The key to start after: the last key of an earlier backfill.
    pub start_after: Option<String>,
    /// Whether to render published and refused images again.
    pub is_forced: bool,
    /// The most messages in the queue, including those of other senders.
    pub max_queue: u64,
    /// The most messages per second.
    pub rate: u32,
    /// Whether to wait until every enqueued image has a verdict.
    pub waits: bool,
    /// Show what would be done, and do nothing.
    pub is_dry_run: bool,
    /// Whether to report progress as JSON, one object per line.
    pub as_json: bool,
}

/// What a backfill found and did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackfillReport {
    /// Objects examined.
    pub objects: u64,
    /// Objects that were put into the queue.
    pub enqueued: u64,
    /// Published with the current recipe: skipped.
    pub published: u64,
    /// Published with another recipe: skipped.
    pub outdated: u64,
    /// Refused: skipped.
    pub refused: u64,
    /// A worker is processing them.
    pub in_hand: u64,
    /// Deleted images, folder markers, and records of a newer build: skipped.
    pub passed_over: u64,
    /// The last key that was handled. The next backfill may start after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_key: Option<String>,
    /// The outcomes of the enqueued images, if the backfill waited for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[serde(rename = "fates")]
    pub verdicts: Option<Verdicts>,
}

impl BackfillReport {
    fn count(&mut self, why: SkipReason) {
        *match why {
            SkipReason::Published => &mut self.published,
            SkipReason::Outdated => &mut self.outdated,
            SkipReason::Refused => &mut self.refused,
            SkipReason::InHand => &mut self.in_hand,
            SkipReason::NotOurs => &mut self.passed_over,
        } += 1;
    }

    /// Whether every image that was waited for is published or refused.
    pub fn is_all_well(&self) -> bool {
        self.verdicts.as_ref().is_none_or(Verdicts::are_all_well)
    }
}

/// Puts objects into the queue in the order of their keys. `report` is valid at any time. After each page of the
/// listing, writes a line with the progress to `out`.
///
/// # Errors
/// When a call fails. The events that were sent until then stay in the queue; `report` has the key to continue after.
pub async fn backfill(
    context: &OperatorContext,
    options: &BackfillOptions,
    progress: &mut Progress<'_>,
    out: &mut dyn Write,
    report: &mut BackfillReport,
) -> Result<(), OperateError> {
    context.check_upload_bucket().await?;
    if progress.is_shown() {
        progress.begin("objects", count(context, options).await?);
    }
    let capacity = QueueCapacity::of(&*context.ports.queue, options.max_queue);
    let mut run =
        Backfill { context, options, pace: Pace::per_second(options.rate), capacity, report, sent: Vec::new() };
    run.through(progress, out).await?;
    let Backfill { sent, report, .. } = run;
    if options.waits {
        progress.begin("images settled", sent.len() as u64);
        verdicts::follow(context, sent, progress, report.verdicts.insert(Verdicts::default())).await?;
    }
    Ok(())
}

/// The number of objects, for the estimate.
async fn count(context: &OperatorContext, options: &BackfillOptions) -> Result<u64, OperateError> {
    let (mut objects, mut after) = (0, options.start_after.clone());
    loop {
        let page = context.ports.uploads.list(&options.prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(objects) };
        objects += page.len() as u64;
        after = Some(last.key.clone());
    }
}

/// An image that was put into the queue.
struct Sent {
    image: ImageId,
    /// The revision of its record before that; `None` without a record.
    rev: Option<u64>,
}

/// A backfill in progress.
struct Backfill<'a> {
    context: &'a OperatorContext,
    options: &'a BackfillOptions,
    pace: Pace,
    capacity: QueueCapacity<'a>,
    report: &'a mut BackfillReport,
    /// The images to wait for.
    sent: Vec<Sent>,
}

impl Backfill<'_> {
    async fn through(&mut self, progress: &mut Progress<'_>, out: &mut dyn Write) -> Result<(), OperateError> {
        let mut after = self.options.start_after.clone();
        loop {
            let page = self.context.ports.uploads.list(&self.options.prefix, after.as_deref()).await?;
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
            self.report.write_progress(self.options, out)?;
            out.flush()?;
        }
    }

    /// The image of an object with its record; `None` for a folder marker.
    async fn look(&self, object: &Listed) -> Result<Option<(ImageId, Option<ImageRecord>)>, OperateError> {
        let Some(image) = ImageId::of_upload(&self.context.prefix, &object.key, object.bytes) else { return Ok(None) };
        let record = self.context.ports.catalog.get(&image).await?;
        Ok(Some((image, record)))
    }

    async fn decide(
        &mut self,
        object: &Listed,
        looked_at: Option<(ImageId, Option<ImageRecord>)>,
    ) -> Result<(), OperateError> {
        match looked_at {
            None => self.report.count(SkipReason::NotOurs),
            Some((image, record)) => match self.choose(object, record.as_ref()).await? {
                Decision::LeaveAlone(why) => self.report.count(why),
                Decision::Enqueue => self.enqueue(object, image, record).await?,
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
        if !self.options.is_dry_run {
            self.capacity.wait().await?;
            self.pace.step().await;
            // No user waits for this image, so it does not count for the waiting times.
            self.context.enqueue(&object.key, self.options.is_forced, None).await?;
        }
        if self.options.waits {
            self.sent.push(Sent { image, rev: record.map(|record| record.rev) });
        }
        self.report.enqueued += 1;
        Ok(())
    }
}
