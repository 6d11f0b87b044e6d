//! `darkroom dlq`: list, show, redrive and drop.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use serde::Serialize;

use super::letter::{Cause, Letter};
use super::progress::Progress;
use super::walk::Walk;
use super::{OperateError, Pace, Site, printable};
use crate::clock::Timestamp;

/// Which dead letters; those that every part admits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Ids of messages, or of their images; any without one.
    pub ids: Vec<String>,
    /// Causes; any without one.
    pub causes: Vec<Cause>,
    /// What the object's key begins with.
    pub key_prefix: Option<String>,
    /// Sent at least so long ago.
    pub older_than: Option<Duration>,
    /// Sent at most so long ago.
    pub newer_than: Option<Duration>,
}

impl Filter {
    /// Whether this dead letter is meant.
    pub fn admits(&self, letter: &Letter, now: Timestamp) -> bool {
        let age = now.since(letter.message.sent_at);
        let has_id = |id: &String| letter.is_called(id);
        let has_prefix = |prefix: &String| letter.subjects.iter().any(|subject| subject.event.key.starts_with(prefix));
        (self.ids.is_empty() || self.ids.iter().any(has_id))
            && (self.causes.is_empty() || self.causes.contains(&letter.cause))
            && self.key_prefix.as_ref().is_none_or(has_prefix)
            && self.older_than.is_none_or(|least| age >= least)
            && self.newer_than.is_none_or(|most| age <= most)
    }

    /// Whether a redrive is to take this one up. What no redrive can help is left alone, unless it is asked for.
    fn redrives(&self, letter: &Letter, now: Timestamp) -> bool {
        let is_asked_for = !self.ids.is_empty() || !self.causes.is_empty();
        self.admits(letter, now) && (is_asked_for || !letter.cause.is_hopeless())
    }
}

impl Letter {
    fn is_called(&self, id: &str) -> bool {
        let mut images = self.subjects.iter().filter_map(|subject| subject.image.as_ref());
        self.message.id == id || images.any(|image| image.as_str() == id)
    }

    fn keys(&self) -> Vec<&str> {
        self.subjects.iter().map(|subject| &*subject.event.key).collect()
    }

    /// It in one line.
    fn line(&self) -> String {
        format!("{}  {}  {}", self.message.id, self.cause.as_str(), printable(&self.keys().join(" ")))
    }
}

/// What an operator may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// [`list`]
    List {
        /// Which.
        filter: Filter,
        /// One JSON object a line.
        as_json: bool,
    },
    /// [`show`]
    Show {
        /// Id of the message, or of its image.
        id: String,
    },
    /// [`redrive`]
    Redrive {
        /// Which.
        filter: Filter,
        /// How.
        terms: RedriveTerms,
    },
    /// [`drop`]
    Drop {
        /// Which.
        filter: Filter,
        /// Whether the question is answered already.
        is_confirmed: bool,
    },
}

/// How a redrive goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveTerms {
    /// Messages a second, at most.
    pub rate: u32,
    /// Only tell what would be done.
    pub is_dry_run: bool,
}

/// What a redrive came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Messages that are back in the queue, or would be.
    pub redriven: u64,
    /// Dead letters that were left where they are.
    pub left: u64,
}

/// One line of `darkroom dlq list --json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    id: &'a str,
    reason: &'static str,
    keys: Vec<&'a str>,
    receive_count: u32,
    sent_at: String,
    age_seconds: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Lists the dead letters that the filter admits, oldest first. How many there are.
///
/// # Errors
/// When the dead letters or a record cannot be read, or the list not be written.
pub async fn list(site: &Site, filter: &Filter, as_json: bool, out: &mut dyn Write) -> Result<u64, OperateError> {
    let letters = site.dead_letters(filter).await?;
    let now = site.clock.now();
    if !as_json && !letters.is_empty() {
        writeln!(out, "{:36}  {:>8}  {:>12}  {:14}  KEY", "ID", "RECEIVES", "AGE", "REASON")?;
    }
    for letter in &letters {
        let message = &letter.message;
        let age = Duration::from_secs(now.since(message.sent_at).as_secs());
        if as_json {
            let row = Row {
                id: &message.id,
                reason: letter.cause.as_str(),
                keys: letter.keys(),
                receive_count: message.receive_count,
                sent_at: message.sent_at.to_string(),
                age_seconds: age.as_secs(),
                error: letter.last_error(),
            };
            serde_json::to_writer(&mut *out, &row).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            let (id, reason, keys) = (&message.id, letter.cause.as_str(), printable(&letter.keys().join(" ")));
            let age = in_short(age);
            writeln!(out, "{id:36}  {:>8}  {age:>12}  {reason:14}  {keys}", message.receive_count)?;
        }
    }
    Ok(letters.len() as u64)
}

/// An age by its two largest units.
fn in_short(age: Duration) -> String {
    let text = humantime::format_duration(age).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Tells everything about one dead letter, by its id or its image's: what it means, what to do, record and event.
///
/// # Errors
/// When there is none of that id; and as [`list`].
pub async fn show(site: &Site, id: &str, out: &mut dyn Write) -> Result<(), OperateError> {
    let filter = Filter { ids: vec![id.to_owned()], ..Filter::default() };
    let letters = site.dead_letters(&filter).await?;
    if letters.is_empty() {
        return Err(OperateError::NoSuchLetter(id.to_owned()));
    }
    for letter in &letters {
        let message = &letter.message;
        let age = in_short(Duration::from_secs(site.clock.now().since(message.sent_at).as_secs()));
        writeln!(out, "message     {}", message.id)?;
        writeln!(out, "sent        {}, {age} ago", message.sent_at)?;
        writeln!(out, "receives    {}", message.receive_count)?;
        writeln!(out, "reason      {}: {}", letter.cause.as_str(), letter.cause.meaning())?;
        writeln!(out, "last error  {}", printable(letter.last_error().as_deref().unwrap_or("none is known")))?;
        writeln!(out, "what to do  {}", letter.cause.advice())?;
        for subject in &letter.subjects {
            writeln!(out, "\nobject      {}", printable(&subject.event.key))?;
            match &subject.record {
                Some(record) => writeln!(out, "record      {}", pretty(record)?)?,
                None => writeln!(out, "record      none")?,
            }
        }
        let body = serde_json::from_str::<serde_json::Value>(&message.body);
        writeln!(out, "\nbody        {}", body.map_or_else(|_| Ok(printable(&message.body)), |json| pretty(&json))?)?;
    }
    Ok(())
}

fn pretty(value: &impl Serialize) -> io::Result<String> {
    serde_json::to_string_pretty(value).map_err(io::Error::from)
}

/// Puts dead letters back into the queue: each is sent before it is deleted, so that whatever ends this half-way
/// leaves a message twice at worst, which the records know how to take.
///
/// What came to the dead letters after the redrive began is left alone, so that it ends even if everything comes back.
///
/// # Errors
/// When a call fails. What was sent by then is in the queue; the rest is still a dead letter.
pub async fn redrive(
    site: &Site,
    filter: &Filter,
    terms: RedriveTerms,
    progress: &mut Progress<'_>,
    out: &mut dyn Write,
) -> Result<Redriven, OperateError> {
    let depth = site.ports.dead_letters.attributes().await?;
    progress.begin("redriven", depth.visible + depth.in_flight);
    let mut walk = Walk::through(&*site.ports.dead_letters);
    let mut run =
        Redrive { site, filter, terms, sent: HashSet::new(), started: site.clock.now(), so_far: Redriven::default() };
    let ended = run.through(&mut walk, progress, out).await;
    walk.end().await;
    // Told in any case: what was redriven before a failure stays redriven.
    let Redriven { redriven, left } = run.so_far;
    writeln!(out, "{} {redriven}, left {left}", if terms.is_dry_run { "would redrive" } else { "redriven" })?;
    ended.map(|()| run.so_far)
}

/// A redrive in progress.
struct Redrive<'a> {
    site: &'a Site,
    filter: &'a Filter,
    terms: RedriveTerms,
    /// Ids of the messages that this redrive sent: the same id among the dead letters is one that came back.
    sent: HashSet<String>,
    started: Timestamp,
    so_far: Redriven,
}

impl Redrive<'_> {
    async fn through(
        &mut self,
        walk: &mut Walk<'_>,
        progress: &mut Progress<'_>,
        out: &mut dyn Write,
    ) -> Result<(), OperateError> {
        let mut pace = Pace::per_second(self.terms.rate);
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            let letters = self.site.read(messages).await?;
            let (chosen, left): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| self.is_meant(letter));
            self.so_far.left += left.len() as u64;
            if self.terms.is_dry_run {
                for letter in &chosen {
                    writeln!(out, "would redrive  {}", letter.line())?;
                }
                self.so_far.redriven += chosen.len() as u64;
                continue;
            }
            let mut sent = Vec::new();
            let sending = self.send(&chosen, &mut sent, &mut pace, progress).await;
            // Also when one of them could not be sent: those before it were.
            walk.delete(&sent).await?;
            sending?;
        }
    }

    fn is_meant(&self, letter: &Letter) -> bool {
        let came_back = self.sent.contains(&letter.message.id) || letter.message.sent_at > self.started;
        !came_back && self.filter.redrives(letter, self.site.clock.now())
    }

    async fn send(
        &mut self,
        letters: &[Letter],
        sent: &mut Vec<String>,
        pace: &mut Pace,
        progress: &mut Progress<'_>,
    ) -> Result<(), OperateError> {
        for letter in letters {
            pace.step().await;
            self.sent.insert(self.site.ports.queue.send(&letter.message.body).await?);
            sent.push(letter.message.id.clone());
            self.so_far.redriven += 1;
            progress.step();
        }
        Ok(())
    }
}

/// Deletes dead letters for good, once `confirm` agrees to the question; tells each that is gone. How many there were.
///
/// Only those are deleted that were there when the question was asked.
///
/// # Errors
/// When a call fails, or the question cannot be asked. What was told as dropped is gone.
pub async fn drop(
    site: &Site,
    filter: &Filter,
    confirm: &mut dyn FnMut(&str) -> io::Result<bool>,
    out: &mut dyn Write,
) -> Result<u64, OperateError> {
    let chosen = site.dead_letters(filter).await?;
    if chosen.is_empty() {
        return Ok(0);
    }
    for letter in &chosen {
        writeln!(out, "to drop  {}", letter.line())?;
    }
    out.flush()?;
    if !confirm(&format!("drop {} dead letters for good?", chosen.len()))? {
        return Ok(0);
    }
    let mut walk = Walk::through(&*site.ports.dead_letters);
    let ended = drop_each(&mut walk, &chosen, out).await;
    walk.end().await;
    ended
}

async fn drop_each(walk: &mut Walk<'_>, chosen: &[Letter], out: &mut dyn Write) -> Result<u64, OperateError> {
    let mut left: HashMap<&str, &Letter> = chosen.iter().map(|letter| (&*letter.message.id, letter)).collect();
    while !left.is_empty() {
        let messages = walk.next().await?;
        if messages.is_empty() {
            break;
        }
        let here: Vec<&Letter> = messages.iter().filter_map(|message| left.remove(&*message.id)).collect();
        let ids: Vec<String> = here.iter().map(|letter| letter.message.id.clone()).collect();
        walk.delete(&ids).await?;
        for letter in here {
            writeln!(out, "dropped  {}", letter.line())?;
        }
    }
    Ok((chosen.len() - left.len()) as u64)
}

impl Site {
    /// The dead letters that the filter admits, oldest first; all of them are visible again afterwards.
    async fn dead_letters(&self, filter: &Filter) -> Result<Vec<Letter>, OperateError> {
        let mut walk = Walk::through(&*self.ports.dead_letters);
        let found = self.collect(&mut walk, filter).await;
        walk.end().await;
        let mut found = found?;
        found.sort_by_key(|letter| letter.message.sent_at);
        Ok(found)
    }

    async fn collect(&self, walk: &mut Walk<'_>, filter: &Filter) -> Result<Vec<Letter>, OperateError> {
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
