//! Processes one object from its event to `published`: `Pipeline::steps` lists the steps in order.
//!
//! Each step makes a state from the one before, or ends the attempt. Only two places decide what an event does to a
//! record: `judge` decides what a record means for an event, and
//! [`Transition::is_admitted_by`](crate::record::Transition::is_admitted_by) decides which writes the catalog accepts.

mod access;
pub mod admission;
mod claim;
mod deliver;
mod end;
mod fetch;
mod inspect;
mod job;
mod judge;
mod lookup;
mod read_record;
mod record_failure;
mod render;
mod write;

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::clock::SharedClock;
use crate::event::ObjectCreated;
use crate::metrics::Outcome;
use crate::ports::{Catalog, ObjectStore, Operation};
use crate::recipe::Recipe;
use crate::record::ImageId;
pub use access::AccessHistory;
use admission::Admission;
use end::{End, Step};
use job::{ClaimState, EventOrder, Job, Progress};
use lookup::{Lookup, Reading, lookups};

/// Attempts per receive, for an event without a sequencer whose record keeps changing.
const MAX_ATTEMPTS: usize = 4;

/// How long a claim keeps other messages out. The work after a claim is bounded, so the claim is never renewed.
pub const LEASE: Duration = Duration::from_secs(120);

/// The dependencies and settings of the steps; one per process.
pub struct Pipeline {
    /// The bucket of the uploads.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket of the thumbnails.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The images' records.
    pub catalog: Arc<dyn Catalog>,
    /// The clock for stored times.
    pub clock: SharedClock,
    /// Which operations succeeded lately.
    pub access_history: AccessHistory,
    /// Memory and render slots.
    pub admission: Admission,
    /// The thumbnails to make of an image.
    pub recipe: Arc<Recipe>,
    /// The limits of an upload and of its rendering.
    pub limits: WorkLimits,
    /// Where uploads are expected.
    pub upload_location: UploadLocation,
    /// Cancelled when a render thread is stuck past twice its deadline: the process must end.
    pub stuck: CancellationToken,
}

/// The limits of an upload and of its rendering.
#[derive(Clone, Copy, Debug)]
pub struct WorkLimits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width times height.
    pub max_pixels: u64,
    /// From the start of rendering to its end.
    pub render_timeout: Duration,
}

/// Where uploads are expected; events from elsewhere are ignored or become dead letters.
#[derive(Clone, Debug)]
pub struct UploadLocation {
    /// The bucket's name in events.
    pub bucket: String,
    /// The prefix of every upload's key.
    pub prefix: String,
}

/// The message that brought an event.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The message's id.
    pub message: String,
    /// Receives so far, this one included.
    pub receive_count: u32,
    /// Whether the next poll would move the message to the dead letters.
    pub is_last: bool,
    /// Cancelled when the process drains: waiting work is released, work in progress continues.
    pub draining: CancellationToken,
    /// Cancelled at the drain's deadline: work in progress is released too.
    pub abandoned: CancellationToken,
}

/// The result for one record of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventResult {
    /// Nothing is left to do.
    Done(Outcome),
    /// The attempt failed and may succeed later.
    Retry {
        /// The trouble of a service that the work needs, if any.
        outage: Option<Outage>,
    },
    /// The attempt failed for good: the message belongs in the dead-letter queue.
    Dead {
        /// The trouble of a service that the work needs, if any.
        outage: Option<Outage>,
    },
    /// The process ends before the work began or finished: another worker may take the message now.
    GivenBack,
}

impl EventResult {
    /// Dead, but not because of an outage.
    const DEAD: Self = Self::Dead { outage: None };
}

/// An outage, by the success that ends it. A file that is refused ends none of the thumbnail bucket, in which it stores
/// nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outage {
    /// Of any service: any success ends it.
    Any,
    /// Uploads cannot be read: an outcome that needs the file's bytes ends it.
    Reading,
    /// Thumbnails cannot be stored: only a published image ends it.
    Writing,
}

impl Outage {
    /// The outage in which this call fails.
    const fn of(operation: Operation) -> Self {
        match operation {
            Operation::ObjectsGet => Self::Reading,
            Operation::ObjectsPut => Self::Writing,
            _ => Self::Any,
        }
    }

    /// Whether a message with this outcome shows that the outage is over.
    pub const fn is_ended_by(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Published => true,
            Outcome::Rejected => !matches!(self, Self::Writing),
            Outcome::SourceMissing | Outcome::Duplicate | Outcome::Superseded => matches!(self, Self::Any),
            Outcome::Ignored | Outcome::Retried | Outcome::DeadLettered | Outcome::LeaseLost | Outcome::Released => {
                false
            }
        }
    }
}

impl Pipeline {
    /// The image of an event. `None` for another bucket, a key outside the prefix, or a folder marker.
    pub fn image_of(&self, event: &ObjectCreated) -> Option<ImageId> {
        if event.bucket != self.upload_location.bucket {
            return None;
        }
        lookups(&self.upload_location.prefix, event).into_iter().next().map(|lookup| lookup.id)
    }

    /// Processes one created object. Never fails: an error becomes a [`EventResult`].
    ///
    /// Does not log an event of another bucket: the caller logs that once for all receives of the message.
    pub async fn process(&self, event: &ObjectCreated, delivery: &Delivery) -> EventResult {
        if event.bucket != self.upload_location.bucket {
            return EventResult::DEAD;
        }
        for lookup in lookups(&self.upload_location.prefix, event) {
            let span = tracing::info_span!(
                "object",
                image.id = %lookup.id,
                object.key = lookup.key,
                object.size_bytes = event.size,
                object.version = event.version_id,
            );
            if let Some(result) = self.work(lookup, event, delivery).instrument(span).await {
                return result;
            }
        }
        EventResult::Done(Outcome::Ignored)
    }

    /// Attempts the object again each time its record changes during the attempt. `None` if there is no such object and
    /// another place to look for it.
    async fn work(&self, lookup: Lookup<'_>, event: &ObjectCreated, delivery: &Delivery) -> Option<EventResult> {
        let job = match Job::new(lookup, event, delivery) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(%error, "no randomness for a claim's token");
                return Some(EventResult::Retry { outage: Some(Outage::Any) });
            }
        };
        let mut order = match &event.sequencer {
            Some(sequencer) if job.lookup.reading == Reading::AsWritten => EventOrder::Sequenced(sequencer.clone()),
            _ => EventOrder::Unordered,
        };
        for _ in 0..MAX_ATTEMPTS {
            match self.attempt(&job, order.clone()).await {
                End::Settled(result) => return Some(result),
                End::NotHere => return None,
                End::RecordChanged => {}
                // The bucket keeps no versions and the object was overwritten under the same sequencer.
                End::SourceChanged => order = EventOrder::Unordered,
                End::Failed(failure) => {
                    tracing::error!(error = failure.error, "a failure was not recorded");
                    return Some(EventResult::Retry { outage: failure.outage });
                }
            }
        }
        tracing::info!("the record changed under every attempt");
        Some(EventResult::Retry { outage: None })
    }

    /// Makes one attempt, and records its failure if it failed.
    async fn attempt(&self, job: &Job<'_>, order: EventOrder) -> End {
        if job.delivery.draining.is_cancelled() {
            return End::Settled(EventResult::GivenBack);
        }
        let mut progress = Progress::new(order);
        let (Continue(end) | Break(end)) = self.steps(job, &mut progress).await;
        let End::Failed(failure) = end else { return end };
        let recorded = self.record_failure(job, &progress, &failure);
        if progress.claim == ClaimState::Held {
            self.unless_abandoned(job, recorded).await.unwrap_or(End::Settled(EventResult::GivenBack))
        } else {
            recorded.await
        }
    }

    /// The steps, in order.
    async fn steps(&self, job: &Job<'_>, progress: &mut Progress) -> Step<End> {
        self.read_record(job, progress).await?;
        let object = self.fetch(job, progress).await?;
        let inspected = self.inspect(job, progress, object).await?;
        let admitted = self.admit(job, inspected).await?;
        let claimed = self.claim(job, progress, admitted).await?;
        let published = async {
            let rendered = self.render(job, progress, claimed).await?;
            let delivered = self.deliver(job, rendered).await?;
            self.publish(job, progress, delivered).await
        };
        self.unless_abandoned(job, published).await.unwrap_or(Break(End::Settled(EventResult::GivenBack)))
    }

    /// The result of the work after the claim. `None` if the drain's deadline passes first: the claim is then released,
    /// so that the next worker may start at once.
    async fn unless_abandoned<T>(&self, job: &Job<'_>, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = job.delivery.abandoned.cancelled() => {
                self.release(job, "the worker ended before the work did".to_owned()).await;
                None
            }
            done = work => Some(done),
        }
    }
}
