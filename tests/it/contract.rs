//! The contracts of the ports, as cases that every backend must pass.
//!
//! A case is a plain function over a [`Fixture`], named after what it shows. Each module lists its cases in a macro,
//! `for_each_queue_case!` and so on, which calls another macro with the port's name and those of the cases; a backend
//! is instantiated by a macro that makes a test of each, as `contract/local.rs` does it. A case that is in no list is
//! never used, which is a warning.

#[cfg(feature = "aws")]
mod aws;
pub(crate) mod catalog;
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

/// A backend to try. Everything that it gives is fresh and empty.
#[async_trait]
pub(crate) trait Fixture: Send + Sync {
    /// A queue that moves a message to its dead letters after `max_receives`.
    async fn queue(&self, max_receives: u32) -> Queues;

    /// A bucket.
    async fn bucket(&self, versions: Versions) -> Arc<dyn ObjectStore>;

    /// A catalog.
    async fn catalog(&self) -> Arc<dyn Catalog>;

    /// The time by which the backend signs and stores.
    fn now(&self) -> Timestamp;

    /// Sends a request to a signed address of one of the buckets.
    async fn fetch(&self, request: Request<Bytes>) -> Response<Bytes>;

    /// Waits until that much time has passed for the backend, too.
    ///
    /// A paused clock jumps; against an emulator this really waits. Cases wait for seconds, and for whole ones.
    async fn let_time_pass(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}
