//! What becomes of an attempt that failed: counted, tried again later, or given up with its message.

use std::error::Error;

use super::attempt::{Attempted, Entry, Job};
use super::{Fate, Pipeline, judge};
use crate::metrics;
use crate::ports::{ErrorKind, PortError};
use crate::record::{Applied, Change, Guard, Reason, SourceId};

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// What the record says if this was the last attempt.
    pub(super) reason: Reason,
    /// What went wrong, in words.
    pub(super) error: String,
    /// Whether a service that the work needs is in trouble.
    pub(super) is_outage: bool,
}

impl Failure {
    /// darkroom itself is at fault.
    pub(super) const fn internal(error: String) -> Self {
        Self { reason: Reason::Internal, error, is_outage: false }
    }
}

/// Why an attempt goes no further.
#[derive(Debug)]
pub(super) enum Halt {
    /// It is at its end.
    Ended(Attempted),
    /// It failed.
    Failed(Failure),
}

impl From<Fate> for Halt {
    fn from(fate: Fate) -> Self {
        Self::Ended(Attempted::Settled(fate))
    }
}

impl From<Failure> for Halt {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PortError> for Halt {
    fn from(error: PortError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<PortError> for Failure {
    fn from(error: PortError) -> Self {
        metrics::port_error(&error);
        let is_ours = error.kind == ErrorKind::Invalid;
        Self {
            reason: if is_ours { Reason::Internal } else { Reason::Unavailable },
            is_outage: error.kind.is_outage(),
            error: in_words(&error),
        }
    }
}

/// An error and its sources in one line.
fn in_words(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    // The record must stay small: an item of the catalog is billed by the kilobyte.
    words.chars().take(200).collect()
}

impl Pipeline {
    /// A counted failure before the claim: nothing is written unless no receive is left, or the claim may be there.
    pub(super) async fn failed_before_claim(&self, job: &Job<'_>, entry: &Entry, failure: &Failure) -> Attempted {
        if !job.delivery.is_last {
            if entry.asked_for_claim {
                // A lease that nobody releases would be counted as a death, and the image given up for it.
                self.release(job, failure.error.clone()).await;
            }
            return Attempted::Settled(again(failure));
        }
        // Without having read the object, a final record may well be of this very object.
        let is_settled = entry.seen.as_ref().is_some_and(|seen| seen.status.is_final());
        let may_write = match &entry.guard {
            Some(Guard::Enter { .. }) => true,
            Some(_) => entry.src.is_some() || !is_settled,
            None => false,
        };
        if !may_write {
            return Attempted::Settled(dead(failure));
        }
        match self.write_failure(job, entry, failure).await {
            Ok(attempted) => attempted,
            Err(unwritten) => {
                log_unwritten(&unwritten);
                Attempted::Settled(dead(failure))
            }
        }
    }

    /// Writes `failed` under the entry's guard.
    pub(super) async fn write_failure(
        &self,
        job: &Job<'_>,
        entry: &Entry,
        failure: &Failure,
    ) -> Result<Attempted, Failure> {
        let change = fail(failure, entry.src.clone(), entry.past.deaths);
        match self.write_entering(job, entry, change).await {
            Ok(Ok(_before)) => Ok(Attempted::Settled(self.given_up(failure))),
            Ok(Err(refused)) => Ok(refused),
            Err(Halt::Failed(failure)) => Err(failure),
            Err(Halt::Ended(attempted)) => Ok(attempted),
        }
    }

    /// A counted failure after the claim: the lease is released for the next attempt, or the image is given up.
    pub(super) async fn failed_after_claim(&self, job: &Job<'_>, src: Option<&SourceId>, failure: &Failure) -> Fate {
        let change = if job.delivery.is_last {
            fail(failure, src.cloned(), 0)
        } else {
            Change::Release { error: failure.error.clone() }
        };
        match self.write(job, Guard::Hold, change).await {
            Ok(Applied::Refused { current }) => Fate::Done(judge::of_lost_claim(current.as_ref(), job)),
            Ok(Applied::Written { .. }) if job.delivery.is_last => self.given_up(failure),
            Ok(Applied::Written { .. }) => again(failure),
            Err(unwritten) => {
                // The lease runs out by itself, and the same message takes its own claim over at once.
                log_unwritten(&unwritten);
                if job.delivery.is_last { dead(failure) } else { again(failure) }
            }
        }
    }

    /// Takes the lease off a claim that is still ours: the next attempt may begin at once.
    pub(super) async fn release(&self, job: &Job<'_>, error: String) {
        if let Err(failure) = self.write(job, Guard::Hold, Change::Release { error }).await {
            tracing::warn!(error = failure.error, "the claim could not be released");
        }
    }

    fn given_up(&self, failure: &Failure) -> Fate {
        tracing::error!(reason = failure.reason.as_str(), error = failure.error, "given up");
        metrics::failed(failure.reason);
        dead(failure)
    }
}

fn fail(failure: &Failure, src: Option<SourceId>, deaths: u32) -> Change {
    Change::Fail { reason: failure.reason, src, deaths, error: failure.error.clone() }
}

fn again(failure: &Failure) -> Fate {
    tracing::warn!(reason = failure.reason.as_str(), error = failure.error, "failed, to be tried again");
    Fate::Again { is_outage: failure.is_outage }
}

fn dead(failure: &Failure) -> Fate {
    Fate::Dead { is_outage: failure.is_outage }
}

fn log_unwritten(unwritten: &Failure) {
    tracing::error!(error = unwritten.error, "the failure could not be written into the record");
}
