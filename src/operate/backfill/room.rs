//! How much the queue may still take.

use std::time::Duration;

use crate::ports::{PortError, Queue};

/// Messages sent between two looks at the depth.
const BETWEEN_LOOKS: u64 = 100;

/// How long to wait when the queue is full.
const FULL_FOR: Duration = Duration::from_secs(5);

/// The room in a queue that others use too.
pub(super) struct Room<'a> {
    queue: &'a dyn Queue,
    most: u64,
    left: u64,
}

impl<'a> Room<'a> {
    /// A queue that is to hold `most` messages.
    pub(super) fn of(queue: &'a dyn Queue, most: u64) -> Self {
        Self { queue, most, left: 0 }
    }

    /// Waits until there is room for one more message. What workers hold counts too: it may come back.
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
