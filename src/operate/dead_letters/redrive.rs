//! `darkroom dlq redrive`: sends dead letters to the queue again.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::Serialize;

use super::row::write_done;
use super::{Filter, check_ids};
use crate::clock::Timestamp;
use crate::operate::dead_letters::dead_letter::DeadLetter;
use crate::operate::progress::Progress;
use crate::operate::walk::Walk;
use crate::operate::{OperateError, OperatorContext, Pace, write_json};

/// The options of a redrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedriveOptions {
    /// The most messages per second.
    pub rate: u32,
    /// Show what would be done, and do nothing.
    pub is_dry_run: bool,
    /// Whether to report JSON, one object per line.
    pub as_json: bool,
}

/// The result of a redrive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Redriven {
    /// Messages that were sent to the queue, or would be.
    pub redriven: u64,
    /// Dead letters that were skipped.
    pub left: u64,
}

/// Sends dead letters to the queue. Each is sent before it is deleted, so an interruption can only duplicate a message,
/// and duplicates have no effect on the records.
///
/// Skips messages that become dead letters after the redrive began, so that it ends even if all of them fail again.
///
/// # Errors
/// When an id in the filter has no dead letter: nothing is sent. When a call fails: the messages that were sent until
/// then are in the queue; the rest are still dead letters.
pub async fn redrive(
    context: &OperatorContext,
    filter: &Filter,
    options: RedriveOptions,
    progress: &mut Progress<'_>,
    out: &mut dyn Write,
) -> Result<Redriven, OperateError> {
    if !filter.ids.is_empty() {
        check_ids(filter, &context.dead_letters(filter).await?)?;
    }
    let depth = context.ports.dead_letters.attributes().await?;
    progress.begin("redriven", depth.visible + depth.in_flight);
    let mut walk = Walk::through(&*context.ports.dead_letters);
    let mut run = Redrive {
        context,
        filter,
        options,
        sent: HashSet::new(),
        started: context.clock.now(),
        so_far: Redriven::default(),
    };
    let ended = run.through(&mut walk, progress, out).await;
    walk.end().await;
    // Also reported after a failure: the messages that were sent stay in the queue.
    run.so_far.write(options, out)?;
    ended.map(|()| run.so_far)
}

impl Redriven {
    fn write(&self, options: RedriveOptions, out: &mut dyn Write) -> io::Result<()> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Json<'a> {
            dry_run: bool,
            #[serde(flatten)]
            redriven: &'a Redriven,
        }
        if options.as_json {
            return write_json(out, &Json { dry_run: options.is_dry_run, redriven: self });
        }
        let verb = if options.is_dry_run { "would redrive" } else { "redriven" };
        writeln!(out, "{verb} {}, left {}", self.redriven, self.left)
    }
}

/// A redrive in progress.
struct Redrive<'a> {
    context: &'a OperatorContext,
    filter: &'a Filter,
    options: RedriveOptions,
    /// The ids of the messages that this redrive sent. If one of them is a dead letter again, it failed again.
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
        let mut pace = Pace::per_second(self.options.rate);
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            let letters = self.context.read(messages).await?;
            let (chosen, left): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| self.is_meant(letter));
            self.so_far.left += left.len() as u64;
            if self.options.is_dry_run {
                for letter in &chosen {
                    let action = if self.options.as_json { "would_redrive" } else { "would redrive" };
                    write_done(action, letter, self.context.clock.now(), self.options.as_json, out)?;
                }
                self.so_far.redriven += chosen.len() as u64;
                continue;
            }
            let mut sent = Vec::new();
            let sending = self.send(&chosen, &mut sent, &mut pace, progress).await;
            // Delete also if a send failed: the messages before it were sent.
            walk.delete(&sent).await?;
            sending?;
        }
    }

    fn is_meant(&self, letter: &DeadLetter) -> bool {
        let came_back = self.sent.contains(&letter.message.id) || letter.message.sent_at > self.started;
        !came_back && self.filter.redrives(letter, self.context.clock.now())
    }

    async fn send(
        &mut self,
        letters: &[DeadLetter],
        sent: &mut Vec<String>,
        pace: &mut Pace,
        progress: &mut Progress<'_>,
    ) -> Result<(), OperateError> {
        for letter in letters {
            pace.step().await;
            self.sent.insert(self.context.ports.queue.send(&letter.message.body).await?);
            sent.push(letter.message.id.clone());
            self.so_far.redriven += 1;
            progress.step();
        }
        Ok(())
    }
}
