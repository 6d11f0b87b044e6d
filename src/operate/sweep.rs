//! `darkroom sweep`: finds and repairs stuck images, and removes thumbnails that are no longer needed.
//!
//! Every repair is a conditional write, or an event that has no effect on an image that needs nothing. So a sweep may
//! be killed at any point, and several sweeps may run at once, beside workers and clients.

mod leftovers;
mod originals;
mod records;
mod report;
mod verdicts;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{OperateError, OperatorContext};
use crate::clock::Timestamp;
use originals::Originals;

/// The options of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepOptions {
    /// How long an image may be `waiting_for_thumbnails` without a worker before its event counts as lost.
    pub stuck_after: Duration,
    /// How long after its verdict to delete an original that is superseded or refused; `None` keeps all.
    pub delete_originals_after: Option<Duration>,
    /// Show what would be done, and do nothing.
    pub is_dry_run: bool,
}

impl SweepOptions {
    /// Longer than the sum of the longest retry delay, the longest pause of the breaker and a lease.
    pub const STUCK_AFTER: Duration = Duration::from_hours(1);

    /// The number of messages that make a queue long. The seemingly lost event may be among them, and every sweep would
    /// send it again. Duplicates would be harmless, but they would make the queue longer.
    pub const LONG_QUEUE: u64 = 1000;
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self { stuck_after: Self::STUCK_AFTER, delete_originals_after: None, is_dry_run: false }
    }
}

/// What a sweep found and did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// Records examined.
    pub records: u64,
    /// Uploads that never arrived: their records were deleted.
    pub uploads_forgotten: u64,
    /// Uploads whose events were lost: enqueued.
    pub uploads_enqueued: u64,
    /// Images without a worker: enqueued.
    pub images_enqueued: u64,
    /// Images of both kinds that were left for a later sweep, because the queue is long.
    pub left_for_later: u64,
    /// Dead letters whose images had no verdict: now `failed`.
    pub verdicts_written: u64,
    /// Records of deleted images that no late event can restore: deleted.
    pub deletions_forgotten: u64,
    /// Thumbnails of superseded versions: deleted.
    pub thumbnails_removed: u64,
    /// The size of these thumbnails in bytes.
    pub bytes_removed: u64,
    /// Originals that were superseded or refused: deleted.
    pub originals_removed: u64,
    /// The size of these originals in bytes.
    pub original_bytes_removed: u64,
    /// Old thumbnails of images without a record: kept.
    pub thumbnails_unknown: u64,
    /// Repairs that were no longer needed, because another process wrote the record first.
    pub changed_meanwhile: u64,
}

impl SweepReport {
    /// Whether the sweep found nothing to repair.
    pub fn is_clean(&self) -> bool {
        *self == Self { records: self.records, thumbnails_unknown: self.thumbnails_unknown, ..Self::default() }
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(false))
    }
}

/// Examines records, dead letters and thumbnails, and repairs what it finds. `report` is valid at any time.
///
/// # Errors
/// When a call fails. The next sweep handles the rest.
pub async fn sweep(
    context: &OperatorContext,
    options: SweepOptions,
    report: &mut SweepReport,
) -> Result<(), OperateError> {
    context.check_upload_bucket().await?;
    let is_queue_long = context.ports.queue.attributes().await?.visible > SweepOptions::LONG_QUEUE;
    let mut sweep = Sweep {
        context,
        options,
        now: context.clock.now(),
        is_queue_long,
        report,
        published: HashSet::new(),
        originals: Originals::default(),
    };
    sweep.records().await?;
    sweep.verdicts().await?;
    sweep.leftovers().await?;
    sweep.originals().await
}

/// How long after its start a process sweeps first. By then the effects of a restart have settled.
const FIRST_AFTER: Duration = Duration::from_secs(300);

/// The time between sweeps.
const EVERY: Duration = Duration::from_hours(1);

/// Sweeps every hour while the future is polled. After a failure, the next sweep is an hour later.
pub async fn hourly(context: OperatorContext, options: SweepOptions) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_AFTER, EVERY);
    loop {
        ticks.tick().await;
        let mut report = SweepReport::default();
        match sweep(&context, options, &mut report).await {
            Ok(()) if report.is_clean() => tracing::debug!(?report, "swept"),
            Ok(()) => tracing::info!(?report, "swept"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, ?report, "the sweep ended early"),
        }
    }
}

/// A sweep in progress.
struct Sweep<'a> {
    context: &'a OperatorContext,
    options: SweepOptions,
    now: Timestamp,
    is_queue_long: bool,
    report: &'a mut SweepReport,
    /// Hashes of image and published version, eight bytes each. They let the sweep skip nearly every thumbnail without
    /// a read of the catalog. A collision keeps a thumbnail that could be deleted.
    published: HashSet<u64>,
    originals: Originals,
}

impl Sweep<'_> {
    /// Puts an event for the object's current version into the queue.
    async fn enqueue(&self, key: &str, is_forced: bool) -> Result<(), OperateError> {
        if self.options.is_dry_run {
            return Ok(());
        }
        Ok(self.context.enqueue(key, is_forced, Some(self.now)).await?)
    }

    /// The action for the log: done, or what a dry run would do.
    const fn action(&self, done: &'static str, would: &'static str) -> &'static str {
        if self.options.is_dry_run { would } else { done }
    }
}
