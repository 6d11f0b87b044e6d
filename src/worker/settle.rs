//! How a message is settled. A failure here causes a duplicate, which the catalog recognises.

use std::time::Duration;

use super::Run;
use super::lease_heartbeat::Lease;
use super::object_names::ObjectNames;
use crate::metrics::{self, Outcome};
use crate::ports::PortError;

/// How to settle a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Nothing is left to do.
    Delete(Outcome),
    /// Visible again after the delay.
    Retry(Duration),
    /// Visible again, until the queue moves it to the dead-letter queue. Never deleted, because dead letters are the
    /// record of it.
    Dead {
        /// Whether the next poll moves it: only then is it counted as a dead letter.
        is_last: bool,
        /// How long it stays invisible; zero unless the queue has no receive limit, or the message is kept.
        delay: Duration,
    },
    /// Visible again at once, because this process ends.
    GiveBack,
}

impl Run {
    /// Ends the lease, then settles the message. Writes one log line per settled message with its images and objects,
    /// at DEBUG while the message has receives left before it becomes a dead letter.
    pub(super) async fn settle(&self, lease: Lease, settlement: Settlement, names: &ObjectNames) {
        let Some(receipt) = lease.end().await else {
            tracing::warn!(
                image.id = names.ids(),
                object.key = names.keys(),
                "the lease was lost at the end: the message is left alone"
            );
            metrics::settled(Outcome::LeaseLost);
            return;
        };
        let queue = &self.worker.queue;
        let (outcome, answers) = match settlement {
            Settlement::Delete(outcome) => (outcome, queue.delete(&[receipt]).await),
            Settlement::Retry(delay) => (Outcome::Retried, queue.release(&[(receipt, delay)]).await),
            Settlement::Dead { is_last, delay } => {
                let outcome = if is_last { Outcome::DeadLettered } else { Outcome::Released };
                (outcome, queue.release(&[(receipt, delay)]).await)
            }
            Settlement::GiveBack => (Outcome::Released, queue.release(&[(receipt, Duration::ZERO)]).await),
        };
        metrics::settled(outcome);
        if matches!(settlement, Settlement::Dead { is_last: false, .. }) {
            tracing::debug!(outcome = outcome.as_str(), image.id = names.ids(), object.key = names.keys(), "settled");
        } else {
            tracing::info!(outcome = outcome.as_str(), image.id = names.ids(), object.key = names.keys(), "settled");
        }
        for error in answers.into_iter().filter_map(Result::err) {
            report(&error, names);
        }
    }
}

fn report(error: &PortError, names: &ObjectNames) {
    metrics::port_error(error);
    tracing::warn!(
        error = error as &dyn std::error::Error,
        image.id = names.ids(),
        object.key = names.keys(),
        "the message could not be settled and will come again"
    );
}
