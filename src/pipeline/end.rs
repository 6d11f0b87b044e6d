//! The end of an attempt, and the result of a step.

use std::ops::ControlFlow;

use super::{EventResult, Outage};
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
    /// The trouble of a service that the work needs, if any.
    pub(super) outage: Option<Outage>,
    /// Whether the image is given up although receives are left.
    pub(super) is_final: bool,
}

impl Failure {
    /// A failure that a retry may fix.
    pub(super) const fn new(reason: Reason, error: String) -> Self {
        Self { reason, error, outage: None, is_final: false }
    }

    /// A fault of darkroom itself.
    pub(super) const fn internal(error: String) -> Self {
        Self::new(Reason::Internal, error)
    }

    /// The same failure after `unwritten` kept it out of the record, with the outage of either of them.
    pub(super) fn unwritten_by(&self, unwritten: &Self) -> Self {
        tracing::error!(error = unwritten.error, "the failure could not be written into the record");
        let error = self.error.clone();
        let outage = self.outage.max(unwritten.outage);
        Self { reason: self.reason, error, outage, is_final: self.is_final }
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
        let reason = match error.kind {
            ErrorKind::Invalid => Reason::Internal,
            ErrorKind::Archived => Reason::Archived,
            _ => Reason::Unavailable,
        };
        let outage = error.kind.is_outage().then(|| Outage::of(error.operation));
        // A restoration takes hours, and no attempt succeeds before its end.
        let is_final = error.kind == ErrorKind::Archived;
        let text = error.chain().chars().take(MAX_ERROR_CHARS).collect();
        Self::Failed(Failure { outage, is_final, ..Failure::new(reason, text) })
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
        use Outage::{Any, Reading, Writing};
        for (outage, outage_of_writing, expected) in [
            (None, None, None),
            (None, Some(Any), Some(Any)),
            (Some(Reading), None, Some(Reading)),
            (Some(Writing), Some(Any), Some(Writing)),
        ] {
            let failure = Failure { outage, ..Failure::new(Reason::RenderTimeout, "too slow".to_owned()) };
            let unwritten = Failure { outage: outage_of_writing, ..Failure::internal("no answer".to_owned()) };
            let both = failure.unwritten_by(&unwritten);
            assert_eq!((both.reason, both.error.as_str()), (Reason::RenderTimeout, "too slow"));
            assert_eq!(both.outage, expected);
        }
    }
}
