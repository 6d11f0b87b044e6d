//! The worker: receives messages, extends their visibility timeouts, settles them, and drains on shutdown.

mod breaker;
mod delay;
mod lease_heartbeat;
mod message;
mod object_names;
mod other_buckets;
mod settle;
mod start;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::SharedClock;
use crate::metrics;
use crate::pipeline::{Outage, Pipeline};
use crate::ports::queue::{MAX_BATCH, Message, QueueAttributes};
use crate::ports::{PortError, Queue};
use breaker::Breaker;
pub(crate) use breaker::LONGEST_PAUSE;
pub(crate) use delay::LONGEST_DELAY;
use lease_heartbeat::LeaseHeartbeat;
use other_buckets::BucketEvidence;
pub use start::StartError;

/// The worker's settings.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Images rendered at once. The worker works on at most twice this many messages plus ten, and settles 40 more.
    pub render_slots: usize,
    /// The visibility timeout of a received message; extended while the worker holds it.
    pub visibility_timeout: Duration,
    /// How long a receive waits for a message.
    pub poll_wait: Duration,
    /// How long work in progress may take after a drain begins.
    pub drain_timeout: Duration,
}

/// One process's worker.
pub struct Worker {
    queue: Arc<dyn Queue>,
    pipeline: Arc<Pipeline>,
    clock: SharedClock,
    settings: WorkerSettings,
}

/// How a worker ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Everything that the worker held was settled or released.
    Drained,
    /// The drain's deadline passed with work in progress, which was released.
    DeadlinePassed,
}

/// What the tasks of one run share.
struct Run {
    worker: Worker,
    heartbeat: LeaseHeartbeat,
    breaker: Breaker,
    bucket_evidence: BucketEvidence,
    max_receives: Option<u32>,
    draining: CancellationToken,
    abandoned: CancellationToken,
    /// Bounds the messages that are being settled.
    settling: Semaphore,
}

/// Messages that are settled at once: while a batch of deletes and one of releases wait or are sent, so many more can
/// come.
const MAX_SETTLING: usize = 4 * MAX_BATCH;

impl Worker {
    /// A worker that has not started.
    pub fn new(queue: Arc<dyn Queue>, pipeline: Arc<Pipeline>, clock: SharedClock, settings: WorkerSettings) -> Self {
        Self { queue, pipeline, clock, settings }
    }

    /// Works until `shutdown` is cancelled, then drains: waiting work is released at once, work in progress is
    /// finished.
    ///
    /// # Errors
    /// When the queue does not exist, or it rejects the request for its attributes.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Ended, PortError> {
        let breaker = Breaker::new();
        let Some(QueueAttributes { max_receives, .. }) = self.queue_attributes(&breaker, &shutdown).await? else {
            return Ok(Ended::Drained);
        };
        let heartbeat = LeaseHeartbeat::start(Arc::clone(&self.queue), self.settings.visibility_timeout);
        let bucket_evidence =
            BucketEvidence::new(&self.pipeline.upload_location.bucket, &self.pipeline.upload_location.prefix);
        let run = Arc::new(Run {
            worker: self,
            heartbeat,
            breaker,
            bucket_evidence,
            max_receives,
            draining: shutdown,
            abandoned: CancellationToken::new(),
            settling: Semaphore::new(MAX_SETTLING),
        });
        let tasks = TaskTracker::new();
        run.receive_until_shutdown(&tasks).await;
        Ok(run.drain(&tasks).await)
    }
}

impl Run {
    /// The receive loop: takes a permit before each receive and moves it into the message's task.
    async fn receive_until_shutdown(self: &Arc<Self>, tasks: &TaskTracker) {
        // Room for one batch, for the messages that are rendered, and for as many again that wait or are delivered.
        let permits = Arc::new(Semaphore::new(2 * self.worker.settings.render_slots + MAX_BATCH));
        while let Some((free, max)) = self.ready_to_receive(&permits).await {
            // A receive in flight is never dropped: its messages would stay invisible for the whole timeout. It ends
            // within the poll's wait, and the messages that it returns are released.
            let settings = &self.worker.settings;
            let received = self.worker.queue.receive(max, settings.poll_wait, settings.visibility_timeout).await;
            match received {
                Ok(messages) => self.accept(messages, free, tasks),
                Err(error) => {
                    metrics::port_error(&error);
                    tracing::warn!(error = &error as &dyn std::error::Error, "the queue cannot be received from");
                    self.breaker.failed(Outage::Any);
                }
            }
        }
    }

    /// Waits until there is room for a whole batch and the breaker lets a receive through; `None` on shutdown.
    async fn ready_to_receive(&self, permits: &Arc<Semaphore>) -> Option<(OwnedSemaphorePermit, usize)> {
        let ready = async {
            let max = self.breaker.allowed(MAX_BATCH).await;
            let free = Arc::clone(permits).acquire_many_owned(MAX_BATCH as u32).await.ok()?;
            // The work in progress may have met an outage during the wait.
            Some((free, self.breaker.allowed(max).await))
        };
        tokio::select! {
            biased;
            () = self.draining.cancelled() => None,
            ready = ready => ready,
        }
    }

    /// Starts one task per message, each with its permit and its lease.
    fn accept(self: &Arc<Self>, messages: Vec<Message>, mut free: OwnedSemaphorePermit, tasks: &TaskTracker) {
        metrics::messages_received(messages.len());
        for message in messages {
            let permit = free.split(1);
            let lease = self.heartbeat.hold(&message.receipt);
            let run = Arc::clone(self);
            tasks.spawn(async move { run.handle(message, lease, permit).await });
        }
    }

    /// Waits for the work in progress; releases it when the deadline passes.
    async fn drain(&self, tasks: &TaskTracker) -> Ended {
        let started = Instant::now();
        tracing::info!(messages = tasks.len(), "draining");
        tasks.close();
        let in_time = tokio::time::timeout(self.worker.settings.drain_timeout, tasks.wait()).await.is_ok();
        if !in_time {
            tracing::warn!(messages = tasks.len(), "the drain's deadline has passed: giving work in hand back");
            self.abandoned.cancel();
            tasks.wait().await;
        }
        self.heartbeat.stop().await;
        metrics::drained(started.elapsed());
        if in_time { Ended::Drained } else { Ended::DeadlinePassed }
    }
}
