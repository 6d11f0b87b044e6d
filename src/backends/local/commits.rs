//! Group commit: all waiting writes share one transaction, and so one sync of the disk.
//!
//! A write is a job. The thread that holds the writer takes all waiting jobs, runs each in its own savepoint, commits
//! once, and sends the answers. A thread that may block does this for its own job. For async callers, the first one to
//! find no leader starts one on a blocking thread, which runs until no jobs wait. Each process has one writer; `BEGIN
//! IMMEDIATE` waits for the writers of other processes.
//!
//! Writes that can be repeated after a power loss are not synced. A power loss removes transactions from the end of the
//! log, so a synced transaction also makes all earlier ones durable; their callbacks run then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::failure::Failure;

/// What an answered write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A kill of the process. The write is not synced: a power loss may undo it and all later writes.
    Kill,
    /// A power loss: the write is synced.
    PowerLoss,
}

/// The only writer of this process.
pub(super) struct Commits {
    writer: Mutex<Writer>,
    waiting: Mutex<PendingWrites>,
    count: watch::Sender<u64>,
}

struct Writer {
    connection: Connection,
    /// The callbacks of committed transactions that are not synced yet.
    callbacks: Vec<AfterCommit>,
}

/// A callback that runs once a write is synced.
type AfterCommit = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct PendingWrites {
    jobs: Vec<Box<dyn Job>>,
    has_leader: bool,
}

impl Commits {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        let writer = Mutex::new(Writer { connection, callbacks: Vec::new() });
        Arc::new(Self { writer, waiting: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Whether the last transaction was synced.
    #[cfg(test)]
    pub(super) fn was_synced(&self) -> bool {
        is_synced(&lock(&self.writer).connection)
    }

    /// Notifies the receiver of every transaction that this process commits.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Runs `job` in a transaction; `Ok` means that it is committed. If `job` fails, its writes are rolled back.
    ///
    /// The job runs even if the returned future is dropped.
    pub(super) async fn write<T, F>(self: &Arc<Self>, outlives: Durability, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = Write { outlives, job: Some(job), outcome: None, reply, after_commit: None };
        if let Some(leader) = self.enqueue(Box::new(write)) {
            // A blocking task, not a plain thread: tokio's paused clock does not advance while one runs.
            tokio::task::spawn_blocking(move || leader.drain());
        }
        answer.await.unwrap_or(Err(Failure::ShuttingDown))
    }

    /// [`Self::write`] from a thread that may block. Once the write is synced, the committing thread calls
    /// `after_commit`: before the answer if the write must survive a power loss, otherwise with a later synced write.
    /// It is not called if the write fails or the process ends first.
    pub(super) fn write_here<T, F>(
        self: &Arc<Self>,
        outlives: Durability,
        job: F,
        after_commit: impl FnOnce() + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write =
            Write { outlives, job: Some(job), outcome: None, reply, after_commit: Some(Box::new(after_commit)) };
        lock(&self.waiting).jobs.push(Box::new(write));
        // The caller commits: if every thread waited for a leader here, no thread would be left to run it.
        self.commit_those_waiting();
        answer.blocking_recv().unwrap_or(Err(Failure::ShuttingDown))
    }

    /// Adds a job. Returns the leader if the caller must start one.
    fn enqueue(self: &Arc<Self>, job: Box<dyn Job>) -> Option<Leader> {
        let mut waiting = lock(&self.waiting);
        waiting.jobs.push(job);
        let had_leader = std::mem::replace(&mut waiting.has_leader, true);
        (!had_leader).then(|| Leader { commits: Arc::clone(self), is_done: false })
    }

    fn commit_those_waiting(&self) {
        let mut writer = lock(&self.writer);
        let mut batch = std::mem::take(&mut lock(&self.waiting).jobs);
        if batch.is_empty() {
            return;
        }
        let committed = writer.commit_together(&mut batch).map_err(Arc::new);
        drop(writer);
        if committed.is_ok() {
            self.count.send_modify(|count| *count += 1);
        }
        for job in batch {
            job.answer(committed.clone());
        }
    }
}

/// Commits for callers that do not block, until no jobs wait. If the runtime shuts down before the leader runs,
/// dropping it fails the waiting jobs.
struct Leader {
    commits: Arc<Commits>,
    is_done: bool,
}

impl Leader {
    fn drain(mut self) {
        while !self.is_done {
            self.commits.commit_those_waiting();
            let mut waiting = lock(&self.commits.waiting);
            waiting.has_leader = !waiting.jobs.is_empty();
            self.is_done = !waiting.has_leader;
        }
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !self.is_done {
            *lock(&self.commits.waiting) = PendingWrites::default();
        }
    }
}

impl Writer {
    /// Commits all jobs in one transaction. If it is synced, calls their callbacks and those of earlier transactions.
    fn commit_together(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let connection = &self.connection;
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        let is_synced = batch.iter().any(|job| job.outlives() == Durability::PowerLoss);
        // NORMAL syncs only before a checkpoint, not at each commit.
        connection.pragma_update(None, "synchronous", if is_synced { "FULL" } else { "NORMAL" })?;
        let changes = connection.total_changes();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let committed = run_all(connection, batch);
        if committed.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        committed?;
        self.callbacks.extend(batch.iter_mut().filter_map(|job| job.take_after_commit()));
        // SQLite does not sync a transaction that has written nothing.
        if is_synced && self.connection.total_changes() != changes {
            self.callbacks.drain(..).for_each(|after_commit| after_commit());
        }
        Ok(())
    }
}

fn run_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in batch {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        let is_kept = job.run(connection);
        if connection.is_autocommit() {
            // On a full or failing disk, SQLite rolls back the whole transaction, including the other jobs' writes.
            let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_ABORT_ROLLBACK);
            return Err(rusqlite::Error::SqliteFailure(code, None));
        }
        if !is_kept {
            connection.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        connection.prepare_cached("RELEASE job")?.execute([])?;
    }
    connection.prepare_cached("COMMIT")?.execute([]).map(|_| ())
}

/// A write that waits to be run and answered.
trait Job: Send {
    /// What the write must survive once it is answered.
    fn outlives(&self) -> Durability;
    /// Runs the job. Returns whether to keep its writes.
    fn run(&mut self, connection: &Connection) -> bool;
    /// The callback, if the job has succeeded.
    fn take_after_commit(&mut self) -> Option<AfterCommit>;
    /// Sends the result to the caller.
    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Write<T, F> {
    outlives: Durability,
    job: Option<F>,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
    after_commit: Option<AfterCommit>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn outlives(&self) -> Durability {
        self.outlives
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let job = self.job.take();
        // A panic fails this write, not the others in the transaction.
        let run = AssertUnwindSafe(|| job.map(|job| job(connection)));
        self.outcome = catch_unwind(run).unwrap_or(Some(Err(Failure::Panicked)));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn take_after_commit(&mut self) -> Option<AfterCommit> {
        self.after_commit.take().filter(|_| matches!(self.outcome, Some(Ok(_))))
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(failure)), _) => Err(failure),
            (_, Err(error)) => Err(Failure::NotCommitted(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Failure::Panicked),
        };
        // The send fails if the caller was dropped; the write is committed anyway.
        drop(self.reply.send(outcome));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No thread panics while it holds the lock: panics of jobs are caught.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
fn is_synced(connection: &Connection) -> bool {
    const FULL: u8 = 2;
    connection.query_row("PRAGMA synchronous", [], |row| row.get(0)) == Ok(FULL)
}

#[cfg(test)]
mod tests;
