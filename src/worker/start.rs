//! What a worker waits for before it receives: the upload bucket exists, and the queue returns its attributes.

use std::error::Error;

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::breaker::Breaker;
use crate::metrics::{self, Outcome};
use crate::pipeline::Outage;
use crate::ports::objects::NoSuchBucket;
use crate::ports::queue::QueueAttributes;
use crate::ports::{ErrorKind, PortError};

/// Why a worker cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting names a bucket that does not exist.
    #[error(transparent)]
    NoSuchBucket(#[from] NoSuchBucket),
    /// A call failed in a way that a retry cannot fix.
    #[error("the upload bucket cannot be listed")]
    Port(#[from] PortError),
}

impl Worker {
    /// Waits until the upload bucket can be listed, or until `shutdown` is cancelled. Until then the worker is not
    /// ready: with a wrong bucket it would treat every upload as an event of another bucket.
    ///
    /// # Errors
    /// When the bucket does not exist.
    pub async fn wait_for_bucket(&self, shutdown: &CancellationToken) -> Result<(), StartError> {
        let location = &self.pipeline.upload_location;
        let list = || self.pipeline.uploads.check_bucket(&location.prefix);
        match until_answered(&Breaker::new(), shutdown, "the upload bucket cannot be listed", list).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                Err(NoSuchBucket { bucket: location.bucket.clone() }.into())
            }
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Asks for the queue's attributes, for its receive limit, until it answers: a worker that starts during an outage
    /// waits for its end. `None` on shutdown.
    pub(super) async fn queue_attributes(
        &self,
        breaker: &Breaker,
        shutdown: &CancellationToken,
    ) -> Result<Option<QueueAttributes>, PortError> {
        until_answered(breaker, shutdown, "the attributes of the queue cannot be read", || self.queue.attributes())
            .await
    }
}

/// Repeats a read-only call until it succeeds, pausing as the breaker says. `None` on shutdown, which also drops a call
/// in flight.
async fn until_answered<T, F: Future<Output = Result<T, PortError>>>(
    breaker: &Breaker,
    shutdown: &CancellationToken,
    trouble: &'static str,
    call: impl Fn() -> F,
) -> Result<Option<T>, PortError> {
    loop {
        let answer = async {
            breaker.allowed(1).await;
            call().await
        };
        let answer = tokio::select! {
            biased;
            () = shutdown.cancelled() => return Ok(None),
            answer = answer => answer,
        };
        match answer {
            Ok(answer) => {
                // The breaker is of this call alone.
                breaker.succeeded(Outcome::Published);
                return Ok(Some(answer));
            }
            Err(error) if error.kind.is_outage() || error.kind == ErrorKind::Damaged => {
                metrics::port_error(&error);
                tracing::warn!(error = &error as &dyn Error, "{trouble}");
                breaker.failed(Outage::Any);
            }
            Err(error) => return Err(error),
        }
    }
}
