//! The errors of all ports. Each kind is a decision of the caller; the vendor's message is only in the source chain.

use std::error::Error;
use std::fmt;

use super::Operation;
use crate::names;

names::named! {
    /// What a caller can do about a failed call.
    ErrorKind {
        /// It does not exist, and a retry does not change that.
        NotFound = "not_found",
        /// It already exists and was not changed.
        AlreadyExists = "already_exists",
        /// The current state does not allow the call.
        Precondition = "precondition",
        /// The message's lease belongs to another receive: stop working on the message and leave it alone.
        LeaseLost = "lease_lost",
        /// The message was held for as long as the queue allows in total (12 hours on SQS); the lease lasts until then.
        LeaseLimit = "lease_limit",
        /// Too many calls: slow down, then try again.
        Throttled = "throttled",
        /// Access is denied. An operator can change that: slow down, then try again.
        Denied = "denied",
        /// Access to this object is denied, and to others it is not.
        ObjectDenied = "object_denied",
        /// The object is in an archive, from which it must be restored before it can be read.
        Archived = "archived",
        /// No answer, or a temporary error: slow down, then try again.
        Unavailable = "unavailable",
        /// No space is left: free some, then try again.
        NoSpace = "no_space",
        /// The bytes that arrived differ from those that were sent: read them again.
        Damaged = "damaged",
        /// A newer build wrote it: leave it to that build, and try again later.
        NewerSchema = "newer_schema",
        /// The call is invalid: a fault of darkroom itself.
        Invalid = "invalid",
    }
}

impl ErrorKind {
    /// Whether the service is in trouble, so that more calls would make it worse; opens the breaker.
    pub const fn is_outage(self) -> bool {
        matches!(self, Self::Throttled | Self::Denied | Self::Unavailable | Self::NoSpace)
    }
}

/// A call of a port that failed.
#[derive(Debug)]
pub struct PortError {
    /// The kind of error.
    pub kind: ErrorKind,
    /// The call.
    pub operation: Operation,
    /// The resource of the settings that does not exist, if known.
    missing: Option<&'static str>,
    is_about_key: bool,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error that needs no further explanation.
    pub fn new(kind: ErrorKind, operation: Operation) -> Self {
        Self { kind, operation, missing: None, is_about_key: false, source: None }
    }

    /// An error with the vendor's error as its source.
    pub fn with_source(kind: ErrorKind, operation: Operation, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, operation, missing: None, is_about_key: false, source: Some(source.into()) }
    }
}

impl PortError {
    /// The same error about a resource of the settings that does not exist, such as a bucket: `no such bucket`.
    #[must_use]
    pub fn of_missing(self, resource: &'static str) -> Self {
        Self { missing: Some(resource), ..self }
    }

    /// The same error about a KMS key that cannot be used; the source names the key.
    #[must_use]
    pub fn of_key(self) -> Self {
        Self { is_about_key: true, ..self }
    }

    /// Whether a KMS key cannot be used.
    pub const fn is_about_key(&self) -> bool {
        self.is_about_key
    }

    /// If the error is that a resource does not exist, names the resource instead of the service's message; otherwise
    /// the same error.
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
        let cause = if self.is_about_key { "a KMS key cannot be used" } else { self.kind.as_str() };
        write!(f, "{}: {}", self.operation, self.missing.unwrap_or(cause))
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
