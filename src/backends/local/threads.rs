//! Runs work that waits for the disk on threads that may block.

use std::io;

use crate::ports::{ErrorKind, Operation, PortError};

/// Runs `work` on a blocking thread, to its end even if the caller is dropped, so that files and their rows stay
/// consistent.
pub(super) async fn on_a_thread<T: Send + 'static>(
    operation: Operation,
    work: impl FnOnce() -> Result<T, PortError> + Send + 'static,
) -> Result<T, PortError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(PortError::with_source(ErrorKind::Unavailable, operation, error)))
}

/// Runs file work on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
