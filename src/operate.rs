//! The operator's hands: dead letters looked at, explained, redriven and dropped; what got stuck is found and put right;
//! objects that are there already are rendered.

pub mod backfill;
pub mod dead_letters;
pub mod images;
pub mod letter;
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

/// What the operator's commands work on.
#[derive(Clone)]
pub struct Site {
    /// Queue, dead letters, stores and catalog.
    pub ports: Ports,
    /// Stored times.
    pub clock: SharedClock,
    /// The upload bucket's name in events.
    pub bucket: String,
    /// What every upload's key begins with.
    pub prefix: String,
    /// What workers make of an image.
    pub recipe: Recipe,
}

impl Site {
    /// Checks that the upload bucket is there. In a bucket that does not exist every object looks as if it were gone.
    async fn check_upload_bucket(&self) -> Result<(), OperateError> {
        match self.ports.uploads.check_bucket(&self.prefix).await {
            Err(error) if error.kind == ErrorKind::NotFound => Err(NoSuchBucket { bucket: self.bucket.clone() }.into()),
            answer => Ok(answer?),
        }
    }

    /// Puts an event of the object as it is now into the queue: it has no order among the events of its key, so it
    /// changes nothing where nothing is amiss. `at` is since when somebody waits for the image, if anybody does.
    async fn enqueue(&self, key: &str, is_forced: bool, at: Option<Timestamp>) -> Result<(), PortError> {
        let created = ObjectCreated {
            bucket: self.bucket.clone(),
            key: key.to_owned(),
            size: None,
            version_id: None,
            sequencer: None,
            at,
            is_forced,
        };
        self.ports.queue.send(&event::notification(&created, "")).await.map(drop)
    }
}

/// Why a command of the operator ended early. What it had done by then stays done; none of it needs to be undone.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// A port's call failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The report cannot be written, or the answer to a question not be read.
    #[error("the report cannot be written, or the answer not be read")]
    Terminal(#[from] io::Error),
    /// The setting names a bucket that does not exist.
    #[error(transparent)]
    NoSuchBucket(#[from] NoSuchBucket),
    /// There is no such dead letter.
    #[error("there is no dead letter {0:?}, neither of that id nor of an image of that id")]
    NoSuchLetter(String),
    /// There is no such image.
    #[error("there is no image {:?} in the catalog", .0.as_str())]
    NoSuchImage(ImageId),
    /// The system has no randomness to give.
    #[error("no randomness for a token")]
    Randomness(#[from] getrandom::Error),
}

/// Others' text as a line of a report: keys and bodies may hold anything, also orders to the terminal.
fn printable(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(escaped).collect()
}

/// One JSON object on a line of its own.
fn write_json(out: &mut dyn Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object).map_err(io::Error::from)?;
    writeln!(out)
}

/// At most so many steps a second.
struct Pace(Interval);

impl Pace {
    fn per_second(rate: u32) -> Self {
        let mut interval = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
        // After a slow call the pace goes on; it does not make up for lost time.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self(interval)
    }

    /// Waits until the next step may be taken.
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
