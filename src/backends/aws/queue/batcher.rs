//! Collects entries of many tasks into batches: an entry waits briefly for up to nine others.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::Answer;
use crate::ports::queue::MAX_BATCH;
use crate::ports::{ErrorKind, Operation, PortError};

/// How long a batch waits for one more entry.
const LINGER: Duration = Duration::from_millis(200);

/// The longest that a batch waits. The leases of waiting entries are not extended, and the shortest timeout that
/// darkroom allows is 2 s, a third of which may have passed since the last extension.
const LONGEST: Duration = Duration::from_secs(1);

/// An entry, and the channel for its answer.
struct BatchEntry<T> {
    item: T,
    answer: oneshot::Sender<Answer>,
}

/// Collects entries until they form a batch.
pub(super) struct Batcher<T> {
    entries: mpsc::UnboundedSender<BatchEntry<T>>,
}

impl<T: Send + 'static> Batcher<T> {
    /// Passes each batch to `flush`, which returns one answer per entry, in order. Several flushes may run at once.
    pub(super) fn new<F, Fut>(flush: F) -> Self
    where
        F: Fn(Vec<T>) -> Fut + Send + 'static,
        Fut: Future<Output = Vec<Answer>> + Send + 'static,
    {
        let (entries, mut waiting) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(batch) = next_batch(&mut waiting).await {
                let (items, answers): (Vec<_>, Vec<_>) =
                    batch.into_iter().map(|BatchEntry { item, answer }| (item, answer)).unzip();
                let flushed = flush(items);
                tokio::spawn(async move {
                    for (answer, result) in answers.into_iter().zip(flushed.await) {
                        // The caller may have stopped waiting; the entry is settled anyway.
                        let _ = answer.send(result);
                    }
                });
            }
        });
        Self { entries }
    }

    /// Adds entries and waits for their answers, in order.
    pub(super) async fn push(&self, operation: Operation, items: Vec<T>) -> Vec<Answer> {
        let mut answers = Vec::with_capacity(items.len());
        for item in items {
            let (answer, answered) = oneshot::channel();
            // A send fails only while the runtime shuts down; the missing answer below reports that.
            let _ = self.entries.send(BatchEntry { item, answer });
            answers.push(answered);
        }
        let mut results = Vec::with_capacity(answers.len());
        for answered in answers {
            results.push(answered.await.unwrap_or_else(|_| Err(PortError::new(ErrorKind::Unavailable, operation))));
        }
        results
    }
}

/// The next batch: ten entries, or those added before a pause. `None` when all senders are dropped.
async fn next_batch<T>(waiting: &mut mpsc::UnboundedReceiver<BatchEntry<T>>) -> Option<Vec<BatchEntry<T>>> {
    let mut batch = vec![waiting.recv().await?];
    let longest = Instant::now() + LONGEST;
    while batch.len() < MAX_BATCH {
        match timeout_at(longest.min(Instant::now() + LINGER), waiting.recv()).await {
            Ok(Some(entry)) => batch.push(entry),
            Ok(None) | Err(_) => break,
        }
    }
    Some(batch)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

    /// A batcher that records its flushed batches; entry 13 always fails.
    fn noting() -> (Arc<Batcher<u32>>, Batches) {
        let batches = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&batches);
        let batcher = Batcher::new(move |batch: Vec<u32>| {
            noted.lock().unwrap().push(batch.clone());
            async move {
                let fails = |n| {
                    if n == 13 { Err(PortError::new(ErrorKind::LeaseLost, Operation::QueueDelete)) } else { Ok(()) }
                };
                batch.into_iter().map(fails).collect()
            }
        });
        (Arc::new(batcher), batches)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lone_entry_leaves_after_the_linger() {
        let (batcher, batches) = noting();
        let start = Instant::now();
        assert!(batcher.push(Operation::QueueDelete, vec![1]).await[0].is_ok());
        assert_eq!(start.elapsed().as_millis(), LINGER.as_millis());
        assert_eq!(*batches.lock().unwrap(), [vec![1]]);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_entries_of_ten_tasks_share_one_batch_and_do_not_wait() {
        let (batcher, batches) = noting();
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..10 {
            let batcher = Arc::clone(&batcher);
            tasks.spawn(async move { batcher.push(Operation::QueueDelete, vec![n]).await });
        }
        tasks.join_all().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(batches.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn entries_that_keep_coming_share_a_batch_for_a_second_at_most() {
        let (batcher, batches) = noting();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..10 {
            let batcher = Arc::clone(&batcher);
            tasks.spawn(async move {
                tokio::time::sleep(Duration::from_millis(150 * u64::from(n))).await;
                batcher.push(Operation::QueueDelete, vec![n]).await
            });
        }
        tasks.join_all().await;
        assert_eq!(*batches.lock().unwrap(), [vec![0, 1, 2, 3, 4, 5, 6], vec![7, 8, 9]]);
    }

    #[tokio::test(start_paused = true)]
    async fn each_entry_gets_its_own_answer_across_batches() {
        let (batcher, batches) = noting();
        let answers = batcher.push(Operation::QueueDelete, (0..25).collect()).await;
        let failed: Vec<usize> = (0..25).filter(|&n| answers[n].is_err()).collect();
        assert_eq!(failed, [13]);
        assert_eq!(batches.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>(), [10, 10, 5]);
    }
}
