//! `darkroom dlq`: the filter and the operations.

pub mod dead_letter;
mod drop;
mod list;
mod redrive;
mod row;
mod show;

use std::time::Duration;

use super::dead_letters::dead_letter::{Cause, DeadLetter};
use super::walk::Walk;
use super::{OperateError, OperatorContext, printable};
use crate::clock::Timestamp;
pub use drop::{DropOptions, drop};
pub use list::list;
pub use redrive::{RedriveOptions, Redriven, redrive};
pub use show::show;

/// Selects dead letters. A dead letter must match every field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ids of messages or of their images; empty matches all.
    pub ids: Vec<String>,
    /// Causes; empty matches all.
    pub causes: Vec<Cause>,
    /// The prefix of the object's key.
    pub key_prefix: Option<String>,
    /// The least age since sending.
    pub older_than: Option<Duration>,
    /// The greatest age since sending.
    pub newer_than: Option<Duration>,
}

impl Filter {
    /// Whether the filter selects this dead letter.
    pub fn admits(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        let age = now.since(letter.message.sent_at);
        let has_id = |id: &String| letter.is_called(id);
        let has_prefix = |prefix: &String| letter.subjects.iter().any(|subject| subject.event.key.starts_with(prefix));
        (self.ids.is_empty() || self.ids.iter().any(has_id))
            && (self.causes.is_empty() || self.causes.contains(&letter.cause))
            && self.key_prefix.as_ref().is_none_or(has_prefix)
            && self.older_than.is_none_or(|least| age >= least)
            && self.newer_than.is_none_or(|most| age <= most)
    }

    /// Whether a redrive sends this dead letter. Skips those that a redrive cannot help, unless the filter has ids or
    /// causes.
    fn redrives(&self, letter: &DeadLetter, now: Timestamp) -> bool {
        let is_asked_for = !self.ids.is_empty() || !self.causes.is_empty();
        self.admits(letter, now) && (is_asked_for || !letter.cause.is_hopeless())
    }
}

/// Checks that each id of the filter has one of these dead letters.
fn check_ids(filter: &Filter, letters: &[DeadLetter]) -> Result<(), OperateError> {
    let is_missing = |id: &&String| !letters.iter().any(|letter| letter.is_called(id));
    filter.ids.iter().find(is_missing).map_or(Ok(()), |id| Err(OperateError::NoSuchLetter(id.clone())))
}

impl DeadLetter {
    fn is_called(&self, id: &str) -> bool {
        let mut images = self.subjects.iter().filter_map(|subject| subject.image.as_ref());
        self.message.id == id || images.any(|image| image.as_str() == id)
    }

    fn keys(&self) -> Vec<&str> {
        self.subjects.iter().map(|subject| &*subject.event.key).collect()
    }

    /// The dead letter as one line.
    fn line(&self) -> String {
        format!("{}  {}  {}", self.message.id, self.cause.as_str(), printable(&self.keys().join(" ")))
    }
}

/// The operations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// [`list`]
    List {
        /// The dead letters to list.
        filter: Filter,
        /// Whether to print JSON, one object per line.
        as_json: bool,
    },
    /// [`show`]
    Show {
        /// The id of the message or of its image.
        id: String,
        /// Whether to print JSON, one object per line.
        as_json: bool,
    },
    /// [`redrive`]
    Redrive {
        /// The dead letters to redrive.
        filter: Filter,
        /// The options.
        options: RedriveOptions,
    },
    /// [`drop`]
    Drop {
        /// The dead letters to drop.
        filter: Filter,
        /// The options.
        options: DropOptions,
    },
}

/// Formats an age with its two largest units.
fn in_short(age: Duration) -> String {
    let text = humantime::format_duration(age).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

impl OperatorContext {
    /// The dead letters that the filter selects, oldest first. Afterwards all of them are visible again.
    async fn dead_letters(&self, filter: &Filter) -> Result<Vec<DeadLetter>, OperateError> {
        let mut walk = Walk::through(&*self.ports.dead_letters);
        let found = self.collect(&mut walk, filter).await;
        walk.end().await;
        let mut found = found?;
        found.sort_by_key(|letter| letter.message.sent_at);
        Ok(found)
    }

    async fn collect(&self, walk: &mut Walk<'_>, filter: &Filter) -> Result<Vec<DeadLetter>, OperateError> {
        let mut found = Vec::new();
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(found);
            }
            let letters = self.read(messages).await?;
            found.extend(letters.into_iter().filter(|letter| filter.admits(letter, self.clock.now())));
        }
    }
}
