//! The SQLite database: one connection writes, one reads, and one watches for writes of other processes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::watch;

use super::OpenError;
use super::commits::{Commits, Durability};
use super::failure::Failure;
use super::permissions::Identity;
use super::schema;
use crate::ports::{Operation, PortError};

/// How often a waiting caller checks whether another process wrote.
const POLL_EVERY: Duration = Duration::from_millis(50);

/// How often a writer retries while another process holds the write lock: 5 s in all.
const BUSY_TRIES: i32 = 2500;

/// The pause between retries. SQLite's own busy handler backs off to 100 ms, so a writer that is never idle would lock
/// others out for seconds.
const BUSY_STEP: Duration = Duration::from_millis(2);

#[derive(Clone)]
pub(super) struct Database {
    commits: Arc<Commits>,
    reader: Arc<Mutex<Connection>>,
    watcher: Arc<Mutex<Connection>>,
    file: Arc<Identity>,
}

/// The last state that a caller of [`Database::changed`] has seen.
pub(super) struct Observer {
    own: watch::Receiver<u64>,
    version: Option<i64>,
}

impl Database {
    /// Opens or creates the database. The caller holds the start lock.
    pub(super) fn open(path: &Path) -> Result<Self, OpenError> {
        let writer = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        schema::prepare(&writer, path)?;
        let reader = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        let watcher = connect(path).map_err(|error| OpenError::of_database(path, error))?;
        // It is queried on the threads of the runtime, which must not block.
        watcher.busy_timeout(Duration::ZERO).map_err(|error| OpenError::of_database(path, error))?;
        Ok(Self {
            commits: Commits::new(writer),
            reader: Arc::new(Mutex::new(reader)),
            watcher: Arc::new(Mutex::new(watcher)),
            file: Arc::new(Identity::of(path).map_err(|error| OpenError::of_file(path, error))?),
        })
    }

    /// SQLite keeps using a deleted file without an error, and all writes would be lost.
    fn check_file(&self) -> Result<(), Failure> {
        Ok(self.file.check()?)
    }

    /// Runs `job` in a transaction and answers once it is synced. See [`Commits::write`].
    pub(super) async fn write<T, F>(&self, operation: Operation, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_to_outlive(Durability::PowerLoss, operation, job).await
    }

    /// Runs `job` in a transaction and answers once it survives what `outlives` requires. See [`Commits::write`].
    pub(super) async fn write_to_outlive<T, F>(
        &self,
        outlives: Durability,
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

    /// [`Self::write`] on a thread that may block.
    pub(super) fn write_here<T, F>(&self, operation: Operation, job: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        self.write_here_then(Durability::PowerLoss, operation, job, || {})
    }

    /// [`Self::write_to_outlive`] on a thread that may block, followed by `after_commit`. See [`Commits::write_here`].
    pub(super) fn write_here_then<T, F>(
        &self,
        outlives: Durability,
        operation: Operation,
        job: F,
        after_commit: impl FnOnce() + Send + 'static,
    ) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Failure> + Send + 'static,
    {
        let written = self.check_file().and_then(|()| self.commits.write_here(outlives, job, after_commit));
        written.map_err(|failure| failure.into_port_error(operation))
    }

    /// Whether the last transaction was synced.
    #[cfg(test)]
    pub(super) fn was_synced(&self) -> bool {
        self.commits.was_synced()
    }

    /// Runs `job` on the reading connection, which sees everything that was committed before.
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

    /// Runs `job` directly while the process starts and the connection has no other user. Its writes are synced.
    pub(super) fn at_start<T>(&self, job: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        self.read_here(job)
    }

    /// [`Self::read`] on a thread that may block.
    pub(super) fn read_here<T, E>(&self, job: impl FnOnce(&Connection) -> Result<T, E>) -> Result<T, E> {
        job(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The current state, for [`Self::changed`]. Call this before reading, so that no write is missed.
    pub(super) fn observe(&self) -> Observer {
        Observer { own: self.commits.subscribe(), version: self.data_version() }
    }

    /// Returns once this or another process has committed a transaction after `observer` was taken.
    pub(super) async fn changed(&self, observer: &mut Observer) {
        loop {
            tokio::select! {
                _ = observer.own.changed() => return,
                () = tokio::time::sleep(POLL_EVERY) => {
                    let version = self.data_version();
                    // If the version cannot be read, the caller reads again.
                    if version.is_none() || version != observer.version {
                        observer.version = version;
                        return;
                    }
                }
            }
        }
    }

    /// A number that changes with each commit of another connection. Takes microseconds, since it reads shared memory.
    fn data_version(&self) -> Option<i64> {
        let watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        watcher.prepare_cached("PRAGMA data_version").and_then(|mut ask| ask.query_row([], |row| row.get(0))).ok()
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_handler(Some(wait_for_others))?;
    connection.set_prepared_statement_cache_capacity(64);
    // FULL: commits survive a power loss. The writer sets this for each transaction.
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

fn wait_for_others(tries: i32) -> bool {
    std::thread::sleep(BUSY_STEP);
    tries < BUSY_TRIES
}
