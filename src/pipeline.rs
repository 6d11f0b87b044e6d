//! The way of one object from its event to `published`: the steps in their order.
//!
//! look, fetch, inspect, admit, claim, render, deliver, publish: each step consumes what the former made. What every
//! event does to every record is decided in two places only: `judge` says what a record means for an event, and
//! [`Transition::is_admitted_by`](crate::record::Transition::is_admitted_by) what the catalog lets through.

pub mod admission;
mod attempt;
mod deliver;
mod failure;
mod fetch;
mod judge;
mod render;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::clock::SharedClock;
use crate::event::ObjectCreated;
use crate::metrics::Outcome;
use crate::ports::{Catalog, ObjectStore};
use crate::recipe::Recipe;
use crate::record::ImageId;
use admission::Admission;
use attempt::{Attempted, Job, Way};

/// How often a record that keeps changing under an event without a sequencer is looked at again.
const LOOKS: usize = 4;

/// How long a claim keeps other messages out. The work after a claim is bounded, so it is never renewed.
pub const LEASE: Duration = Duration::from_secs(120);

/// What the steps need; one per process.
pub struct Pipeline {
    /// The bucket that uploads land in.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket that thumbnails are put into.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The images' records.
    pub catalog: Arc<dyn Catalog>,
    /// Stored times.
    pub clock: SharedClock,
    /// Memory and render slots.
    pub admission: Admission,
    /// What is made of an image.
    pub recipe: Arc<Recipe>,
    /// What an upload may be at most, and how long rendering it may take.
    pub limits: WorkLimits,
    /// Where uploads are expected.
    pub source: Source,
    /// Cancelled when a render thread is stuck past twice its deadline: the process must end.
    pub stuck: CancellationToken,
}

/// What an upload may be at most, and how long rendering it may take.
#[derive(Clone, Copy, Debug)]
pub struct WorkLimits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width times height.
    pub max_pixels: u64,
    /// From the begin of rendering to its end.
    pub render_timeout: Duration,
}

/// Where uploads are expected; events from elsewhere are none of ours.
#[derive(Clone, Debug)]
pub struct Source {
    /// The bucket's name in events.
    pub bucket: String,
    /// What every upload's key begins with.
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
    /// Cancelled when the process drains: whoever waits gives up, work in hand goes on.
    pub draining: CancellationToken,
    /// Cancelled at the drain's deadline: work in hand is given back too.
    pub abandoned: CancellationToken,
}

/// What became of one record of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing is left to do.
    Done(Outcome),
    /// It failed and may succeed later.
    Again {
        /// Whether a service that the work needs is in trouble.
        is_outage: bool,
    },
    /// It failed for good: the message belongs to the dead letters.
    Dead {
        /// Whether a service that the work needs is in trouble.
        is_outage: bool,
    },
    /// The process ends and the work had not begun, or not ended: somebody else's turn, now.
    GivenBack,
}

impl Fate {
    /// Dead, and not by an outage.
    const DEAD: Self = Self::Dead { is_outage: false };
}

impl Pipeline {
    /// The image that an event is about. `None` for another bucket, a key outside the prefix, or a folder marker.
    pub fn image_of(&self, event: &ObjectCreated) -> Option<ImageId> {
        let is_folder_marker = event.key.ends_with('/') && event.size.unwrap_or(0) == 0;
        if event.bucket != self.source.bucket || is_folder_marker {
            return None;
        }
        ImageId::of_key(&self.source.prefix, &event.key)
    }

    /// Takes one created object all the way. Never fails: what goes wrong becomes a [`Fate`].
    ///
    /// Does not log that an event is of another bucket: the caller logs that once for all receives of the message.
    pub async fn process(&self, event: &ObjectCreated, delivery: &Delivery) -> Fate {
        if event.bucket != self.source.bucket {
            return Fate::DEAD;
        }
        let Some(id) = self.image_of(event) else { return Fate::Done(Outcome::Ignored) };
        let span = tracing::info_span!(
            "object",
            image.id = %id,
            object.key = event.key,
            object.size_bytes = event.size,
            object.version = event.version_id,
        );
        self.work(id, event, delivery).instrument(span).await
    }

    /// Attempts the object, as often as its record changes under the attempt.
    async fn work(&self, id: ImageId, event: &ObjectCreated, delivery: &Delivery) -> Fate {
        let job = match Job::new(id, event, delivery) {
            Ok(job) => job,
            Err(error) => {
                tracing::error!(%error, "no randomness for a claim's token");
                return Fate::Again { is_outage: true };
            }
        };
        let mut way = event.sequencer.clone().map_or(Way::Current, Way::Sequenced);
        for _ in 0..LOOKS {
            match self.attempt(&job, &way).await {
                Attempted::Settled(fate) => return fate,
                Attempted::RecordChanged => {}
                // The bucket keeps no versions and the object was overwritten under the same sequencer.
                Attempted::SourceChanged => way = Way::Current,
            }
        }
        tracing::info!("the record changed under every look");
        Fate::Again { is_outage: false }
    }
}
