//! Group commit: which writes share a transaction, which are synced, when after_commit run, and what callers get on
//! failure.

use std::time::Duration;

use futures_util::future::join_all;

use super::Durability::{Kill, PowerLoss};
use super::*;
use crate::ports::{ErrorKind, Operation};

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
    // The leader may have run before the hundred writes, but not between them.
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
    // The writes wait behind the gate to share one transaction.
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

/// The after_commit that have run, in order.
#[derive(Clone, Default)]
struct AfterCommits(Arc<Mutex<Vec<&'static str>>>);

impl AfterCommits {
    /// Writes from a blocking thread, with a callback that records `name`.
    async fn write(
        &self,
        commits: &Arc<Commits>,
        outlives: Durability,
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
    let (commits, after_commit) = (commits(), AfterCommits::default());
    after_commit.write(&commits, Kill, "first", note("one")).await.unwrap();
    after_commit.write(&commits, Kill, "second", note("two")).await.unwrap();
    assert!(after_commit.followed().is_empty());
    commits.write(Kill, note("three")).await.unwrap();
    assert!(after_commit.followed().is_empty());
    // It must survive a power loss but writes nothing, so nothing is synced.
    assert_eq!(notes(&commits).await, ["one", "three", "two"]);
    assert!(after_commit.followed().is_empty());
    commits.write(PowerLoss, note("four")).await.unwrap();
    assert_eq!(after_commit.followed(), ["first", "second"]);
    after_commit.write(&commits, PowerLoss, "third", note("five")).await.unwrap();
    assert_eq!(after_commit.followed(), ["first", "second", "third"], "before the answer");
}

#[tokio::test]
async fn nothing_follows_a_write_that_failed() {
    let (commits, after_commit) = (commits(), AfterCommits::default());
    after_commit.write(&commits, PowerLoss, "refused", note_then_fail("one")).await.unwrap_err();
    after_commit.write(&commits, Kill, "refused later", note_then_fail("two")).await.unwrap_err();
    let rolls_back = |connection: &Connection| Ok(connection.execute_batch("ROLLBACK")?);
    after_commit.write(&commits, PowerLoss, "taken back", rolls_back).await.unwrap_err();
    commits.write(PowerLoss, note("three")).await.unwrap();
    assert_eq!(after_commit.followed(), Vec::<&str>::new());
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
async fn on_a_full_disk_no_write_is_acknowledged() {
    let commits = commits();
    lock(&commits.writer).connection.pragma_update(None, "max_page_count", 3).unwrap();
    let large = "x".repeat(100_000);
    let (small, large, late) = tokio::join!(
        commits.write(PowerLoss, note("small")),
        commits.write(PowerLoss, note(&large)),
        commits.write(PowerLoss, note("late"))
    );
    let outcomes = [small, large, late]
        .map(|outcome| outcome.map_err(|failure| failure.into_port_error(Operation::QueueSend).kind));
    let stored = notes(&commits).await;
    assert_eq!(outcomes[1], Err(ErrorKind::NoSpace));
    for (outcome, text) in outcomes.iter().zip(["small", "", "late"]) {
        assert!(matches!(outcome, Ok(()) | Err(ErrorKind::NoSpace | ErrorKind::Unavailable)), "{text}: {outcomes:?}");
        assert_eq!(outcome.is_ok(), stored.iter().any(|note| note == text), "{text}: {outcomes:?}, {stored:?}");
    }
    lock(&commits.writer).connection.pragma_update(None, "max_page_count", 1000).unwrap();
    commits.write(PowerLoss, note("there is space again")).await.unwrap();
    assert!(notes(&commits).await.contains(&"there is space again".to_owned()));
}

#[tokio::test]
async fn when_the_database_rolls_back_no_write_is_acknowledged() {
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
        let kind = outcome.map_err(|failure| failure.into_port_error(Operation::QueueSend).kind);
        let is_stored = stored.iter().any(|note| note == text);
        assert_eq!(kind, if is_stored { Ok(()) } else { Err(ErrorKind::Unavailable) }, "{text}");
    }
}

#[tokio::test]
async fn a_write_goes_on_when_its_caller_is_gone() {
    let commits = commits();
    let ((open, gate), note) = (std::sync::mpsc::channel(), note("orphan"));
    let mut write = Box::pin(commits.write(PowerLoss, move |connection| {
        gate.recv().map_err(|_| Failure::ShuttingDown)?;
        note(connection)
    }));
    assert!(futures_util::poll!(&mut write).is_pending());
    drop(write);
    open.send(()).unwrap();
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

#[test]
fn a_thread_that_waits_commits_for_those_who_find_no_thread() {
    let one_thread =
        tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).enable_time().build().unwrap();
    let committed = one_thread.block_on(async {
        let commits = commits();
        let (open, gate) = std::sync::mpsc::channel::<()>();
        let here = tokio::task::spawn_blocking({
            let commits = commits.clone();
            move || {
                gate.recv().unwrap();
                commits.write_here(PowerLoss, note("here"), || {})
            }
        });
        let mut there = Box::pin(commits.write(PowerLoss, note("there")));
        assert!(futures_util::poll!(&mut there).is_pending());
        open.send(()).unwrap();
        tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(here, there) }).await
    });
    one_thread.shutdown_background();
    let (here, there) = committed.expect("they wait for each other");
    assert!(here.unwrap().is_ok() && there.is_ok());
}
