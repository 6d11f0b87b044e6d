//! The remaining capacity of the queue.

use std::time::Duration;

use crate::ports::{PortError, Queue};

/// The number of messages to send between two reads of the queue's depth.
const BETWEEN_LOOKS: u64 = 100;

/// How long to wait when the queue is full.
const FULL_FOR: Duration = Duration::from_secs(5);

/// The capacity of a queue with other senders.
pub(super) struct QueueCapacity<'a> {
    queue: &'a dyn Queue,
    most: u64,
    left: u64,
}

impl<'a> QueueCapacity<'a> {
    /// Limits the queue to `most` messages.
    pub(super) fn of(queue: &'a dyn Queue, most: u64) -> Self {
        Self { queue, most, left: 0 }
    }

    /// Waits until the queue has capacity for one more message. Messages that workers hold count too: they may return.
    pub(super) async fn wait(&mut self) -> Result<(), PortError> {
        while self.left == 0 {
            let depth = self.queue.attributes().await?;
            let held = depth.visible + depth.in_flight + depth.delayed;
            self.left = self.most.saturating_sub(held).min(BETWEEN_LOOKS);
            if self.left == 0 {
                tokio::time::sleep(FULL_FOR).await;
            }
        }
        self.left -= 1;
        Ok(())
    }
}
