//! `darkroom sweep`: finds images that got stuck, and thumbnails that nobody will ask for, and puts it right.
//!
//! Every repair is a conditional write, or an event that changes nothing where nothing is amiss. So a sweep may be
//! killed anywhere, and any number of them may run at once, beside workers and clients.

mod leftovers;
mod originals;
mod records;
mod report;
mod verdicts;

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{OperateError, Site};
use crate::clock::Timestamp;
use originals::Originals;

/// How a sweep goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepTerms {
    /// How long an image may be `waiting_for_thumbnails` with nobody at work before its event is taken for lost.
    pub stuck_after: Duration,
    /// How long after its verdict an original goes that is superseded or was refused; `None`: all stay.
    pub delete_originals_after: Option<Duration>,
    /// Only tell what would be done.
    pub is_dry_run: bool,
}

impl SweepTerms {
    /// Longer than a retry's longest delay, the breaker's longest pause and a lease, one after the other.
    pub const STUCK_AFTER: Duration = Duration::from_hours(1);

    /// Messages with which a queue is long: the event that seems to be lost may be among them, and would be sent again
    /// by every sweep. Twice would change nothing; it would only make the queue longer.
    pub const LONG_QUEUE: u64 = 1000;
}

impl Default for SweepTerms {
    fn default() -> Self {
        Self { stuck_after: Self::STUCK_AFTER, delete_originals_after: None, is_dry_run: false }
    }
}

/// What a sweep found and did, or would do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SweepReport {
    /// Records looked at.
    pub records: u64,
    /// Uploads that never came: their records are gone.
    pub uploads_forgotten: u64,
    /// Uploads whose event got lost: enqueued.
    pub uploads_enqueued: u64,
    /// Images that nobody was at work on: enqueued.
    pub images_enqueued: u64,
    /// Those of both kinds that were left for a later sweep, since the queue is long.
    pub left_for_later: u64,
    /// Dead letters whose images had no verdict: `failed` now.
    pub verdicts_written: u64,
    /// Records of deleted images that no late event can bring back any more: gone.
    pub deletions_forgotten: u64,
    /// Thumbnails of superseded versions: removed.
    pub thumbnails_removed: u64,
    /// Their bytes.
    pub bytes_removed: u64,
    /// Originals that were superseded or refused: removed.
    pub originals_removed: u64,
    /// Their bytes.
    pub original_bytes_removed: u64,
    /// Old thumbnails of images without a record: left alone.
    pub thumbnails_unknown: u64,
    /// Repairs that were no longer needed, since somebody else wrote the record first.
    pub changed_meanwhile: u64,
}

impl SweepReport {
    /// Whether there was nothing to put right.
    pub fn is_clean(&self) -> bool {
        *self == Self { records: self.records, thumbnails_unknown: self.thumbnails_unknown, ..Self::default() }
    }
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table(false))
    }
}

/// Looks through records, dead letters and thumbnails, and repairs what it finds. `report` is true at every moment.
///
/// # Errors
/// When a call fails: the next sweep finds what this one did not get to.
pub async fn sweep(site: &Site, terms: SweepTerms, report: &mut SweepReport) -> Result<(), OperateError> {
    site.check_upload_bucket().await?;
    let is_queue_long = site.ports.queue.attributes().await?.visible > SweepTerms::LONG_QUEUE;
    let mut sweep = Sweep {
        site,
        terms,
        now: site.clock.now(),
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

/// How long after its start a process sweeps for the first time: what a restart stirred up has settled by then.
const FIRST_AFTER: Duration = Duration::from_secs(300);

/// How often it sweeps then.
const EVERY: Duration = Duration::from_hours(1);

/// Sweeps every hour, for as long as the future is polled. A sweep that fails is tried again in its next hour.
pub async fn hourly(site: Site, terms: SweepTerms) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + FIRST_AFTER, EVERY);
    loop {
        ticks.tick().await;
        let mut report = SweepReport::default();
        match sweep(&site, terms, &mut report).await {
            Ok(()) if report.is_clean() => tracing::debug!(?report, "swept"),
            Ok(()) => tracing::info!(?report, "swept"),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, ?report, "the sweep ended early"),
        }
    }
}

/// A sweep in progress.
struct Sweep<'a> {
    site: &'a Site,
    terms: SweepTerms,
    now: Timestamp,
    is_queue_long: bool,
    report: &'a mut SweepReport,
    /// Hashes of image and published version: enough to pass over nearly every thumbnail without asking the catalog,
    /// in eight bytes an image. A collision keeps a thumbnail that might have gone.
    published: HashSet<u64>,
    originals: Originals,
}

impl Sweep<'_> {
    /// Puts an event of the object as it is now into the queue.
    async fn enqueue(&self, key: &str, is_forced: bool) -> Result<(), OperateError> {
        if self.terms.is_dry_run {
            return Ok(());
        }
        Ok(self.site.enqueue(key, is_forced, Some(self.now)).await?)
    }

    /// What the log says is done, or would be done in a dry run.
    const fn action(&self, done: &'static str, would: &'static str) -> &'static str {
        if self.terms.is_dry_run { would } else { done }
    }
}
