//! Walks through a queue: receives every message once, hides it during the walk, then releases it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::ports::queue::{MAX_BATCH, Message, Receipt};
use crate::ports::{PortError, Queue};

/// A long poll queries all servers of SQS, so an empty response means an empty queue. A short poll only samples.
const WAIT: Duration = Duration::from_secs(1);

/// How long a message stays hidden if its reader is killed.
const HIDDEN: Duration = Duration::from_secs(60);

/// The number of receives in a row without new messages after which the walk ends: in a long walk, the first messages
/// become visible again before the last ones were received.
const REPEATS: usize = 20;

/// A walk through the messages of a queue.
///
/// Each walk counts as a receive of every message. That has no effect in a queue without a redrive policy.
pub(super) struct Walk<'a> {
    queue: &'a dyn Queue,
    seen: HashSet<String>,
    held: HashMap<String, Receipt>,
}

impl<'a> Walk<'a> {
    pub(super) fn through(queue: &'a dyn Queue) -> Self {
        Self { queue, seen: HashSet::new(), held: HashMap::new() }
    }

    /// The next messages that this walk has not returned before; empty at the end.
    pub(super) async fn next(&mut self) -> Result<Vec<Message>, PortError> {
        for _ in 0..REPEATS {
            let received = self.queue.receive(MAX_BATCH, WAIT, HIDDEN).await?;
            if received.is_empty() {
                break;
            }
            for message in &received {
                self.held.insert(message.id.clone(), message.receipt.clone());
            }
            let new: Vec<_> = received.into_iter().filter(|message| self.seen.insert(message.id.clone())).collect();
            if !new.is_empty() {
                return Ok(new);
            }
        }
        Ok(Vec::new())
    }

    /// Deletes messages of this walk.
    pub(super) async fn delete(&mut self, ids: &[String]) -> Result<(), PortError> {
        let receipts: Vec<Receipt> = ids.iter().filter_map(|id| self.held.remove(id)).collect();
        self.queue.delete(&receipts).await.into_iter().collect()
    }

    /// Makes the messages visible again that were not deleted.
    pub(super) async fn end(self) {
        let releases: Vec<_> = self.held.into_values().map(|receipt| (receipt, Duration::ZERO)).collect();
        if releases.is_empty() {
            return;
        }
        for error in self.queue.release(&releases).await.into_iter().filter_map(Result::err) {
            tracing::debug!(%error, "a message that was looked at stays hidden for {} s at most", HIDDEN.as_secs());
        }
    }
}
