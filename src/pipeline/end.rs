//! The end of an attempt, and the result of a step.

use std::ops::ControlFlow;

use super::EventResult;
use crate::metrics::{self, Outcome};
use crate::ports::{ErrorKind, PortError};
use crate::record::Reason;

/// An error's longest text in characters. The record must stay small: an item of the catalog is billed by the kilobyte.
const MAX_ERROR_CHARS: usize = 200;

/// The result of a step: the input of the next step, or the end of the attempt.
pub(super) type Step<T> = ControlFlow<End, T>;

/// How an attempt ends.
#[derive(Debug)]
pub(super) enum End {
    /// The message's record is finished, for this receive or for good.
    Settled(EventResult),
    /// It failed, and the failure is not recorded yet.
    Failed(Failure),
    /// There is no such object, and it is looked for elsewhere.
    NotHere,
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

    /// The same failure after `unwritten` kept it out of the record. It is an outage if either of them is.
    pub(super) fn unwritten_by(&self, unwritten: &Self) -> Self {
        tracing::error!(error = unwritten.error, "the failure could not be written into the record");
        let error = self.error.clone();
        let is_outage = self.is_outage || unwritten.is_outage;
        Self { reason: self.reason, error, is_outage, is_final: self.is_final }
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
        let text = error.chain().chars().take(MAX_ERROR_CHARS).collect();
        Self::Failed(Failure { is_outage: error.kind.is_outage(), ..Failure::new(reason, text) })
    }
}

/// Converts the result of a call into a step: an error ends the attempt.
pub(super) fn step<T>(result: Result<T, impl Into<End>>) -> Step<T> {
    match result {
        Ok(next) => ControlFlow::Continue(next),
        Err(error) => ControlFlow::Break(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_an_outage_kept_out_of_the_record_is_an_outage() {
        for (is_outage, is_writing_outage) in [(false, false), (false, true), (true, false), (true, true)] {
            let failure = Failure { is_outage, ..Failure::new(Reason::RenderTimeout, "too slow".to_owned()) };
            let unwritten = Failure { is_outage: is_writing_outage, ..Failure::internal("no answer".to_owned()) };
            let both = failure.unwritten_by(&unwritten);
            assert_eq!((both.reason, both.error.as_str()), (Reason::RenderTimeout, "too slow"));
            assert_eq!(both.is_outage, is_outage || is_writing_outage);
        }
    }
}
