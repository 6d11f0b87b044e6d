//! What a connection is doing, since when, and how many bytes it has moved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long a connection is spared after it began what it is doing, unless every other one is as young.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A body that moves more slowly than this may be held open for the sake of it.
const SLOW_BYTES_PER_SECOND: u64 = 32 << 10;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It waits for a request's head, the first or another.
    Idle,
    /// It sends a request's body.
    Receiving,
    /// It waits for this server's answer.
    Answering,
    /// It receives an answer.
    Sending,
}

/// How readily a connection is evicted: the least goes first.
///
/// A client that holds many connections can make each look young or slow, never fast and for long: so a body that moves
/// fast outlives them, and a connection that was just opened outlives the idle and the slow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Idle for longer than [`GRACE`], by the time since when.
    Idle(Instant),
    /// It moves a body slowly, by the bytes per second.
    Slow(u64),
    /// It waits for this server, by the time since when.
    Answering(Instant),
    /// Idle for less than [`GRACE`].
    Fresh(Instant),
    /// It moves a body fast, by the bytes per second.
    Fast(u64),
    /// It began a request less than [`GRACE`] ago.
    Begun(Instant),
}

/// Counts the bytes that a connection has read and written.
#[derive(Clone, Debug, Default)]
pub(super) struct ByteCount(Arc<AtomicU64>);

impl ByteCount {
    pub(super) fn add(&self, bytes: usize) {
        self.0.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One connection's present phase.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Phase,
    since: Instant,
    bytes: ByteCount,
    bytes_before: u64,
}

impl Activity {
    /// A connection that was just opened.
    pub(super) fn new(now: Instant) -> Self {
        Self { phase: Phase::Idle, since: now, bytes: ByteCount::default(), bytes_before: 0 }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) const fn bytes(&self) -> &ByteCount {
        &self.bytes
    }

    /// Begins another phase.
    pub(super) fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since, self.bytes_before) = (phase, now, self.bytes.get());
    }

    /// How readily it is evicted now.
    pub(super) fn rank(&self, now: Instant) -> Rank {
        let elapsed = now.duration_since(self.since);
        match self.phase {
            Phase::Idle if elapsed < GRACE => Rank::Fresh(self.since),
            Phase::Idle => Rank::Idle(self.since),
            _ if elapsed < GRACE => Rank::Begun(self.since),
            Phase::Answering => Rank::Answering(self.since),
            Phase::Receiving | Phase::Sending => {
                let moved = u128::from(self.bytes.get() - self.bytes_before) * 1000;
                let rate = u64::try_from(moved / elapsed.as_millis().max(1)).unwrap_or(u64::MAX);
                if rate < SLOW_BYTES_PER_SECOND { Rank::Slow(rate) } else { Rank::Fast(rate) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rank after `millis` in a phase in which `bytes` were moved.
    fn rank(phase: Phase, millis: u64, bytes: usize) -> Rank {
        let start = Instant::now();
        let mut activity = Activity::new(start);
        activity.bytes().add(1_000_000);
        activity.enter(phase, start);
        activity.bytes().add(bytes);
        activity.rank(start + Duration::from_millis(millis))
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_and_the_slow_go_before_what_is_new_and_that_before_the_fast() {
        let ranks = [
            rank(Phase::Idle, 1000, 0),
            rank(Phase::Receiving, 10_000, 5),
            rank(Phase::Sending, 10_000, 50),
            rank(Phase::Receiving, 1000, (32 << 10) - 1),
            rank(Phase::Answering, 20_000, 0),
            rank(Phase::Idle, 999, 0),
            rank(Phase::Receiving, 1000, 32 << 10),
            rank(Phase::Sending, 1000, (32 << 10) + 1),
            rank(Phase::Answering, 999, 0),
        ];
        assert!(ranks.is_sorted_by(|one, two| one < two), "{ranks:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_bytes_of_the_present_phase_count() {
        assert_eq!(rank(Phase::Receiving, 2000, 20_000), Rank::Slow(10_000));
        assert_eq!(rank(Phase::Receiving, 1_000_000, 0), Rank::Slow(0));
    }
}
