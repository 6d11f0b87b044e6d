//! Group commit: all writes that wait are made in one transaction, so that they share one sync of the disk.
//!
//! A write is a job. The first to find nobody at work becomes the leader on a blocking thread: it takes every job
//! that waits, runs each inside its own savepoint, commits once, and answers; then it takes those that came
//! meanwhile. There is one writer per process; other processes are waited for in `BEGIN IMMEDIATE`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::failure::Failure;

/// The one writer of this process.
pub(super) struct Commits {
    connection: Mutex<Connection>,
    waiting: Mutex<Waiting>,
    count: watch::Sender<u64>,
}

#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    has_leader: bool,
}

impl Commits {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        Arc::new(Self { connection: Mutex::new(connection), waiting: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Tells of every transaction that this process commits.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Runs `job` in a transaction; `Ok` means that it is on the disk. When `job` fails, what it wrote is taken back.
    ///
    /// The job runs even when the returned future is dropped.
    pub(super) async fn write<T, F>(self: &Arc<Self>, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        if self.enqueue(Box::new(Write { job: Some(job), outcome: None, reply })) {
            let leader = Leader { commits: self.clone(), is_done: false };
            // A blocking task, not a thread of our own: a paused clock stands still while one runs.
            tokio::task::spawn_blocking(move || leader.drain());
        }
        answer.await.unwrap_or(Err(Failure::ShuttingDown))
    }

    /// Whether the caller must see to a leader.
    fn enqueue(&self, job: Box<dyn Job>) -> bool {
        let mut waiting = lock(&self.waiting);
        waiting.jobs.push(job);
        !std::mem::replace(&mut waiting.has_leader, true)
    }

    /// All waiting jobs; when there are none, the leader's time is over.
    fn take_batch(&self) -> Option<Vec<Box<dyn Job>>> {
        let mut waiting = lock(&self.waiting);
        waiting.has_leader = !waiting.jobs.is_empty();
        waiting.has_leader.then(|| std::mem::take(&mut waiting.jobs))
    }
}

/// The right to commit. A leader that ends before its time (a panic, a runtime that shuts down) leaves nobody
/// waiting for ever.
struct Leader {
    commits: Arc<Commits>,
    is_done: bool,
}

impl Leader {
    fn drain(mut self) {
        let connection = lock(&self.commits.connection);
        while let Some(mut batch) = self.commits.take_batch() {
            let committed = commit_together(&connection, &mut batch).map_err(Arc::new);
            if committed.is_ok() {
                self.commits.count.send_modify(|count| *count += 1);
            }
            for job in batch {
                job.answer(committed.clone());
            }
        }
        drop(connection);
        self.is_done = true;
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.is_done {
            *lock(&self.commits.waiting) = Waiting::default();
        }
    }
}

fn commit_together(connection: &Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    if !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let committed = run_all(connection, batch);
    if committed.is_err() && !connection.is_autocommit() {
        connection.execute_batch("ROLLBACK")?;
    }
    committed
}

fn run_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in batch {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        if !job.run(connection) {
            // A full disk makes SQLite roll back everything, the savepoint with it: then this fails, and so do all.
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
}

/// One write that waits for its turn and for its answer.
trait Job: Send {
    /// Does the work; whether what it wrote shall stay.
    fn run(&mut self, connection: &Connection) -> bool;
    /// Tells the caller what came of it.
    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Write<T, F> {
    job: Option<F>,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn run(&mut self, connection: &Connection) -> bool {
        self.outcome = self.job.take().map(|job| job(connection));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(failure)), _) => Err(failure),
            (_, Err(error)) => Err(Failure::NotCommitted(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Failure::ShuttingDown),
        };
        // Nobody listens when the caller was dropped; the write stands all the same.
        drop(self.reply.send(outcome));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Every holder leaves the data whole: a job that panics is rolled back by the next batch.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
