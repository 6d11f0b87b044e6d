//! What goes wrong inside the database, and what a caller of a port can do about it.

use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::ports::{ErrorKind, PortError};

/// Why a read or a write of the database did not happen.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// What was asked for is not allowed to happen in the present state.
    #[error("refused: {}", .0.as_str())]
    Refused(ErrorKind),
    /// The database said no.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The transaction that this write shared with others could not be committed: none of them happened.
    #[error("the transaction was not committed")]
    NotCommitted(#[source] Arc<rusqlite::Error>),
    /// What is stored is not what this build writes.
    #[error("a stored record cannot be read")]
    Record(#[from] serde_json::Error),
    /// The write panicked: a fault of darkroom's own.
    #[error("the write panicked")]
    Panicked,
    /// The process is shutting down.
    #[error("the process is shutting down")]
    ShuttingDown,
}

impl Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(kind) => *kind,
            Self::Database(error) => kind_of(error),
            Self::NotCommitted(error) => kind_of(error),
            Self::Record(_) => ErrorKind::Damaged,
            Self::Panicked => ErrorKind::Invalid,
            Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }

    /// The error of the port's call `operation`.
    pub(super) fn into_port_error(self, operation: &'static str) -> PortError {
        match self {
            Self::Refused(kind) => PortError::new(kind, operation),
            other => PortError::with_source(other.kind(), operation, other),
        }
    }
}

fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            ErrorKind::Denied
        }
        // A locked, full or damaged database is an outage: more work would only make it worse.
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::OperationInterrupted
            | ErrorCode::OperationAborted
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => ErrorKind::Unavailable,
        _ => ErrorKind::Invalid,
    }
}

/// What the failure of a file means to a caller.
pub(super) fn file_error(operation: &'static str, error: std::io::Error) -> PortError {
    let kind = match error.kind() {
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        std::io::ErrorKind::NotFound => ErrorKind::NotFound,
        _ => ErrorKind::Unavailable,
    };
    PortError::with_source(kind, operation, error)
}
