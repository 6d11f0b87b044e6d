//! `darkroom dlq redrive`: back into the queue, to be tried again.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::Serialize;

use super::Filter;
use super::row::write_done;
use crate::clock::Timestamp;
use crate::operate::letter::Letter;
use crate::operate::progress::Progress;
use crate::operate::walk::Walk;
use crate::operate::{OperateError, Pace, Site, write_json};

/// How a redrive goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveTerms {
    /// Messages a second, at most.
    pub rate: u32,
    /// Only tell what would be done.
    pub is_dry_run: bool,
    /// The report as JSON objects, one a line.
    pub as_json: bool,
}

/// What a redrive came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Messages that are back in the queue, or would be.
    pub redriven: u64,
    /// Dead letters that were left where they are.
    pub left: u64,
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
    run.so_far.write(terms, out)?;
    ended.map(|()| run.so_far)
}

impl Redriven {
    fn write(&self, terms: RedriveTerms, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            dry_run: bool,
            #[serde(flatten)]
            redriven: &'a Redriven,
        }
        if terms.as_json {
            return write_json(out, &Json { dry_run: terms.is_dry_run, redriven: self });
        }
        let verb = if terms.is_dry_run { "would redrive" } else { "redriven" };
        writeln!(out, "{verb} {}, left {}", self.redriven, self.left)
    }
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
                    let action = if self.terms.as_json { "would_redrive" } else { "would redrive" };
                    write_done(action, letter, self.site.clock.now(), self.terms.as_json, out)?;
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
