//! A connection's phase, its start, and the number of bytes transferred.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How long a new phase protects a connection from eviction, unless every other connection is as new.
pub(super) const GRACE: Duration = Duration::from_secs(1);

/// A slower body may be a client that only keeps its connection open.
const SLOW_BYTES_PER_SECOND: u64 = 32 << 10;

/// The phase of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The server waits for the first or next request head.
    Idle,
    /// The client sends a request body.
    Receiving,
    /// The client waits for the server's response.
    Answering,
    /// The client receives a response.
    Sending,
}

/// The eviction order: the lowest rank goes first.
///
/// A client with many connections can make each of them look new or slow, but it cannot keep all of them fast. So fast
/// transfers rank above new connections, and new connections rank above idle and slow ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// Idle for longer than [`GRACE`], ordered by the start.
    Idle(Instant),
    /// Transfers a body slowly, ordered by bytes per second.
    Slow(u64),
    /// Waits for the server's response, ordered by the start.
    Answering(Instant),
    /// Idle for less than [`GRACE`], ordered by the start.
    Fresh(Instant),
    /// Transfers a body fast, ordered by bytes per second.
    Fast(u64),
    /// Began a request less than [`GRACE`] ago.
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

/// The current phase of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    phase: Phase,
    since: Instant,
    bytes: ByteCount,
    bytes_before: u64,
}

impl Activity {
    /// Starts with a new connection.
    pub(super) fn new(now: Instant) -> Self {
        Self { phase: Phase::Idle, since: now, bytes: ByteCount::default(), bytes_before: 0 }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) const fn bytes(&self) -> &ByteCount {
        &self.bytes
    }

    /// Enters another phase.
    pub(super) fn enter(&mut self, phase: Phase, now: Instant) {
        (self.phase, self.since, self.bytes_before) = (phase, now, self.bytes.get());
    }

    /// The eviction rank at `now`.
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

    /// The rank after `millis` in a phase that transferred `bytes`.
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
