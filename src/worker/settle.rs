//! What is done with a message at its end; a failure here costs a duplicate, which the catalog recognises.

use std::time::Duration;

use super::Run;
use super::keeper::Lease;
use crate::metrics::{self, Outcome};
use crate::ports::PortError;

/// The one thing to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Settlement {
    /// Nothing is left to do.
    Delete(Outcome),
    /// Visible again after the delay.
    Retry(Duration),
    /// Visible again at once, until the queue moves it to the dead letters. Never deleted: they are the record of it.
    Dead,
    /// Visible again at once: this process ends.
    GiveBack,
}

impl Run {
    /// Ends the lease, then does it. One log line per settled message.
    pub(super) async fn settle(&self, lease: Lease, settlement: Settlement) {
        let Some(receipt) = lease.end().await else {
            tracing::warn!("the lease was lost at the end: the message is left alone");
            metrics::settled(Outcome::LeaseLost);
            return;
        };
        let queue = &self.worker.queue;
        let (outcome, answers) = match settlement {
            Settlement::Delete(outcome) => (outcome, queue.delete(&[receipt]).await),
            Settlement::Retry(delay) => (Outcome::Retried, queue.release(&[(receipt, delay)]).await),
            Settlement::Dead => (Outcome::DeadLettered, queue.release(&[(receipt, Duration::ZERO)]).await),
            Settlement::GiveBack => (Outcome::Released, queue.release(&[(receipt, Duration::ZERO)]).await),
        };
        metrics::settled(outcome);
        tracing::info!(outcome = outcome.as_str(), "settled");
        for error in answers.into_iter().filter_map(Result::err) {
            report(&error);
        }
    }
}

fn report(error: &PortError) {
    metrics::port_error(error);
    tracing::warn!(error = error as &dyn std::error::Error, "the message could not be settled and will come again");
}
