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
    /// What of the settings does not exist, where that is known.
    missing: Option<&'static str>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error that needs no further explanation.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self { kind, operation, missing: None, source: None }
    }

    /// An error with the vendor's own as its source.
    pub fn with_source(kind: ErrorKind, operation: Operation, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, operation, missing: None, source: Some(source.into()) }
    }
}

impl PortError {
    /// The same error about a resource of the settings that does not exist, such as a bucket: `no such bucket`.
    #[must_use]
    pub fn of_missing(self, resource: &'static str) -> Self {
        Self { missing: Some(resource), ..self }
    }

    /// Names the resource, if it is what does not exist: whatever else the service says of that says the same.
    #[must_use]
    pub fn on(self, resource: &str) -> Self {
        let source = if self.is_missing() { Some(resource.into()) } else { self.source };
        Self { source, ..self }
    }

    /// Whether a resource of the settings does not exist.
    pub const fn is_missing(&self) -> bool {
        self.missing.is_some()
    }

    /// The error and its sources in one line, no part twice.
    pub fn chain(&self) -> String {
        let mut words = self.to_string();
        let mut source = self.source();
        while let Some(cause) = source {
            let cause_words = cause.to_string();
            if !words.contains(&cause_words) {
                words = format!("{words}: {cause_words}");
            }
            source = cause.source();
        }
        words
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.missing.unwrap_or(self.kind.as_str()))
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
