//! The keeper: one task that keeps every held message invisible, waiting ones too, in batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::ports::queue::Receipt;
use crate::ports::{ErrorKind, Queue};

/// Beats per visibility timeout: two may fail before a lease runs out.
const BEATS_PER_TIMEOUT: u32 = 3;

/// Keeps messages until it is stopped.
pub(super) struct Keeper {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// The right to work on a message. Settle it, or drop it and the message comes back by itself.
pub(super) struct Lease {
    shared: Arc<Shared>,
    number: u64,
    receipt: Receipt,
    lost: CancellationToken,
}

struct Shared {
    queue: Arc<dyn Queue>,
    timeout: Duration,
    held: Mutex<Held>,
    /// Taken for the length of a beat: who settles waits for the one in flight.
    beat: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    next_number: u64,
    leases: HashMap<u64, HeldLease>,
}

struct HeldLease {
    receipt: Receipt,
    /// When the lease is over as far as we can know: the last success and the timeout.
    deadline: Instant,
    lost: CancellationToken,
}

impl Keeper {
    /// Starts the keeper's task.
    pub(super) fn start(queue: Arc<dyn Queue>, timeout: Duration) -> Self {
        let shared = Arc::new(Shared { queue, timeout, held: Mutex::default(), beat: tokio::sync::Mutex::default() });
        let stop = CancellationToken::new();
        let beating = Arc::clone(&shared).beat_until(stop.clone());
        Self { shared, task: Mutex::new(Some(tokio::spawn(beating))), stop }
    }

    /// Keeps a message that was received just now.
    pub(super) fn hold(&self, receipt: &Receipt) -> Lease {
        let mut held = self.shared.lock();
        let number = held.next_number;
        held.next_number += 1;
        let lost = CancellationToken::new();
        let deadline = Instant::now() + self.shared.timeout;
        held.leases.insert(number, HeldLease { receipt: receipt.clone(), deadline, lost: lost.clone() });
        metrics::in_flight_messages(held.leases.len());
        Lease { shared: Arc::clone(&self.shared), number, receipt: receipt.clone(), lost }
    }

    /// Ends the task; leases that are still held are no longer kept.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // A panic of the task has been reported by the runtime; there is nothing left to keep.
            let _ = task.await;
        }
    }
}

impl Lease {
    /// Returns when the lease is lost; never otherwise.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Takes the message out of the keeper and waits for a beat in flight, so that no beat can follow what is done to
    /// the message next: neither overwrite a retry's delay nor extend what was deleted. `None` when the lease is lost.
    pub(super) async fn end(self) -> Option<Receipt> {
        self.shared.forget(self.number);
        drop(self.shared.beat.lock().await);
        (!self.lost.is_cancelled()).then(|| self.receipt.clone())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.shared.forget(self.number);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, number: u64) {
        let mut held = self.lock();
        held.leases.remove(&number);
        metrics::in_flight_messages(held.leases.len());
    }

    /// Beats until `stop`, and looks at the deadlines in between.
    async fn beat_until(self: Arc<Self>, stop: CancellationToken) {
        let mut next_beat = Instant::now() + self.pause();
        loop {
            let wake = self.next_deadline().map_or(next_beat, |deadline| deadline.min(next_beat));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= next_beat {
                self.beat().await;
                next_beat = Instant::now() + self.pause();
            }
            self.lose_what_ran_out();
        }
    }

    /// A third of the timeout less up to a tenth of it, so that workers do not beat in step.
    fn pause(&self) -> Duration {
        let jitter = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        (self.timeout / BEATS_PER_TIMEOUT).mul_f64(1.0 - 0.1 * jitter)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.lock().leases.values().map(|lease| lease.deadline).min()
    }

    /// Extends everything that is held, in one call.
    async fn beat(&self) {
        let _in_flight = self.beat.lock().await;
        let (numbers, receipts): (Vec<u64>, Vec<Receipt>) =
            self.lock().leases.iter().map(|(number, lease)| (*number, lease.receipt.clone())).unzip();
        if receipts.is_empty() {
            return;
        }
        // What an answer promises counts from before the call, whenever it arrives.
        let called = Instant::now();
        let answers = tokio::time::timeout(self.timeout, self.queue.extend(&receipts, self.timeout)).await;
        let Ok(answers) = answers else {
            tracing::warn!("a heartbeat got no answer within the whole timeout");
            return;
        };
        let mut held = self.lock();
        for (number, answer) in numbers.into_iter().zip(answers) {
            // Whoever is gone was settled meanwhile.
            let Some(lease) = held.leases.get_mut(&number) else { continue };
            match answer {
                Ok(()) => {
                    metrics::heartbeat_margin(lease.deadline.saturating_duration_since(Instant::now()));
                    lease.deadline = called + self.timeout;
                }
                Err(error) => {
                    metrics::port_error(&error);
                    tracing::warn!(error = &error as &dyn std::error::Error, "a heartbeat failed");
                    if error.kind == ErrorKind::LeaseLost {
                        lease.deadline = called;
                    }
                }
            }
        }
    }

    /// Tells the work on every message whose lease is over.
    fn lose_what_ran_out(&self) {
        let now = Instant::now();
        self.lock().leases.retain(|_, lease| {
            let is_held = lease.deadline > now;
            if !is_held {
                metrics::lease_lost();
                lease.lost.cancel();
            }
            is_held
        });
    }
}
