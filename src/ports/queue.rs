//! The queue of upload events: at least once, in no order, with a lease on what was received.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::clock::Timestamp;

/// The handle of one receive: whoever holds the newest one holds the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Message {
    /// Stays the same over every receive and on the move to the dead letters; a redriven message gets a new one.
    pub id: String,
    /// This receive's handle.
    pub receipt: Receipt,
    /// What was sent.
    pub body: String,
    /// Receives so far, this one included: 1 on the first.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was first received.
    pub first_received_at: Timestamp,
}

/// How full the queue is, and its rules. Depths are approximate on SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// Messages that a receive could return now.
    pub visible: u64,
    /// Messages that somebody holds.
    pub in_flight: u64,
    /// Messages sent with a delay that has not passed.
    pub delayed: u64,
    /// How long ago the oldest of all these was sent, zero if there is none. `None` where the queue does not tell: SQS
    /// tells it to CloudWatch alone.
    pub oldest_age: Option<Duration>,
    /// Receives after which the next poll moves a message to the dead letters; `None` where it never is.
    pub max_receives: Option<u32>,
}

/// Messages that one receive gives at most, and entries that one call of SQS takes.
pub const MAX_BATCH: usize = 10;

/// How long a receive waits at most: no poll of SQS is longer.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// A queue with leases, receive counts and dead letters.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends one message. `Ok` means that it is stored. Returns its id.
    async fn send(&self, body: &str) -> Result<String, PortError>;

    /// Receives up to `max` messages (clamped to 1 to [`MAX_BATCH`]).
    ///
    /// Returns as soon as there is one, and an empty list after `wait` (clamped to [`MAX_WAIT`]) without any. Each is
    /// hidden from other receives for `visibility`, counted from this call's answer. A message that was received
    /// `max_receives` times already is moved to the dead letters instead of being returned.
    ///
    /// Cancel-safe in this sense only: what a dropped call received stays hidden for `visibility`. Do not drop it.
    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError>;

    /// Keeps messages hidden for `visibility` from now. One answer per receipt, in order; the backend splits batches.
    ///
    /// `Ok` means that the lease runs for `visibility` from now. [`ErrorKind::LeaseLost`](super::ErrorKind::LeaseLost) means that the message was
    /// received again, deleted, or that its lease ran out; any other error says nothing about the lease.
    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Result<(), PortError>>;

    /// Makes messages visible again after a delay each, zero for now. One answer per receipt, in order.
    ///
    /// The receive that is given back still counts. Of a message that is no longer ours it changes nothing and may
    /// answer `Ok` or `LeaseLost`.
    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Result<(), PortError>>;

    /// Deletes messages. One answer per receipt, in order.
    ///
    /// `Ok` proves nothing: a receipt that a later receive replaced deletes nothing and is answered `Ok`, as SQS does.
    /// The catalog's fence is the authority, never this.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), PortError>>;

    /// Depths and rules.
    async fn attributes(&self) -> Result<QueueAttributes, PortError>;
}
