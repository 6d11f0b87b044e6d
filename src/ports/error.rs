//! The errors of all ports: each kind is a decision of the caller, the vendor's words are only in the source chain.

use std::error::Error;
use std::fmt;

/// What a caller can do about a failed call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// There is no such thing. It will not come back by trying again.
    NotFound,
    /// It exists already and was left as it is.
    AlreadyExists,
    /// What was asked for is not allowed to happen in the present state.
    Precondition,
    /// The message's lease is no longer ours: stop working on it and leave it alone.
    LeaseLost,
    /// The message was held for as long as the queue allows in all (12 hours on SQS); it is still ours until then.
    LeaseLimit,
    /// Too many calls: slow down, then try again.
    Throttled,
    /// We are not allowed to. An operator can change that: slow down, then try again.
    Denied,
    /// No answer, or one that says "later": slow down, then try again.
    Unavailable,
    /// There is no room for it: have some made, then try again.
    NoSpace,
    /// What arrived is not what was sent: read it again.
    Damaged,
    /// A newer build wrote it: leave it to that one, try again later.
    NewerSchema,
    /// The call itself is wrong: a fault of darkroom's own.
    Invalid,
}

impl ErrorKind {
    /// Every kind, for metrics that start at zero.
    pub const ALL: [Self; 12] = [
        Self::NotFound,
        Self::AlreadyExists,
        Self::Precondition,
        Self::LeaseLost,
        Self::LeaseLimit,
        Self::Throttled,
        Self::Denied,
        Self::Unavailable,
        Self::NoSpace,
        Self::Damaged,
        Self::NewerSchema,
        Self::Invalid,
    ];

    /// The name in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::AlreadyExists => "already_exists",
            Self::Precondition => "precondition",
            Self::LeaseLost => "lease_lost",
            Self::LeaseLimit => "lease_limit",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Unavailable => "unavailable",
            Self::NoSpace => "no_space",
            Self::Damaged => "damaged",
            Self::NewerSchema => "newer_schema",
            Self::Invalid => "invalid",
        }
    }

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
    /// The call, as `port.operation`, such as `objects.get`.
    pub operation: &'static str,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// An error that needs no further explanation.
    pub fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// An error with the vendor's own as its source.
    pub fn with_source(
        kind: ErrorKind,
        operation: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { kind, operation, source: Some(source.into()) }
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.operation, self.kind.as_str())
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}
