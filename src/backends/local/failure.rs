//! Failures of the database and of files, and the kinds of errors that ports report for them.

use std::error::Error as _;
use std::io;
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::metrics::SpaceLimit;
use crate::ports::{ErrorKind, Operation, PortError};

/// Why a read or a write of the database failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The current state does not allow the operation.
    #[error("refused: {}", .0.as_str())]
    Refused(ErrorKind),
    /// SQLite failed.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The shared transaction could not be committed, so none of its writes happened.
    #[error(transparent)]
    NotCommitted(Arc<rusqlite::Error>),
    /// A stored record has a format that this build cannot read.
    #[error("a stored record cannot be read")]
    Record(#[from] serde_json::Error),
    /// A file of the directory cannot be read or written.
    #[error(transparent)]
    File(#[from] io::Error),
    /// There is not enough space.
    #[error(transparent)]
    NoSpace(NoSpace),
    /// The write panicked, which is a bug in darkroom.
    #[error("the write panicked")]
    Panicked,
    /// The process is shutting down.
    #[error("the process is shutting down")]
    ShuttingDown,
}

/// Why there is not enough space. Uploads and work continue once there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSpace {
    /// The disk is full.
    #[error("the disk that holds the local directory is full: free some space")]
    DiskFull,
    /// An upload would leave less than the minimum of free space.
    #[error(
        "the disk that holds the local directory is nearly full, less is free than DARKROOM_MIN_FREE_SPACE: free \
         some space"
    )]
    Floor,
    /// The limit of stored bytes is reached.
    #[error("as many bytes are kept as DARKROOM_MAX_STORED_BYTES allows: delete images, or raise it")]
    Stored,
}

impl NoSpace {
    /// The reason of an [`ErrorKind::NoSpace`] error.
    pub(super) fn of(error: &PortError) -> Self {
        error.source().and_then(|source| source.downcast_ref()).copied().unwrap_or(Self::DiskFull)
    }

    /// The value of the label in the metrics.
    pub(super) const fn limit(self) -> SpaceLimit {
        match self {
            Self::DiskFull => SpaceLimit::Disk,
            Self::Floor => SpaceLimit::FreeSpace,
            Self::Stored => SpaceLimit::StoredBytes,
        }
    }
}

impl Failure {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Refused(kind) => *kind,
            Self::Database(error) => kind_of(error),
            Self::NotCommitted(error) => kind_of(error),
            Self::Record(_) => ErrorKind::Damaged,
            Self::Panicked => ErrorKind::Invalid,
            Self::NoSpace(_) => ErrorKind::NoSpace,
            Self::File(_) | Self::ShuttingDown => ErrorKind::Unavailable,
        }
    }

    fn is_disk_full(&self) -> bool {
        match self {
            Self::Database(error) => has_no_space(error),
            Self::NotCommitted(error) => has_no_space(error),
            _ => false,
        }
    }

    /// Converts to the error of the port's call `operation`.
    pub(super) fn into_port_error(self, operation: Operation) -> PortError {
        match self {
            Self::Refused(kind) => PortError::new(kind, operation),
            full if full.is_disk_full() => Self::NoSpace(NoSpace::DiskFull).into_port_error(operation),
            Self::NoSpace(no_space) => PortError::with_source(ErrorKind::NoSpace, operation, no_space),
            // SQLite's errors have their code as a source, which repeats the message.
            sqlite @ (Self::Database(_) | Self::NotCommitted(_)) => {
                PortError::with_source(sqlite.kind(), operation, sqlite.to_string())
            }
            other => PortError::with_source(other.kind(), operation, other),
        }
    }
}

/// Whether SQLite found no space. It uses another code if its shared memory cannot grow.
pub(super) fn has_no_space(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
        || error.sqlite_error().is_some_and(|error| error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}

fn kind_of(error: &rusqlite::Error) -> ErrorKind {
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::AuthorizationForStatementDenied) => {
            ErrorKind::Denied
        }
        // A locked, full or damaged database is an outage: more requests would make it worse.
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

/// Converts a file's error to the port's error. A missing file is an outage: the row of an object names it, or the
/// directory of files that are being written is gone.
pub(super) fn file_error(operation: Operation, error: io::Error) -> PortError {
    let kind = match error.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ErrorKind::Denied,
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            return Failure::NoSpace(NoSpace::DiskFull).into_port_error(operation);
        }
        _ => ErrorKind::Unavailable,
    };
    PortError::with_source(kind, operation, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do_wherever_it_was_met() {
        let full = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        for error in [
            Failure::Database(full(rusqlite::ffi::SQLITE_FULL)).into_port_error(Operation::QueueSend),
            Failure::Database(full(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)).into_port_error(Operation::QueueSend),
            Failure::NotCommitted(Arc::new(full(rusqlite::ffi::SQLITE_FULL))).into_port_error(Operation::QueueSend),
            file_error(Operation::ObjectsPut, io::ErrorKind::StorageFull.into()),
        ] {
            assert_eq!(error.kind, ErrorKind::NoSpace);
            assert_eq!(error.source().unwrap().downcast_ref(), Some(&NoSpace::DiskFull));
        }
    }
}
