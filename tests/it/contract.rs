//! The contracts of the ports, as cases that every backend must pass.
//!
//! A case is a plain function over a [`Fixture`], named after the behavior that it checks. Each module lists its cases
//! in a macro, such as `for_each_queue_case!`, which calls another macro with the port's name and the names of the
//! cases. A backend passes a macro that makes a test of each case, as `contract/local.rs` does. The compiler warns that
//! a case outside the list is unused.

#[cfg(feature = "aws")]
mod aws;
pub(crate) mod catalog;
#[cfg(feature = "aws")]
mod engines;
pub(crate) mod local;
pub(crate) mod objects;
pub(crate) mod queue;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{Request, Response};
use bytes::Bytes;
use darkroom::clock::Timestamp;
use darkroom::ports::{Catalog, ObjectStore, Queue};

/// A queue with its dead letters.
pub(crate) struct Queues {
    pub(crate) queue: Arc<dyn Queue>,
    pub(crate) dead_letters: Arc<dyn Queue>,
}

/// Whether a bucket keeps versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Versions {
    Kept,
    None,
}

/// A backend under test. Everything that it returns is fresh and empty.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// A queue that moves a message to its dead letters after `max_receives`.
    async fn queue(&self, max_receives: u32) -> Queues;

    async fn bucket(&self, versions: Versions) -> Arc<dyn ObjectStore>;

    async fn catalog(&self) -> Arc<dyn Catalog>;

    /// The current time of the clock that the backend uses for signatures and storage.
    fn now(&self) -> Timestamp;

    /// Sends a request to a signed address of one of the buckets.
    async fn fetch(&self, request: Request<Bytes>) -> Response<Bytes>;

    /// Waits until this much time has passed for the backend too.
    ///
    /// A paused clock jumps; against an emulator this really waits. Cases wait for a whole number of seconds.
    async fn let_time_pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
