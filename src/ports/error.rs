//! The errors of all ports: each kind is a decision of the caller, the vendor's words are only in the source chain.

use std::error::Error;
use std::fmt;

use super::Operation;
use crate::names;

names::named! {
    /// What a caller can do about a failed call.
    ErrorKind {
        /// There is no such thing. It will not come back by trying again.
        NotFound = "not_found",
        /// It exists already and was left as it is.
        AlreadyExists = "already_exists",
        /// What was asked for is not allowed to happen in the present state.
        Precondition = "precondition",
        /// The message's lease is no longer ours: stop working on it and leave it alone.
        LeaseLost = "lease_lost",
        /// The message was held for as long as the queue allows in all (12 hours on SQS); it is still ours until then.
        LeaseLimit = "lease_limit",
        /// Too many calls: slow down, then try again.
        Throttled = "throttled",
        /// We are not allowed to. An operator can change that: slow down, then try again.
        Denied = "denied",
        /// No answer, or one that says "later": slow down, then try again.
        Unavailable = "unavailable",
        /// There is no room for it: have some made, then try again.
        NoSpace = "no_space",
        /// What arrived is not what was sent: read it again.
        Damaged = "damaged",
        /// A newer build wrote it: leave it to that one, try again later.
        NewerSchema = "newer_schema",
        /// The call itself is wrong: a fault of darkroom's own.
        Invalid = "invalid",
    }
}

impl ErrorKind {
    /// Whether the service itself is in trouble, so that more work would only make it worse: this feeds the breaker.
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Throttled | Self::Denied | Self::Unavailable | Self::NoSpace)
    }
}

/// A call of a port that failed.
#[derive(Debug)]
pub struct PortError {
    /// What the caller can do.
    pub kind: ErrorKind,
    /// The call.
    pub operation: Operation,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error that needs no further explanation.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self { kind, operation, source: None }
    }

    /// An error with the vendor's own as its source.
    pub fn with_source(kind: ErrorKind, operation: Operation, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, operation, source: Some(source.into()) }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
