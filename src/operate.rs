//! The operator's commands: inspect, redrive and drop dead letters; repair stuck images; render existing objects; list
//! the catalog.

pub mod backfill;
pub mod dead_letters;
pub mod images;
pub mod progress;
pub mod sweep;
mod walk;

use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Interval, MissedTickBehavior};

use crate::clock::{SharedClock, Timestamp};
use crate::event::{self, ObjectCreated};
use crate::ports::objects::NoSuchBucket;
use crate::ports::{ErrorKind, PortError, Ports};
use crate::recipe::Recipe;
use crate::record::ImageId;

/// The context of the operator's commands.
#[derive(Clone)]
pub struct OperatorContext {
    /// Queue, dead-letter queue, object stores and catalog.
    pub ports: Ports,
    /// The clock for stored times.
    pub clock: SharedClock,
    /// The upload bucket's name in events.
    pub bucket: String,
    /// The prefix of every upload's key.
    pub prefix: String,
    /// The thumbnails that workers render.
    pub recipe: Recipe,
}

impl OperatorContext {
    /// Checks that the upload bucket exists. In a missing bucket, every object would look deleted.
    async fn check_upload_bucket(&self) -> Result<(), OperateError> {
        match self.ports.uploads.check_bucket(&self.prefix).await {
            Err(error) if error.kind == ErrorKind::NotFound => Err(NoSuchBucket { bucket: self.bucket.clone() }.into()),
            answer => Ok(answer?),
        }
    }

    /// Puts an event for the object's current version into the queue. The event has no order among the events of its
    /// key, so it has no effect on an image that needs nothing. `at` is the time since which a user waits for the
    /// image, if any.
    async fn enqueue(&self, key: &str, is_forced: bool, at: Option<Timestamp>) -> Result<(), PortError> {
        let created = ObjectCreated {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            size: None,
            version_id: None,
            sequencer: None,
            at,
            is_forced,
            doubts: event::Doubts::default(),
        };
        self.ports.queue.send(&event::notification(&created, "")).await.map(drop)
    }
}

/// Why a command ended early. Its completed steps are kept; none of them needs to be undone.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// A port call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The report cannot be written, or an answer cannot be read.
    #[error("the report cannot be written, or the answer not be read")]
    Terminal(#[from] io::Error),
    /// The setting names a bucket that does not exist.
    #[error(transparent)]
    NoSuchBucket(#[from] NoSuchBucket),
    /// The dead letter does not exist.
    #[error("there is no dead letter {0:?}, neither of that id nor of an image of that id")]
    NoSuchLetter(String),
    /// The image does not exist.
    #[error("there is no image {:?} in the catalog", .0.as_str())]
    NoSuchImage(ImageId),
    /// The system cannot provide randomness.
    #[error("no randomness for a token")]
    Randomness(#[from] getrandom::Error),
}

/// Escapes untrusted text for a line of a report: keys and bodies may contain terminal escape sequences.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// Writes one JSON object on its own line.
fn write_json(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
    writeln!(out)
}

/// Limits the number of steps per second.
struct Pace(Interval);

impl Pace {
    fn per_second(rate: u32) -> Self {
        let mut interval = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
        // After a slow call, continues at the same rate and does not catch up.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }

    /// Waits until the next step is allowed.
    async fn step(&mut self) {
        self.0.tick().await;
    }
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn a_key_gives_no_orders_to_the_terminal() {
        assert_eq!(printable("grüße 📷.png"), "grüße 📷.png");
        assert_eq!(printable("a\u{1b}[2Jb\nc\u{9b}1m"), r"a\u{1b}[2Jb\nc\u{9b}1m");
    }
}
