//! The conditional writes of an attempt to the image's record.

use std::ops::ControlFlow::{Break, Continue};

use darkroom_thumbnail::Refusal;

use super::end::{End, Step, step};
use super::job::{Job, Progress};
use super::{Pipeline, judge};
use crate::metrics::{self, Outcome};
use crate::ports::PortError;
use crate::record::{Applied, Change, Guard, ImageRecord, Reason, Transition};

impl Pipeline {
    /// Writes under the guard of `progress`; returns the record before the write. Ends the attempt if the guard no
    /// longer holds, because another attempt has overtaken this one. Verdicts are counted only here.
    pub(super) async fn write(&self, job: &Job<'_>, progress: &Progress, change: Change) -> Step<Option<ImageRecord>> {
        let Some(guard) = progress.guard() else { return Break(End::RecordChanged) };
        let reason = change.reason();
        match step(self.apply(job, guard.clone(), change).await)? {
            Applied::Written { before } => {
                if let Some(reason) = reason {
                    metrics::verdict(reason);
                }
                Continue(before)
            }
            Applied::Refused { current } => {
                Break(judge::of_refusal(current.as_ref(), &guard, progress.src.as_ref(), job))
            }
        }
    }

    /// One conditional write.
    pub(super) async fn apply(&self, job: &Job<'_>, guard: Guard, change: Change) -> Result<Applied, PortError> {
        let transition = Transition {
            id: job.lookup.id.clone(),
            key: job.lookup.key.to_owned(),
            attempt: job.attempt.clone(),
            guard,
            change,
            at: self.clock.now(),
        };
        self.catalog.update(&transition).await
    }

    /// Rejects an upload for good: its bytes are not an accepted image.
    pub(super) async fn reject(&self, job: &Job<'_>, progress: &Progress, refusal: Refusal) -> End {
        let Refusal { reason, detail, kind } = refusal;
        let reason = Reason::from(reason);
        tracing::info!(reason = reason.as_str(), detail, "rejected");
        let change = Change::Reject { reason, src: progress.src.clone(), detail, kind };
        match self.write(job, progress, change).await {
            Continue(_before) => End::done(Outcome::Rejected),
            Break(end) => end,
        }
    }
}
