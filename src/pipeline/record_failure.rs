//! Records that an attempt failed: releases the claim for the next attempt, or gives the image up with its message.

use std::ops::ControlFlow::{Break, Continue};

use super::end::{End, Failure};
use super::job::{ClaimState, EventOrder, Job, Progress};
use super::{EventResult, Pipeline};
use crate::metrics;
use crate::record::{Change, Guard};

impl Pipeline {
    /// Before a claim, nothing is written unless the image is given up or the claim may have been written. After a
    /// claim, the lease is released, so that the next attempt may start at once.
    pub(super) async fn record_failure(&self, job: &Job<'_>, progress: &Progress, failure: &Failure) -> End {
        if job.delivery.is_last || failure.is_final {
            return self.give_up(job, progress, failure).await;
        }
        let released = match progress.claim {
            ClaimState::None => return again(failure),
            ClaimState::Asked => {
                // A lease that is not released would be counted as a death, and the image could be given up for it.
                self.release(job, failure.error.clone()).await;
                return again(failure);
            }
            ClaimState::Held => self.write(job, progress, Change::Release { error: failure.error.clone() }).await,
        };
        match released {
            Continue(_before) => again(failure),
            Break(End::Failed(unwritten)) => {
                // The lease expires without a release, and the same message may take over its own claim at once.
                again(&failure.unwritten_by(&unwritten))
            }
            Break(end) => end,
        }
    }

    /// Writes `failed`: the message is on its way to the dead-letter queue.
    async fn give_up(&self, job: &Job<'_>, progress: &Progress, failure: &Failure) -> End {
        if !may_fail_the_record(progress) {
            return dead(failure);
        }
        let is_claimed = progress.claim == ClaimState::Held;
        let deaths = if is_claimed { 0 } else { progress.prior.deaths };
        let (reason, error) = (failure.reason, failure.error.clone());
        match self.write(job, progress, Change::Fail { reason, src: progress.src.clone(), deaths, error }).await {
            Continue(_before) => {
                tracing::error!(reason = reason.as_str(), error = failure.error, "given up");
                dead(failure)
            }
            Break(End::Failed(unwritten)) => {
                let failure = failure.unwritten_by(&unwritten);
                // The next receive gets the same result, and writes it.
                if job.delivery.is_last { dead(&failure) } else { again(&failure) }
            }
            Break(end) => end,
        }
    }

    /// Removes the lease from a claim that this attempt may hold.
    pub(super) async fn release(&self, job: &Job<'_>, error: String) {
        if let Err(error) = self.apply(job, Guard::Hold, Change::Release { error }).await {
            metrics::port_error(&error);
            tracing::warn!(error = &error as &dyn std::error::Error, "the claim could not be released");
        }
    }
}

/// Whether `failed` may be written. If the object was not read, a final record may be about this very object.
fn may_fail_the_record(progress: &Progress) -> bool {
    let is_final = progress.record.as_ref().is_some_and(|record| record.status.is_final());
    match progress.order {
        EventOrder::Sequenced(_) => true,
        EventOrder::Unordered => progress.is_record_read && (progress.src.is_some() || !is_final),
    }
}

fn again(failure: &Failure) -> End {
    tracing::warn!(reason = failure.reason.as_str(), error = failure.error, "failed, to be tried again");
    End::Settled(EventResult::Retry { outage: failure.outage })
}

fn dead(failure: &Failure) -> End {
    End::Settled(EventResult::Dead { outage: failure.outage })
}
