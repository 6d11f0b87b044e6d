//! The SQLite database: one connection writes, one reads, one watches for the writes of other processes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::OpenError;
use super::access::Identity;
use super::commits::{Commits, Outlives};
use super::failure::Failure;
use super::schema;
use crate::ports::{Operation, PortError};

/// How often somebody who waits looks whether another process wrote.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// How long a writer waits for the writer of another process: 5 s in all.
const BUSY_TRIES: i32 = 2500;

/// How long it sleeps before it tries again. SQLite's own waiting grows to 100 ms a step, which lets a writer that is
/// never idle keep the others out for seconds.
const BUSY_STEP: Duration = Duration::from_millis(2);

/// The database of the local backend.
#[derive(Clone)]
pub(super) struct Database {
    commits: Arc<Commits>,
    reader: Arc<Mutex<Connection>>,
    watcher: Arc<Mutex<Connection>>,
    file: Arc<Identity>,
}

/// What was last seen of everyone's writes.
pub(super) struct Observer {
    own: watch::Receiver<u64>,
    version: Option<i64>,
}

impl Database {
    /// Opens the database, and makes it when there is none. The caller holds the lock of starters.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        schema::prepare(&writer, path)?;
        let reader = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        let watcher = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        // It is asked on the threads of the runtime, where nothing may wait.
        watcher.busy_timeout(Duration::ZERO).map_err(|error| OpenError::of_database(path, error))?;
        Ok(Self {
            commits: Commits::new(writer),
            reader: Arc::new(Mutex::new(reader)),
            watcher: Arc::new(Mutex::new(watcher)),
            file: Arc::new(Identity::of(path).map_err(|error| OpenError::of_file(path, error))?),
        })
    }

    /// SQLite reads and writes a file that was deleted as if nothing had happened, and all of it would be lost.
    fn check_file(&self) -> Result<(), Failure> {
        Ok(self.file.check()?)
    }

    /// Runs `job` in a transaction and answers when it is on the disk. See [`Commits::write`].
    pub(super) async fn write<T, F>(&self, operation: Operation, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_to_outlive(Outlives::PowerLoss, operation, job).await
    }

    /// Runs `job` in a transaction and answers when it outlives that. See [`Commits::write`].
    pub(super) async fn write_to_outlive<T, F>(
        &self,
        outlives: Outlives,
        operation: Operation,
        job: F,
    ) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let written = match self.check_file() {
            Ok(()) => self.commits.write(outlives, job).await,
            Err(failure) => Err(failure),
        };
        written.map_err(|failure| failure.into_port_error(operation))
    }

    /// [`Self::write`] on a thread that may wait.
    pub(super) fn write_here<T, F>(&self, operation: Operation, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_here_then(Outlives::PowerLoss, operation, job, || {})
    }

    /// [`Self::write_to_outlive`] on a thread that may wait, and what follows. See [`Commits::write_here`].
    pub(super) fn write_here_then<T, F>(
        &self,
        outlives: Outlives,
        operation: Operation,
        job: F,
        sequel: impl FnOnce() + Send + 'static,
    ) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let written = self.check_file().and_then(|()| self.commits.write_here(outlives, job, sequel));
        written.map_err(|failure| failure.into_port_error(operation))
    }

    /// Whether the last transaction was synced.
    #[cfg(test)]
    pub(super) fn was_synced(&self) -> bool {
        self.commits.was_synced()
    }

    /// Runs `job` on the reading connection: it sees everything that was committed before.
    pub(super) async fn read<T, F>(&self, operation: Operation, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let database = self.clone();
        tokio::task::spawn_blocking(move || database.check_file().and_then(|()| database.read_here(job)))
            .await
            .unwrap_or(Err(Failure::ShuttingDown))
            .map_err(|failure| failure.into_port_error(operation))
    }

    /// Runs `job` at once, while this process starts and nobody waits: what it writes is synced.
    pub(super) fn at_start<T>(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.read_here(job)
    }

    /// [`Self::read`] on a thread that may wait.
    pub(super) fn read_here<T, E>(&self, job: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        job(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The state of things now, for [`Self::changed`]. Take it before looking, then nothing is missed.
    pub(super) fn observe(&self) -> Observer {
        Observer { own: self.commits.subscribe(), version: self.data_version() }
    }

    /// Returns once anybody, in this process or another, has committed something after `observer` was taken.
    pub(super) async fn changed(&self, observer: &mut Observer) {
        loop {
            tokio::select! {
                _ = observer.own.changed() => return,
                () = tokio::time::sleep(POLL_EVERY) => {
                    let version = self.data_version();
                    // When it cannot be told, looking again is right.
                    if version.is_none() || version != observer.version {
                        observer.version = version;
                        return;
                    }
                }
            }
        }
    }

    /// A number that differs after each commit of another connection. Takes microseconds: it reads shared memory.
    fn data_version(&self) -> Option<i64> {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.prepare_cached("PRAGMA data_version").and_then(|mut ask| ask.query_row([], |row| row.get(0))).ok()
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(wait_for_others))?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: what is committed outlives a loss of power. The writer chooses for each transaction.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn wait_for_others(tries: i32) -> bool {
    std::thread::sleep(BUSY_STEP);
    tries < BUSY_TRIES
}
