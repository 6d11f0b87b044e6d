//! The breaker: during an outage of a service, receives one message at a time as a probe, with growing pauses.
//!
//! Without it, an outage of minutes would use up the receives of a whole queue and move its messages to the dead-letter
//! queue.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use tokio::time::Instant;

use crate::metrics::{self, Outcome};
use crate::pipeline::Outage;

/// The first pause. With the factor and the cap below, ten probes take more than twenty minutes.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
/// The ratio of each pause to the one before.
const FACTOR: f64 = 2.5;
/// The longest pause, and so the longest time until the end of an outage is noticed.
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 60);
/// Pauses vary by up to this share, so that workers do not probe at the same time.
const JITTER: f64 = 0.1;

/// Shared by the receive loop, which asks it, and the messages' tasks, which report to it.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    backoff: ExponentialBackoff,
    /// When the next probe is allowed; `None` while the breaker is closed.
    open_until: Option<Instant>,
    /// The outage that opened the breaker, and that must end before it closes.
    outage: Outage,
}

impl Breaker {
    pub(super) fn new() -> Self {
        let backoff = ExponentialBackoff {
            current_interval: FIRST_PAUSE,
            initial_interval: FIRST_PAUSE,
            multiplier: FACTOR,
            max_interval: LONGEST_PAUSE,
            randomization_factor: JITTER,
            // The default gives up after 15 minutes.
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        Self { state: Mutex::new(State { backoff, open_until: None, outage: Outage::Any }) }
    }

    /// Waits for the current pause to end, then returns how many messages to receive: `batch`, or 1 for a probe.
    pub(super) async fn allowed(&self, batch: usize) -> usize {
        loop {
            let Some(until) = self.lock().open_until else { return batch };
            if until <= Instant::now() {
                return 1;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// How long the current pause still lasts. A message tried before its end would meet the same outage.
    pub(super) fn remaining(&self) -> Duration {
        self.lock().open_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Records a failure of a service that the work needs. Failures during a pause belong to the same outage.
    pub(super) fn failed(&self, outage: Outage) {
        let now = Instant::now();
        let mut state = self.lock();
        state.outage = if state.open_until.is_some() { state.outage.max(outage) } else { outage };
        if state.open_until.is_some_and(|until| until > now) {
            return;
        }
        let pause = state.backoff.next_backoff().unwrap_or(LONGEST_PAUSE);
        state.open_until = Some(now + pause);
        metrics::breaker_open(true);
        tracing::warn!(?pause, "a service is in trouble: receiving pauses");
    }

    /// Records work that succeeded. Closes the breaker if the outcome shows that the outage is over.
    pub(super) fn succeeded(&self, outcome: Outcome) {
        let mut state = self.lock();
        if state.outage.is_ended_by(outcome) && state.open_until.take().is_some() {
            state.backoff.reset();
            metrics::breaker_open(false);
            tracing::info!("receiving at full rate again");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_closed_breaker_lets_whole_batches_through() {
        assert_eq!(Breaker::new().allowed(10).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_breaker_lets_one_probe_through_after_each_pause() {
        let breaker = Breaker::new();
        breaker.failed(Outage::Any);
        let started = Instant::now();
        assert_eq!(breaker.allowed(10).await, 1);
        assert!(started.elapsed() >= FIRST_PAUSE.mul_f64(1.0 - JITTER));
        breaker.succeeded(Outcome::Published);
        assert_eq!(breaker.allowed(10).await, 10);
    }

    /// A refused file is read and stores nothing; a duplicate does neither.
    #[tokio::test(start_paused = true)]
    async fn only_a_success_that_the_outage_would_prevent_closes_the_breaker() {
        use Outcome::{Duplicate, Ignored, Published, Rejected, SourceMissing, Superseded};
        let outcomes = [Ignored, Duplicate, Superseded, SourceMissing, Rejected, Published];
        for (outage, ending) in [(Outage::Any, 1), (Outage::Reading, 4), (Outage::Writing, 5)] {
            for (number, outcome) in outcomes.into_iter().enumerate() {
                let breaker = Breaker::new();
                breaker.failed(outage);
                // A lesser outage during a greater one does not replace it.
                breaker.failed(Outage::Any);
                breaker.succeeded(outcome);
                let expected = if number >= ending { 10 } else { 1 };
                assert_eq!(breaker.allowed(10).await, expected, "{outage:?} {outcome:?}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_failures_at_once_are_one_trouble() {
        let breaker = Breaker::new();
        for _ in 0..20 {
            breaker.failed(Outage::Any);
        }
        let started = Instant::now();
        breaker.allowed(10).await;
        assert!(started.elapsed() <= FIRST_PAUSE.mul_f64(1.0 + JITTER));
    }

    #[tokio::test(start_paused = true)]
    async fn ten_probes_outlast_twenty_minutes() {
        let breaker = Breaker::new();
        let started = Instant::now();
        // The first message meets the outage; nine more pauses pass before the tenth receive.
        for _ in 0..9 {
            breaker.failed(Outage::Any);
            breaker.allowed(10).await;
        }
        assert!(started.elapsed() > Duration::from_secs(20 * 60), "{:?}", started.elapsed());
    }
}
