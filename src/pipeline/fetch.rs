//! Reads the object's bytes, under a limit and under reserved memory.

use std::ops::ControlFlow::{Break, Continue};

use bytes::Bytes;
use darkroom_thumbnail::{Refusal, RefusalReason};

use super::access::Access;
use super::admission::Memory;
use super::end::{End, Step, step};
use super::job::{EventOrder, Job, Progress};
use super::read_record::give_up_after_deaths;
use super::{EventResult, Pipeline, judge};
use crate::metrics::{self, Outcome, Stage};
use crate::ports::objects::{Fetched, ObjectInfo};
use crate::ports::{ErrorKind, PortError};
use crate::record::{Change, ImageRecord, Reason, Status};

/// The object's bytes, and the memory reserved for them.
pub(super) struct Object {
    pub(super) info: ObjectInfo,
    pub(super) bytes: Bytes,
    pub(super) memory: Memory,
}

impl Pipeline {
    /// Reads the version that the event names, otherwise the current object, which the answer identifies.
    pub(super) async fn fetch(&self, job: &Job<'_>, progress: &mut Progress) -> Step<Object> {
        let version = match progress.order {
            EventOrder::Sequenced(_) => job.event.version_id.as_deref(),
            EventOrder::Unordered => None,
        };
        // If the event has no size, or a wrong one, the answer has it: reserve again and read again.
        let mut reserved = job.event.size.unwrap_or(self.limits.max_bytes).min(self.limits.max_bytes);
        loop {
            // A read can be dropped at any time: while the process drains, its result would be given back anyway.
            let (memory, fetched) = tokio::select! {
                biased;
                () = job.delivery.draining.cancelled() => return Break(End::Settled(EventResult::GivenBack)),
                read = self.read_object(job, version, reserved) => read,
            };
            match fetched {
                Ok(Fetched::Whole(info, bytes)) => {
                    self.identify(job, progress, &info)?;
                    return Continue(Object { info, bytes, memory });
                }
                Ok(Fetched::TooLarge(info)) if info.bytes > self.limits.max_bytes => {
                    self.identify(job, progress, &info)?;
                    let refusal = self.too_many_bytes(info.bytes);
                    return Break(self.reject(job, progress, refusal).await);
                }
                // An answer without a length states only that there is more, so the reservation at least doubles.
                Ok(Fetched::TooLarge(info)) => {
                    reserved = info.bytes.max(reserved.saturating_mul(2)).min(self.limits.max_bytes);
                }
                Err(error) if error.kind == ErrorKind::NotFound && !job.lookup.is_last => {
                    tracing::info!(reading = ?job.lookup.reading, "no such object: looking for it elsewhere");
                    return Break(End::NotHere);
                }
                Err(error) if error.kind == ErrorKind::NotFound => return self.gone(job, progress).await,
                Err(error) => return Break(error.into()),
            }
        }
    }

    /// Reads an object of at most `bytes` bytes, after it has reserved memory for them.
    async fn read_object(
        &self,
        job: &Job<'_>,
        version: Option<&str>,
        bytes: u64,
    ) -> (Memory, Result<Fetched, PortError>) {
        let memory = self.admission.source(bytes).await;
        let started = tokio::time::Instant::now();
        let fetched = self.uploads.get(job.lookup.key, version, bytes).await;
        metrics::stage(Stage::Fetch, started.elapsed());
        let access = if version.is_some() { Access::ReadVersion } else { Access::ReadCurrent };
        (memory, self.access_history.judge(access, &job.lookup.id, fetched))
    }

    /// Stores which object was read. Without a sequencer, the record can be judged only now.
    fn identify(&self, job: &Job<'_>, progress: &mut Progress, info: &ObjectInfo) -> Step<()> {
        progress.src = Some(info.src.clone());
        let (EventOrder::Unordered, Some(record)) = (&progress.order, &progress.record) else { return Continue(()) };
        progress.prior = judge::of_current(record, &info.src, job, self.clock.now())?;
        give_up_after_deaths(job, progress)
    }

    fn too_many_bytes(&self, bytes: u64) -> Refusal {
        let limit = self.limits.max_bytes;
        let detail = format!("{bytes} bytes, the limit is {limit}");
        Refusal { reason: RefusalReason::TooManyBytes, detail, kind: None }
    }

    /// The object or its version no longer exists, so no retry can succeed.
    async fn gone<T>(&self, job: &Job<'_>, progress: &Progress) -> Step<T> {
        let record = match &progress.record {
            Some(record) => Some(record.clone()),
            None => step(self.catalog.get(&job.lookup.id).await)?,
        };
        if record.is_some_and(|record| self.is_left_alone_when_gone(job, &record)) {
            return Break(End::done(Outcome::SourceMissing));
        }
        let error = "the object was gone before it could be read".to_owned();
        let change = Change::Fail { reason: Reason::SourceMissing, src: None, deaths: 0, error };
        self.write(job, progress, change).await?;
        tracing::info!("the object is gone");
        Break(End::done(Outcome::SourceMissing))
    }

    /// Whether the record of a missing object keeps its status.
    fn is_left_alone_when_gone(&self, job: &Job<'_>, record: &ImageRecord) -> bool {
        match record.status {
            Status::Deleted => true,
            Status::Published | Status::InvalidContentType => job.event.sequencer.is_none(),
            _ => job.event.sequencer.is_none() && record.has_live_lease(self.clock.now()),
        }
    }
}
