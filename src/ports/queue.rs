//! The queue of upload events: at-least-once delivery, no order, and a visibility timeout on received messages.

use std::time::Duration;

use async_trait::async_trait;

use super::PortError;
use crate::clock::Timestamp;

/// The receipt handle of one receive: the holder of the newest one holds the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Receipt(pub String);

/// A message as it was received.
#[derive(Clone, Debug)]
pub struct Message {
    /// The same for every receive and in the dead-letter queue; a redriven message gets a new one.
    pub id: String,
    /// This receive's receipt handle.
    pub receipt: Receipt,
    /// The body as it was sent.
    pub body: String,
    /// Receives so far, this one included: 1 on the first.
    pub receive_count: u32,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was first received.
    pub first_received_at: Timestamp,
    /// The trace that its sender was part of.
    pub trace: TraceHeaders,
}

/// The trace headers that a sender attached to a message, as they were received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceHeaders {
    /// X-Ray's header, from the system attribute `AWSTraceHeader`.
    pub xray: Option<String>,
    /// The `traceparent` of W3C Trace Context, from the message attribute of that name.
    pub traceparent: Option<String>,
}

/// The queue's depth and rules. Depths are approximate on SQS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueAttributes {
    /// Messages that a receive could return now.
    pub visible: u64,
    /// Messages that a receiver holds.
    pub in_flight: u64,
    /// Messages sent with a delay that has not passed.
    pub delayed: u64,
    /// How long ago the oldest of these messages was sent; zero if the queue is empty. `None` if the queue does not
    /// report it: SQS reports it only to CloudWatch.
    pub oldest_age: Option<Duration>,
    /// Receives after which the next poll moves a message to the dead-letter queue; `None` without a limit.
    pub max_receives: Option<u32>,
}

/// The most messages that one receive returns, and the most entries that one SQS call takes.
pub const MAX_BATCH: usize = 10;

/// The longest wait of a receive: the longest poll of SQS.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// A queue with leases, receive counts and dead letters.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends one message. `Ok` means that it is stored. Returns its id.
    async fn send(&self, body: &str) -> Result<String, PortError>;

    /// Receives up to `max` messages (clamped to 1 to [`MAX_BATCH`]).
    ///
    /// Returns as soon as a message is available, or an empty list after `wait` (clamped to [`MAX_WAIT`]). Each message
    /// is hidden from other receives for `visibility`, counted from this call's answer. A message that was already
    /// received `max_receives` times is moved to the dead-letter queue instead of being returned.
    ///
    /// Cancelling this call does not lose messages, but those that it received stay hidden for `visibility`. Do not
    /// drop it.
    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError>;

    /// Hides messages for `visibility` from now. One answer per receipt, in order; the backend splits batches.
    ///
    /// `Ok` means that the lease runs for `visibility` from now. [`ErrorKind::LeaseLost`](super::ErrorKind::LeaseLost)
    /// means that the message was received again, deleted, or that its lease expired; any other error says nothing
    /// about the lease.
    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Result<(), PortError>>;

    /// Makes each message visible again after its delay; zero means now. One answer per receipt, in order.
    ///
    /// The receive still counts. A receipt whose lease was lost changes nothing; its answer is `Ok` or `LeaseLost`.
    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Result<(), PortError>>;

    /// Deletes messages. One answer per receipt, in order.
    ///
    /// `Ok` does not prove the deletion: as on SQS, a receipt that a later receive replaced deletes nothing and still
    /// gets `Ok`. Only the catalog's fencing token decides.
    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), PortError>>;

    /// Depths and rules.
    async fn attributes(&self) -> Result<QueueAttributes, PortError>;
}
