//! The heartbeat: one task that extends the visibility timeout of every held message, waiting ones included, in
//! batches.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::ports::queue::Receipt;
use crate::ports::{ErrorKind, Queue};

/// Heartbeats per visibility timeout: two may fail before a lease expires.
const RENEWALS_PER_TIMEOUT: u32 = 3;

/// Extends leases until it is stopped.
pub(super) struct LeaseHeartbeat {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
    stop: CancellationToken,
}

/// The right to work on a message. If it is dropped without being settled, the message becomes visible again after its
/// timeout.
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
    /// Held during a heartbeat: settling a message waits for the heartbeat in flight.
    renewal: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Held {
    next_number: u64,
    leases: HashMap<u64, HeldLease>,
}

struct HeldLease {
    receipt: Receipt,
    /// When the lease expires as far as this process knows: the last successful extension plus the timeout.
    deadline: Instant,
    lost: CancellationToken,
}

impl LeaseHeartbeat {
    /// Starts the heartbeat's task.
    pub(super) fn start(queue: Arc<dyn Queue>, timeout: Duration) -> Self {
        let shared =
            Arc::new(Shared { queue, timeout, held: Mutex::default(), renewal: tokio::sync::Mutex::default() });
        let stop = CancellationToken::new();
        let renewing = Arc::clone(&shared).renew_until(stop.clone());
        Self { shared, task: Mutex::new(Some(tokio::spawn(renewing))), stop }
    }

    /// Starts to extend the lease of a message that was just received.
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

    /// Ends the task. Leases that are still held are no longer extended.
    pub(super) async fn stop(&self) {
        self.stop.cancel();
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task {
            // The runtime has reported a panic of the task; no lease is left to extend.
            let _ = task.await;
        }
    }
}

impl Lease {
    /// Returns when the lease is lost; never otherwise.
    pub(super) async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// Removes the message from the heartbeat and waits for a heartbeat in flight, so that no later heartbeat
    /// overwrites a retry's delay or extends a deleted message. `None` when the lease is lost.
    pub(super) async fn end(self) -> Option<Receipt> {
        self.shared.forget(self.number);
        drop(self.shared.renewal.lock().await);
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

    /// Sends heartbeats until `stop`, and checks the deadlines in between.
    async fn renew_until(self: Arc<Self>, stop: CancellationToken) {
        let mut next_beat = Instant::now() + self.pause();
        loop {
            let wake = self.next_deadline().map_or(next_beat, |deadline| deadline.min(next_beat));
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep_until(wake) => {}
            }
            if Instant::now() >= next_beat {
                self.renew().await;
                next_beat = Instant::now() + self.pause();
            }
            self.lose_what_ran_out();
        }
    }

    /// A third of the timeout minus up to a tenth of it, so that workers do not send heartbeats at the same time.
    fn pause(&self) -> Duration {
        let jitter = f64::from(getrandom::u32().unwrap_or(0)) / f64::from(u32::MAX);
        (self.timeout / RENEWALS_PER_TIMEOUT).mul_f64(1.0 - 0.1 * jitter)
    }

    fn next_deadline(&self) -> Option<Instant> {
        self.lock().leases.values().map(|lease| lease.deadline).min()
    }

    /// Extends all held leases in one call.
    async fn renew(&self) {
        let _in_flight = self.renewal.lock().await;
        let (numbers, receipts): (Vec<u64>, Vec<Receipt>) =
            self.lock().leases.iter().map(|(number, lease)| (*number, lease.receipt.clone())).unzip();
        if receipts.is_empty() {
            return;
        }
        // The new timeout counts from before the call, whenever the answer arrives.
        let called = Instant::now();
        let answers = tokio::time::timeout(self.timeout, self.queue.extend(&receipts, self.timeout)).await;
        let Ok(answers) = answers else {
            tracing::warn!("a heartbeat got no answer within the whole timeout");
            return;
        };
        let mut held = self.lock();
        for (number, answer) in numbers.into_iter().zip(answers) {
            // A lease that is no longer here was settled meanwhile.
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

    /// Notifies the work on every message whose lease has expired.
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
