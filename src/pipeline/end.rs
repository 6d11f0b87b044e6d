//! The end of an attempt, and the result of a step.

use std::error::Error;
use std::ops::ControlFlow;

use super::EventResult;
use crate::metrics::{self, Outcome};
use crate::ports::{ErrorKind, PortError};
use crate::record::Reason;

/// The result of a step: the input of the next step, or the end of the attempt.
pub(super) type Step<T> = ControlFlow<End, T>;

/// How an attempt ends.
#[derive(Debug)]
pub(super) enum End {
    /// The message's record is finished, for this receive or for good.
    Settled(EventResult),
    /// It failed, and the failure is not recorded yet.
    Failed(Failure),
    /// Another attempt changed the image's record meanwhile: try again.
    RecordChanged,
    /// The record is of another object under the same sequencer: try again with the current object.
    SourceChanged,
}

impl End {
    /// Nothing is left to do.
    pub(super) const fn done(outcome: Outcome) -> Self {
        Self::Settled(EventResult::Done(outcome))
    }
}

/// Why an attempt failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// The reason in the image's record, if this was the last attempt.
    pub(super) reason: Reason,
    /// A description of the error.
    pub(super) error: String,
    /// Whether a service that the work needs is in trouble.
    pub(super) is_outage: bool,
    /// Whether the image is given up although receives are left.
    pub(super) is_final: bool,
}

impl Failure {
    /// A failure that a retry may fix.
    pub(super) const fn new(reason: Reason, error: String) -> Self {
        Self { reason, error, is_outage: false, is_final: false }
    }

    /// A fault of darkroom itself.
    pub(super) const fn internal(error: String) -> Self {
        Self::new(Reason::Internal, error)
    }
}

impl From<Failure> for End {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<PortError> for End {
    fn from(error: PortError) -> Self {
        metrics::port_error(&error);
        let is_ours = error.kind == ErrorKind::Invalid;
        let reason = if is_ours { Reason::Internal } else { Reason::Unavailable };
        Self::Failed(Failure { is_outage: error.kind.is_outage(), ..Failure::new(reason, in_words(&error)) })
    }
}

/// Converts the result of a call into a step: an error ends the attempt.
pub(super) fn step<T>(result: Result<T, impl Into<End>>) -> Step<T> {
    match result {
        Ok(next) => ControlFlow::Continue(next),
        Err(error) => ControlFlow::Break(error.into()),
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
