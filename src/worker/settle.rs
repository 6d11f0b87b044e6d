//! What is done with a message at its end; a failure here costs a duplicate, which the catalog recognises.

use std::time::Duration;

use super::Run;
use super::keeper::Lease;
use super::objects::ObjectNames;
use crate::metrics::{self, Outcome};
use crate::ports::PortError;

/// The one thing to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Nothing is left to do.
    Delete(Outcome),
    /// Visible again after the delay.
    Retry(Duration),
    /// Visible again, until the queue moves it to the dead letters. Never deleted: they are the record of it.
    Dead {
        /// Whether the next poll moves it: only then does it count as a dead letter.
        is_last: bool,
        /// Until it is visible; zero unless the queue has no receive limit, or the message is kept.
        delay: Duration,
    },
    /// Visible again at once: this process ends.
    GiveBack,
}

impl Run {
    /// Ends the lease, then does it. One log line per settled message, which names its images and objects; it
    /// is DEBUG while the message is only on its way to the dead letters.
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
