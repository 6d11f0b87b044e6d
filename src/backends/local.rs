//! Everything on one machine: objects as files, queue, catalog and small thumbnails in one SQLite database.
//!
//! An upload is a file that is written, synced and put in its place, then object row and queue message in one
//! transaction, then the answer: no acknowledged upload without its event, no event without its bytes. Several
//! processes may share the directory.

mod buffers;
mod catalog;
mod commits;
mod database;
mod directory;
mod failure;
mod http;
mod incoming;
mod objects;
mod open_error;
mod outcomes;
mod problem;
mod queue;
mod rows;
mod schema;
mod signature;

use std::sync::Arc;

use axum::Router;

use crate::clock::SharedClock;
use crate::config::LocalConfig;
use crate::ports::Ports;
use buffers::Buffers;
use catalog::LocalCatalog;
use database::Database;
use directory::{Directory, Start};
use objects::LocalBucket;
pub use open_error::OpenError;
use outcomes::Outcomes;
use queue::{Half, LocalQueue};
use signature::Signer;

/// The local backend, open on its directory.
pub struct LocalBackend {
    database: Database,
    clock: SharedClock,
    max_receives: u32,
    uploads: Arc<LocalBucket>,
    thumbnails: Arc<LocalBucket>,
    outcomes: Option<Arc<Outcomes>>,
}

impl LocalBackend {
    /// Opens the directory, makes it when it is missing, and clears away what killed processes left behind.
    ///
    /// Uploads are the objects of `upload_bucket` whose keys begin with `upload_prefix`, however they are put there.
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
        let start = Start::begin(&config.dir)?;
        let path = start.database();
        let database = Database::open(&path)?;
        let in_database = |error| OpenError::of_database(&path, error);
        start.recover(|file| database.at_start(|connection| rows::has_file(connection, file)).map_err(in_database))?;
        let garbage = database.at_start(rows::garbage).map_err(in_database)?;
        garbage.iter().try_for_each(|file| start.remove_object(file))?;
        database.at_start(|connection| rows::forget(connection, &garbage)).map_err(in_database)?;
        let signer = Signer::new(start.signing_key()?);
        let directory = start.finish()?;
        let buffers = Buffers::default();
        let bucket = |name: &str, upload_prefix: Option<&str>| {
            Arc::new(LocalBucket {
                name: name.to_owned(),
                upload_prefix: upload_prefix.map(str::to_owned),
                database: database.clone(),
                directory: Arc::<Directory>::clone(&directory),
                buffers: buffers.clone(),
                signer: signer.clone(),
                clock: clock.clone(),
            })
        };
        let uploads = bucket(upload_bucket, Some(upload_prefix));
        let thumbnails =
            if thumbnail_bucket == upload_bucket { uploads.clone() } else { bucket(thumbnail_bucket, None) };
        let outcomes = config.tells_outcomes.then(|| Outcomes::open(&database, &config.dir)).transpose();
        let outcomes = outcomes.map_err(in_database)?;
        Ok(Self { database, clock, max_receives: config.max_receives, uploads, thumbnails, outcomes })
    }

    /// The ports.
    pub fn ports(&self) -> Ports {
        let queue = |half, max_receives| {
            Arc::new(LocalQueue { database: self.database.clone(), clock: self.clock.clone(), half, max_receives })
        };
        Ports {
            queue: queue(Half::Uploads, Some(self.max_receives)),
            dead_letters: queue(Half::DeadLetters, None),
            uploads: self.uploads.clone(),
            thumbnails: self.thumbnails.clone(),
            catalog: Arc::new(LocalCatalog { database: self.database.clone(), outcomes: self.outcomes.clone() }),
        }
    }

    /// Tells the outcomes that a former process noted and could not tell any more, where they are told at all.
    pub async fn tell_what_is_left(&self) {
        if let Some(outcomes) = &self.outcomes {
            outcomes.tell().await;
        }
    }

    /// The routes of signed addresses, below `/objects/`. An upload of more than `max_bytes` is refused.
    ///
    /// They must stand at the root of a listener, since the path is signed, and without a limit of the request's size
    /// or a short time limit around them.
    pub fn router(&self, max_bytes: u64) -> Router {
        http::router([self.uploads.clone(), self.thumbnails.clone()], max_bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::clock::{SystemClock, Timestamp};
    use crate::record::{
        Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, SourceId, Transition,
    };

    const SOON: Duration = Duration::from_secs(60);

    fn transition(guard: Guard, change: Change) -> Transition {
        Transition {
            id: ImageId::parse("cat").unwrap(),
            key: "uploads/cat".to_owned(),
            attempt: Attempt { token: "token".to_owned(), message: "message".to_owned() },
            guard,
            change,
            at: Timestamp::from_millis(1000),
        }
    }

    fn claim() -> Change {
        Change::Claim {
            src: SourceId::new(None, "etag"),
            original: Original { content_type: "image/png".to_owned(), width: 1, height: 1, bytes: 1 },
            lease_until: Timestamp::from_millis(2000),
            deaths: 0,
        }
    }

    fn published() -> Change {
        let at = Timestamp::from_millis(1500);
        let content_type = "image/png".to_owned();
        Change::Publish(Published { version: "version".to_owned(), content_type, at, thumbnails: Vec::new() })
    }

    #[tokio::test]
    async fn what_somebody_was_told_outlives_a_loss_of_power() {
        let dir = tempfile::tempdir().unwrap();
        let config = LocalConfig { dir: dir.path().to_owned(), max_receives: 3, tells_outcomes: false };
        let backend = LocalBackend::open(&config, "photos", "uploads/", "photos", Arc::new(SystemClock)).unwrap();
        let Ports { queue, uploads, thumbnails, catalog, .. } = backend.ports();
        let expect_synced = |expected, what| assert_eq!(backend.database.was_synced(), expected, "{what}");
        let small = Bytes::from_static(b"small");

        uploads.put("uploads/cat", small.clone(), "image/png", "no-store").await.unwrap();
        expect_synced(true, "an upload with its event");
        let receipt = queue.receive(1, Duration::ZERO, SOON).await.unwrap().remove(0).receipt;
        expect_synced(true, "a receive, which is counted");
        assert!(matches!(catalog.apply(&transition(Guard::Absent, claim())).await, Ok(Applied::Written { .. })));
        expect_synced(false, "a claim");
        thumbnails.put("thumbnails/cat/large", Bytes::from(vec![0; 100_000]), "image/png", "no-store").await.unwrap();
        expect_synced(true, "a thumbnail in a file, which has a name under incoming no more");
        thumbnails.put("thumbnails/cat/small", small, "image/png", "no-store").await.unwrap();
        expect_synced(false, "a thumbnail in its row");
        assert!(matches!(catalog.apply(&transition(Guard::Hold, published())).await, Ok(Applied::Written { .. })));
        expect_synced(true, "a publication, and with it everything before");
        assert!(queue.extend(std::slice::from_ref(&receipt), SOON).await.remove(0).is_ok());
        expect_synced(false, "a heartbeat");
        assert!(queue.release(&[(receipt.clone(), Duration::ZERO)]).await.remove(0).is_ok());
        expect_synced(false, "a release");
        queue.send("again").await.unwrap();
        expect_synced(true, "a message");
        assert!(queue.delete(&[receipt]).await.remove(0).is_ok());
        expect_synced(false, "a delete");
        let (dog, now) = (ImageId::parse("dog").unwrap(), Timestamp::from_millis(1000));
        let record = ImageRecord::waiting_for_upload(dog, "uploads/dog".to_owned(), now, now);
        catalog.create(&record).await.unwrap();
        expect_synced(true, "an image that was asked for");
        thumbnails.delete("thumbnails/cat/small").await.unwrap();
        expect_synced(true, "a deleted object");
    }
}
