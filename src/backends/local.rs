//! The backend on one machine: objects as files; queue, catalog and most thumbnails in one SQLite database.
//!
//! An upload is written to a file, which is linked into place and synced. One transaction then inserts the object row
//! and the queue message, and then the client gets its response. So every acknowledged upload has an event, and every
//! event has its bytes. Several processes may share the directory.

mod bucket_names;
mod buffers;
mod catalog;
mod commits;
mod database;
mod directory;
mod failure;
mod file_names;
mod file_system;
mod incoming;
mod object_rows;
mod objects;
mod open_error;
mod outcome_log;
mod permissions;
mod problems;
mod public_thumbnails;
mod queue;
mod routes;
mod schema;
mod signature;
mod space;
mod stored_bytes;
#[cfg(test)]
mod tests;
mod threads;
mod used_keys;
mod versions;

use std::sync::Arc;

use axum::Router;

use crate::clock::SharedClock;
use crate::config::{BasePath, LocalConfig, PublicUrl};
use crate::ports::Ports;
use buffers::Buffers;
use catalog::LocalCatalog;
use database::Database;
use directory::{Directory, Start};
use objects::LocalBucket;
pub use open_error::{MissingDirectory, OpenError};
use outcome_log::OutcomeLog;
use permissions::Access;
use queue::{LocalQueue, QueueKind};
pub use routes::UploadLimits;
use signature::Signer;
use space::Space;

/// The local backend, open on its data directory.
pub struct LocalBackend {
    database: Database,
    clock: SharedClock,
    max_receives: u32,
    uploads: Arc<LocalBucket>,
    thumbnails: Arc<LocalBucket>,
    outcomes: Option<Arc<OutcomeLog>>,
    space: Arc<Space>,
}

impl LocalBackend {
    /// Opens the directory, creates it if it is missing, and cleans up after killed processes.
    ///
    /// Uploads are the objects of `upload_bucket` whose keys have the prefix `upload_prefix`, however they are put
    /// there.
    ///
    /// # Errors
    /// When the directory cannot be used; the error says what to do.
    pub fn open(
        config: &LocalConfig,
        upload_bucket: &str,
        upload_prefix: &str,
        thumbnail_bucket: &str,
        clock: SharedClock,
    ) -> Result<Self, OpenError> {
        let access = Access::new(config.dir_group);
        let start = Start::begin(&config.dir, access)?;
        let root = start.root().to_owned();
        let path = start.database();
        let database = Database::open(&path)?;
        let in_database = |error| OpenError::of_database(&path, error);
        database
            .at_start(|connection| Ok(bucket_names::check(connection, &config.dir, upload_bucket, thumbnail_bucket)))
            .map_err(in_database)??;
        recover(&start, &database)?;
        database.at_start(|connection| connection.execute_batch(used_keys::TABLE)).map_err(in_database)?;
        if config.max_stored_bytes.is_some() {
            database.at_start(stored_bytes::count).map_err(in_database)?;
        }
        let signer = Signer::new(start.signing_key()?);
        let directory = start.finish()?;
        let space = Arc::new(Space::new(config, root.clone(), directory.clone(), database.clone()));
        let buffers = Buffers::default();
        let bucket = |name: &str, upload_prefix: Option<&str>| {
            Arc::new(LocalBucket {
                name: name.to_owned(),
                upload_prefix: upload_prefix.map(str::to_owned),
                database: database.clone(),
                directory: Arc::<Directory>::clone(&directory),
                buffers: buffers.clone(),
                signer: signer.clone(),
                space: space.clone(),
                clock: clock.clone(),
            })
        };
        let uploads = bucket(upload_bucket, Some(upload_prefix));
        let thumbnails =
            if thumbnail_bucket == upload_bucket { uploads.clone() } else { bucket(thumbnail_bucket, None) };
        let outcomes = config.tells_outcomes.then(|| OutcomeLog::open(&database, &root, access)).transpose();
        let outcomes = outcomes.map_err(in_database)?;
        Ok(Self { database, clock, max_receives: config.max_receives, uploads, thumbnails, outcomes, space })
    }

    /// The ports.
    pub fn ports(&self) -> Ports {
        let queue = |kind, max_receives, space| {
            let (database, clock) = (self.database.clone(), self.clock.clone());
            Arc::new(LocalQueue { database, clock, kind, max_receives, space })
        };
        Ports {
            queue: queue(QueueKind::Uploads, Some(self.max_receives), Some(self.space.clone())),
            dead_letters: queue(QueueKind::DeadLetters, None, None),
            uploads: self.uploads.clone(),
            thumbnails: self.thumbnails.clone(),
            catalog: Arc::new(LocalCatalog { database: self.database.clone(), outcomes: self.outcomes.clone() }),
        }
    }

    /// Returns a function that updates the metrics of free space. Each call blocks for microseconds.
    pub fn sampler(&self) -> impl Fn() + Send + Sync + use<> {
        let space = self.space.clone();
        move || space.sample()
    }

    /// Reports the outcomes that an earlier process recorded but did not report, if outcomes are enabled.
    pub async fn flush_outcomes(&self) {
        if let Some(outcomes) = &self.outcomes {
            outcomes.flush().await;
        }
    }

    /// The routes of signed URLs, under `/objects/`. Uploads beyond the limits are rejected.
    ///
    /// They must be at the root of a listener, since the path is signed, and must not be wrapped in a limit of the
    /// request size or a short timeout.
    pub fn router(&self, limits: UploadLimits) -> Router {
        routes::router([self.uploads.clone(), self.thumbnails.clone()], limits)
    }

    /// The routes that serve thumbnails under `public_url`, if it leads to this listener. They require no token.
    pub fn public_router(&self, public_url: &PublicUrl, base_path: &BasePath) -> Router {
        public_thumbnails::router(self.thumbnails.clone(), public_url, base_path)
    }
}

/// Cleans up after killed processes.
fn recover(start: &Start, database: &Database) -> Result<(), OpenError> {
    let path = start.database();
    let in_database = |error| OpenError::of_database(&path, error);
    // A power loss could still undo the rows read here, so they are synced before any file is removed for them.
    let settle = || database.at_start(schema::write_anything);
    start.recover(|file| {
        let has_row = database.at_start(|connection| object_rows::has_file(connection, file)).map_err(in_database)?;
        settle().map_err(in_database)?;
        Ok(has_row)
    })?;
    let garbage = database.at_start(object_rows::garbage).map_err(in_database)?;
    if !garbage.is_empty() {
        settle().map_err(in_database)?;
        start.remove_objects(&garbage)?;
        database.at_start(|connection| object_rows::forget(connection, &garbage)).map_err(in_database)?;
    }
    Ok(())
}
