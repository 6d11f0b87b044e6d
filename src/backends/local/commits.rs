//! Group commit: all writes that wait are made in one transaction, so that they share one sync of the disk.
//!
//! A write is a job. Who has the writer takes every job that waits, runs each inside its own savepoint, commits once,
//! and answers. A thread that may wait does so itself; for the others the first to find no leader calls one, on a
//! blocking thread, which goes on as long as jobs come. There is one writer per process; other processes are waited for
//! in `BEGIN IMMEDIATE`.
//!
//! What a loss of power may take back, since it is simply done again, does not wait for the disk. Transactions are
//! lost from the end: one that was synced has all before it on the disk as well, and what was to follow them follows
//! then.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::failure::Failure;

/// What a write outlives, once it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outlives {
    /// A kill: it is written. A loss of power may take it back, and what came after it.
    Kill,
    /// A loss of power: it is on the disk.
    PowerLoss,
}

/// The one writer of this process.
pub(super) struct Commits {
    writer: Mutex<Writer>,
    waiting: Mutex<Waiting>,
    count: watch::Sender<u64>,
}

struct Writer {
    connection: Connection,
    /// What follows transactions that a loss of power may still take back.
    sequels: Vec<Sequel>,
}

/// Follows a write, once it is on the disk.
type Sequel = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Waiting {
    jobs: Vec<Box<dyn Job>>,
    has_leader: bool,
}

impl Commits {
    pub(super) fn new(connection: Connection) -> Arc<Self> {
        let writer = Mutex::new(Writer { connection, sequels: Vec::new() });
        Arc::new(Self { writer, waiting: Mutex::default(), count: watch::Sender::new(0) })
    }

    /// Whether the last transaction was to be synced.
    #[cfg(test)]
    pub(super) fn was_synced(&self) -> bool {
        is_synced(&lock(&self.writer).connection)
    }

    /// Tells of every transaction that this process commits.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.count.subscribe()
    }

    /// Runs `job` in a transaction; `Ok` means that it is committed. When `job` fails, what it wrote is taken back.
    ///
    /// The job runs even when the returned future is dropped.
    pub(super) async fn write<T, F>(self: &Arc<Self>, outlives: Outlives, job: F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = Write { outlives, job: Some(job), outcome: None, reply, sequel: None };
        if let Some(leader) = self.enqueue(Box::new(write)) {
            // A blocking task, not a thread of our own: a paused clock stands still while one runs.
            tokio::task::spawn_blocking(move || leader.drain());
        }
        answer.await.unwrap_or(Err(Failure::ShuttingDown))
    }

    /// [`Self::write`] from a thread that may wait. Once the write is on the disk, `sequel` follows on the committing
    /// thread: before the answer when the write must outlive a loss of power, else with a later one that must. Never
    /// when it fails, and not when this process ends first.
    pub(super) fn write_here<T, F>(
        self: &Arc<Self>,
        outlives: Outlives,
        job: F,
        sequel: impl FnOnce() + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let write = Write { outlives, job: Some(job), outcome: None, reply, sequel: Some(Box::new(sequel)) };
        lock(&self.waiting).jobs.push(Box::new(write));
        // Not left to a leader: where all threads wait like this one, it would find none to run on.
        self.commit_those_waiting();
        answer.blocking_recv().unwrap_or(Err(Failure::ShuttingDown))
    }

    /// The leader, when the caller must see to one.
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

/// The duty to commit for those whose threads do not wait, until nobody does. A leader that never ran, since the runtime
/// shut down, leaves nobody waiting for ever.
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
            *lock(&self.commits.waiting) = Waiting::default();
        }
    }
}

impl Writer {
    /// Commits all of them, and when they are on the disk does what follows them and those before.
    fn commit_together(&mut self, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
        let connection = &self.connection;
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        let is_synced = batch.iter().any(|job| job.outlives() == Outlives::PowerLoss);
        // NORMAL syncs before the log is copied into the database, and not at each commit.
        connection.pragma_update(None, "synchronous", if is_synced { "FULL" } else { "NORMAL" })?;
        let changes = connection.total_changes();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let committed = run_all(connection, batch);
        if committed.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        committed?;
        self.sequels.extend(batch.iter_mut().filter_map(|job| job.take_sequel()));
        // SQLite syncs nothing for a transaction that has written nothing.
        if is_synced && self.connection.total_changes() != changes {
            self.sequels.drain(..).for_each(|sequel| sequel());
        }
        Ok(())
    }
}

fn run_all(connection: &Connection, batch: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    for job in batch {
        connection.prepare_cached("SAVEPOINT job")?.execute([])?;
        let is_kept = job.run(connection);
        if connection.is_autocommit() {
            // A full disk or a failing one makes SQLite roll back everything, the other jobs' work with it.
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

/// One write that waits for its turn and for its answer.
trait Job: Send {
    /// What it must outlive when it is answered.
    fn outlives(&self) -> Outlives;
    /// Does the work; whether what it wrote shall stay.
    fn run(&mut self, connection: &Connection) -> bool;
    /// What follows, if the job has succeeded.
    fn take_sequel(&mut self) -> Option<Sequel>;
    /// Tells the caller what came of it.
    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>);
}

struct Write<T, F> {
    outlives: Outlives,
    job: Option<F>,
    outcome: Option<Result<T, Failure>>,
    reply: oneshot::Sender<Result<T, Failure>>,
    sequel: Option<Sequel>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Failure> + Send,
{
    fn outlives(&self) -> Outlives {
        self.outlives
    }

    fn run(&mut self, connection: &Connection) -> bool {
        let job = self.job.take();
        // A fault of our own costs this write, not its neighbours in the transaction.
        let run = AssertUnwindSafe(|| job.map(|job| job(connection)));
        self.outcome = catch_unwind(run).unwrap_or(Some(Err(Failure::Panicked)));
        matches!(self.outcome, Some(Ok(_)))
    }

    fn take_sequel(&mut self) -> Option<Sequel> {
        self.sequel.take().filter(|_| matches!(self.outcome, Some(Ok(_))))
    }

    fn answer(self: Box<Self>, committed: Result<(), Arc<rusqlite::Error>>) {
        let outcome = match (self.outcome, committed) {
            (Some(Err(failure)), _) => Err(failure),
            (_, Err(error)) => Err(Failure::NotCommitted(error)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Failure::Panicked),
        };
        // Nobody listens when the caller was dropped; the write stands all the same.
        drop(self.reply.send(outcome));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nobody panics while holding it: jobs are caught.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
fn is_synced(connection: &Connection) -> bool {
    const FULL: u8 = 2;
    connection.query_row("PRAGMA synchronous", [], |row| row.get(0)) == Ok(FULL)
}

#[cfg(test)]
mod tests;
