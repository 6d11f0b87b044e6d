//! Group commit: all writes that wait are made in one transaction, so that they share one sync of the disk.
//!
//! A write is a job. The first to find nobody at work becomes the leader on a blocking thread: it takes every job
//! that waits, runs each inside its own savepoint, commits once, and answers; then it takes those that came
//! meanwhile. There is one writer per process; other processes are waited for in `BEGIN IMMEDIATE`.
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

    /// Whether the last transaction was synced.
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
        if let Some(mut leader) = self.enqueue(Box::new(write)) {
            leader.commit_those_waiting();
            if !leader.is_done {
                tokio::task::spawn_blocking(move || leader.drain());
            }
        }
        answer.blocking_recv().unwrap_or(Err(Failure::ShuttingDown))
    }

    /// The leader, when the caller must see to one.
    fn enqueue(self: &Arc<Self>, job: Box<dyn Job>) -> Option<Leader> {
        let mut waiting = lock(&self.waiting);
        waiting.jobs.push(job);
        let had_leader = std::mem::replace(&mut waiting.has_leader, true);
        (!had_leader).then(|| Leader { commits: Arc::clone(self), is_done: false })
    }
}

/// The right to commit, until nobody waits. A leader that never ran, since the runtime shut down, leaves nobody waiting
/// for ever.
struct Leader {
    commits: Arc<Commits>,
    is_done: bool,
}

impl Leader {
    fn drain(mut self) {
        while !self.is_done {
            self.commit_those_waiting();
        }
    }

    fn commit_those_waiting(&mut self) {
        let mut writer = lock(&self.commits.writer);
        let mut batch = std::mem::take(&mut lock(&self.commits.waiting).jobs);
        let committed = writer.commit_together(&mut batch).map_err(Arc::new);
        drop(writer);
        if committed.is_ok() {
            self.commits.count.send_modify(|count| *count += 1);
        }
        for job in batch {
            job.answer(committed.clone());
        }
        let mut waiting = lock(&self.commits.waiting);
        waiting.has_leader = !waiting.jobs.is_empty();
        self.is_done = !waiting.has_leader;
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
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let committed = run_all(connection, batch);
        if committed.is_err() && !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        committed?;
        self.sequels.extend(batch.iter_mut().filter_map(|job| job.take_sequel()));
        if is_synced {
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
mod tests {
    use futures_util::future::join_all;

    use super::Outlives::{Kill, PowerLoss};
    use super::*;
    use crate::ports::ErrorKind;

    fn commits() -> Arc<Commits> {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE notes (note TEXT)").unwrap();
        Commits::new(connection)
    }

    fn note(text: &str) -> impl FnOnce(&Connection) -> Result<(), Failure> + Send + use<> {
        let text = text.to_owned();
        move |connection| Ok(connection.execute("INSERT INTO notes VALUES (?1)", [text]).map(|_| ())?)
    }

    fn note_then_fail(text: &str) -> impl FnOnce(&Connection) -> Result<(), Failure> + Send + use<> {
        let note = note(text);
        move |connection| note(connection).and(Err(Failure::Refused(ErrorKind::Precondition)))
    }

    async fn notes(commits: &Arc<Commits>) -> Vec<String> {
        let read = |connection: &Connection| {
            let mut select = connection.prepare("SELECT note FROM notes ORDER BY note")?;
            let notes = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            Ok(notes)
        };
        commits.write(PowerLoss, read).await.unwrap()
    }

    #[tokio::test]
    async fn writes_that_wait_share_a_commit() {
        let commits = commits();
        let mut count = commits.subscribe();
        let (open, gate) = std::sync::mpsc::channel();
        let first = commits.write(PowerLoss, move |_| gate.recv().map_err(|_| Failure::ShuttingDown));
        let others = join_all((0..100).map(|number| commits.write(PowerLoss, note(&format!("{number:02}")))));
        let opened = async { open.send(()).unwrap() };
        let (first, others, ()) = tokio::join!(first, others, opened);
        assert!(first.is_ok() && others.iter().all(Result::is_ok));
        // The leader may have come before the hundred, never between them.
        assert!(*count.borrow_and_update() <= 2);
        assert_eq!(notes(&commits).await.len(), 100);
    }

    #[tokio::test]
    async fn a_transaction_is_synced_when_one_of_its_writes_must_outlive_a_loss_of_power() {
        let commits = commits();
        let in_turn = |outlives| commits.write(outlives, |connection| Ok(is_synced(connection)));
        assert!(!in_turn(Kill).await.unwrap());
        assert!(in_turn(PowerLoss).await.unwrap());
        assert!(!in_turn(Kill).await.unwrap());
        // They wait behind the gate for one transaction.
        let ((begin, begun), (open, gate)) = (oneshot::channel(), std::sync::mpsc::channel());
        let first = commits.write(Kill, move |_| {
            begin.send(()).unwrap();
            gate.recv().map_err(|_| Failure::ShuttingDown)
        });
        let others = async {
            begun.await.unwrap();
            let opened = async { open.send(()).unwrap() };
            tokio::join!(in_turn(Kill), in_turn(PowerLoss), in_turn(Kill), opened)
        };
        let (_, (one, two, three, ())) = tokio::join!(first, others);
        assert_eq!([one.unwrap(), two.unwrap(), three.unwrap()], [true; 3]);
    }

    /// The sequels that have followed, in their order.
    #[derive(Clone, Default)]
    struct Sequels(Arc<Mutex<Vec<&'static str>>>);

    impl Sequels {
        /// Writes as the blocking threads do, to be followed by `name`.
        async fn write(
            &self,
            commits: &Arc<Commits>,
            outlives: Outlives,
            name: &'static str,
            job: impl FnOnce(&Connection) -> Result<(), Failure> + Send + 'static,
        ) -> Result<(), Failure> {
            let (commits, noted) = (commits.clone(), self.0.clone());
            let write = move || commits.write_here(outlives, job, move || noted.lock().unwrap().push(name));
            tokio::task::spawn_blocking(write).await.unwrap()
        }

        fn followed(&self) -> Vec<&'static str> {
            self.0.lock().unwrap().clone()
        }
    }

    #[tokio::test]
    async fn what_follows_a_write_waits_until_it_is_on_the_disk() {
        let (commits, sequels) = (commits(), Sequels::default());
        sequels.write(&commits, Kill, "first", note("one")).await.unwrap();
        sequels.write(&commits, Kill, "second", note("two")).await.unwrap();
        assert!(sequels.followed().is_empty());
        commits.write(Kill, note("three")).await.unwrap();
        assert!(sequels.followed().is_empty());
        commits.write(PowerLoss, note("four")).await.unwrap();
        assert_eq!(sequels.followed(), ["first", "second"]);
        sequels.write(&commits, PowerLoss, "third", note("five")).await.unwrap();
        assert_eq!(sequels.followed(), ["first", "second", "third"], "before the answer");
    }

    #[tokio::test]
    async fn nothing_follows_a_write_that_failed() {
        let (commits, sequels) = (commits(), Sequels::default());
        sequels.write(&commits, PowerLoss, "refused", note_then_fail("one")).await.unwrap_err();
        sequels.write(&commits, Kill, "refused later", note_then_fail("two")).await.unwrap_err();
        let rolls_back = |connection: &Connection| Ok(connection.execute_batch("ROLLBACK")?);
        sequels.write(&commits, PowerLoss, "taken back", rolls_back).await.unwrap_err();
        commits.write(PowerLoss, note("three")).await.unwrap();
        assert_eq!(sequels.followed(), Vec::<&str>::new());
    }

    #[tokio::test]
    async fn a_thread_that_commits_for_others_leaves_the_rest_to_another() {
        let (commits, sequels) = (commits(), Sequels::default());
        let ((begin, begun), (open, gate)) = (oneshot::channel(), std::sync::mpsc::channel());
        let first = sequels.write(&commits, PowerLoss, "first", move |_| {
            begin.send(()).unwrap();
            gate.recv().map_err(|_| Failure::ShuttingDown)
        });
        // It comes while the first is committed.
        let other = async {
            begun.await.unwrap();
            let opened = async { open.send(()).unwrap() };
            tokio::join!(commits.write(PowerLoss, note("other")), opened).0
        };
        let (first, other) = tokio::join!(first, other);
        assert!(first.is_ok() && other.is_ok());
        assert_eq!(notes(&commits).await, ["other"]);
    }

    #[tokio::test]
    async fn a_write_that_fails_takes_back_its_own_and_leaves_its_neighbours() {
        let commits = commits();
        let (one, two, three) = tokio::join!(
            commits.write(PowerLoss, note("one")),
            commits.write(PowerLoss, note_then_fail("two")),
            commits.write(PowerLoss, note("three"))
        );
        assert!(one.is_ok() && three.is_ok());
        assert!(matches!(two, Err(Failure::Refused(ErrorKind::Precondition))));
        assert_eq!(notes(&commits).await, ["one", "three"]);
    }

    #[tokio::test]
    async fn on_a_full_disk_nobody_is_told_that_it_was_stored() {
        let commits = commits();
        lock(&commits.writer).connection.pragma_update(None, "max_page_count", 3).unwrap();
        let large = "x".repeat(100_000);
        let (small, large, late) = tokio::join!(
            commits.write(PowerLoss, note("small")),
            commits.write(PowerLoss, note(&large)),
            commits.write(PowerLoss, note("late"))
        );
        let told = [small, large, late].map(|outcome| outcome.map_err(|failure| failure.into_port_error("test").kind));
        let stored = notes(&commits).await;
        assert_eq!(told[1], Err(ErrorKind::Unavailable));
        for (outcome, text) in told.iter().zip(["small", "", "late"]) {
            assert!(matches!(outcome, Ok(()) | Err(ErrorKind::Unavailable)), "{text}: {told:?}");
            assert_eq!(outcome.is_ok(), stored.iter().any(|note| note == text), "{text}: {told:?}, {stored:?}");
        }
        lock(&commits.writer).connection.pragma_update(None, "max_page_count", 1000).unwrap();
        commits.write(PowerLoss, note("there is space again")).await.unwrap();
        assert!(notes(&commits).await.contains(&"there is space again".to_owned()));
    }

    #[tokio::test]
    async fn when_the_database_takes_everything_back_nobody_is_told_that_it_was_stored() {
        let commits = commits();
        let rolls_back = |connection: &Connection| Ok(connection.execute_batch("ROLLBACK")?);
        let (one, two, three) = tokio::join!(
            commits.write(PowerLoss, note("one")),
            commits.write(PowerLoss, rolls_back),
            commits.write(PowerLoss, note("three"))
        );
        let stored = notes(&commits).await;
        assert!(two.is_err());
        for (outcome, text) in [(one, "one"), (three, "three")] {
            let kind = outcome.map_err(|failure| failure.into_port_error("test").kind);
            let is_stored = stored.iter().any(|note| note == text);
            assert_eq!(kind, if is_stored { Ok(()) } else { Err(ErrorKind::Unavailable) }, "{text}");
        }
    }

    #[tokio::test]
    async fn a_write_goes_on_when_its_caller_is_gone() {
        let commits = commits();
        let mut write = Box::pin(commits.write(PowerLoss, note("orphan")));
        assert!(futures_util::poll!(&mut write).is_pending());
        drop(write);
        assert_eq!(notes(&commits).await, ["orphan"]);
    }

    #[tokio::test]
    async fn a_job_that_panics_is_taken_back_and_its_neighbours_stay() {
        let commits = commits();
        let panics = |connection: &Connection| -> Result<(), Failure> {
            connection.execute("INSERT INTO notes VALUES ('lost')", [])?;
            panic!("a fault of our own")
        };
        let (one, two, three) = tokio::join!(
            commits.write(PowerLoss, note("one")),
            commits.write(PowerLoss, panics),
            commits.write(PowerLoss, note("three"))
        );
        assert!(matches!(two, Err(Failure::Panicked)));
        assert!(one.is_ok() && three.is_ok());
        assert_eq!(notes(&commits).await, ["one", "three"]);
    }
}
