//! The outcomes of the images that a backfill put into the queue.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use futures_util::future::try_join_all;
use serde::Serialize;
use tokio::time::Instant;

use super::{LOOKS, Sent};
use crate::operate::progress::Progress;
use crate::operate::{OperateError, OperatorContext};
use crate::record::Status;

/// How often to read the records without a verdict.
const EVERY: Duration = Duration::from_secs(5);

/// How long the queue must be empty before waiting ends. SQS reports its depth up to a minute late.
const EMPTY_FOR: Duration = Duration::from_secs(60);

/// How long nothing may change before waiting ends: longer than the longest retry delay.
const SILENT_FOR: Duration = Duration::from_hours(1);

/// Images by outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdicts {
    /// Counts by status, with the reason if there is one.
    pub settled: BTreeMap<String, u64>,
    /// Images that will get no verdict without an operator: their messages are dead letters or were lost.
    pub without_verdict: u64,
}

impl Verdicts {
    /// Whether every image was published, or refused because of its bytes.
    pub fn are_all_well(&self) -> bool {
        self.without_verdict == 0 && !self.settled.keys().any(|verdict| verdict.starts_with(Status::Failed.as_str()))
    }
}

impl fmt::Display for Verdicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "what became of those enqueued:")?;
        for (verdict, count) in &self.settled {
            writeln!(f, "  {verdict:39}{count}")?;
        }
        writeln!(f, "  {:39}{}", "without a verdict", self.without_verdict)
    }
}

/// Follows images until each has a new verdict, or no further verdict is expected.
pub(super) async fn follow(
    context: &OperatorContext,
    mut open: Vec<Sent>,
    progress: &mut Progress<'_>,
    verdicts: &mut Verdicts,
) -> Result<(), OperateError> {
    let mut last_settled = Instant::now();
    let mut empty_since = None;
    loop {
        let before = open.len();
        open = settle(context, open, progress, verdicts).await?;
        if open.len() < before {
            last_settled = Instant::now();
        }
        verdicts.without_verdict = open.len() as u64;
        if open.is_empty() || last_settled.elapsed() > SILENT_FOR {
            return Ok(());
        }
        let depth = context.ports.queue.attributes().await?;
        empty_since = match depth.visible + depth.in_flight + depth.delayed {
            0 => empty_since.or(Some(Instant::now())),
            _ => None,
        };
        if empty_since.is_some_and(|since| since.elapsed() > EMPTY_FOR) && last_settled.elapsed() > EMPTY_FOR {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Counts the images with a verdict, and returns the others.
async fn settle(
    context: &OperatorContext,
    open: Vec<Sent>,
    progress: &mut Progress<'_>,
    verdicts: &mut Verdicts,
) -> Result<Vec<Sent>, OperateError> {
    let mut left = Vec::new();
    let mut open = open.into_iter().peekable();
    while open.peek().is_some() {
        let some: Vec<Sent> = open.by_ref().take(LOOKS).collect();
        let looked_at = try_join_all(some.iter().map(|sent| verdict_of(context, sent))).await?;
        for (sent, verdict) in some.into_iter().zip(looked_at) {
            match verdict {
                Some(verdict) => {
                    *verdicts.settled.entry(verdict).or_default() += 1;
                    progress.step();
                }
                None => left.push(sent),
            }
        }
    }
    Ok(left)
}

/// The outcome of an image; `None` while it has none.
async fn verdict_of(context: &OperatorContext, sent: &Sent) -> Result<Option<String>, OperateError> {
    let Some(record) = context.ports.catalog.get(&sent.image).await? else {
        return Ok(sent.rev.map(|_| Status::Deleted.to_string()));
    };
    if Some(record.rev) == sent.rev || !record.status.is_final() {
        return Ok(None);
    }
    Ok(Some(match record.reason {
        Some(reason) => format!("{}: {reason}", record.status),
        None => record.status.to_string(),
    }))
}
