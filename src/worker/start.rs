//! What a worker waits for before it receives: its bucket is there, and the queue answers with its rules.

use std::error::Error;

use tokio_util::sync::CancellationToken;

use super::Worker;
use super::breaker::Breaker;
use crate::metrics;
use crate::ports::objects::NoSuchBucket;
use crate::ports::queue::QueueAttributes;
use crate::ports::{ErrorKind, PortError};

/// Why a worker cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The setting names a bucket that does not exist.
    #[error(transparent)]
    NoSuchBucket(#[from] NoSuchBucket),
    /// A call failed in a way that trying again does not change.
    #[error("the upload bucket cannot be listed")]
    Port(#[from] PortError),
}

impl Worker {
    /// Waits until the upload bucket can be listed, or until `shutdown` is cancelled. Until then a worker is not ready:
    /// with a wrong bucket it would take every upload for a stranger's.
    ///
    /// # Errors
    /// When there is no bucket of that name.
    pub async fn wait_for_bucket(&self, shutdown: &CancellationToken) -> Result<(), StartError> {
        let source = &self.pipeline.source;
        let list = || self.pipeline.uploads.check_bucket(&source.prefix);
        match until_answered(&Breaker::new(), shutdown, "the upload bucket cannot be listed", list).await {
            Err(error) if error.kind == ErrorKind::NotFound => {
                Err(NoSuchBucket { bucket: source.bucket.clone() }.into())
            }
            answer => Ok(answer.map(drop)?),
        }
    }

    /// Asks for the queue's rules until it answers: a worker that begins during an outage waits like the others. `None`
    /// on shutdown.
    pub(super) async fn queue_rules(
        &self,
        breaker: &Breaker,
        shutdown: &CancellationToken,
    ) -> Result<Option<QueueAttributes>, PortError> {
        until_answered(breaker, shutdown, "the queue does not tell its rules", || self.queue.attributes()).await
    }
}

/// Repeats a call that changes nothing until it has an answer, with the breaker's pauses in between. `None` on shutdown,
/// which also drops a call in flight.
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
                breaker.succeeded();
                return Ok(Some(answer));
            }
            Err(error) if error.kind.is_outage() || error.kind == ErrorKind::Damaged => {
                metrics::port_error(&error);
                tracing::warn!(error = &error as &dyn Error, "{trouble}");
                breaker.failed();
            }
            Err(error) => return Err(error),
        }
    }
}
