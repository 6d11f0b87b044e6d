//! One bucket: objects as files, their names and versions in the database, and small thumbnails with them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::buffers::Buffers;
use super::commits::Outlives;
use super::database::Database;
use super::directory::{Directory, random_name, remove};
use super::failure::file_error;
use super::incoming::{Arrived, Incoming, etag_of};
use super::rows::{self, NewObject, ObjectRow};
use super::signature::{Grant, Signer};
use crate::clock::{SharedClock, Timestamp};
use crate::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadTerms};
use crate::ports::{ErrorKind, ObjectStore, PortError};

/// How often a body that does not have its length and checksum is read again.
const READS: u32 = 3;

/// What is no upload and has at most so many bytes stands in its row: that takes less time than a file, and no sync.
const IN_ROW_BYTES: usize = 64 << 10;

/// One bucket of the local backend.
#[derive(Clone)]
pub(super) struct LocalBucket {
    pub(super) name: String,
    /// Objects whose keys begin so keep their versions and put a message on the queue.
    pub(super) upload_prefix: Option<String>,
    pub(super) database: Database,
    pub(super) directory: Arc<Directory>,
    pub(super) buffers: Buffers,
    pub(super) signer: Signer,
    pub(super) clock: SharedClock,
}

/// What an upload or a put says of its object.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    pub(super) key: String,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    /// Refuse with `AlreadyExists` when there is such an object.
    pub(super) only_if_absent: bool,
}

#[async_trait]
impl ObjectStore for LocalBucket {
    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError> {
        const OPERATION: &str = "objects.get";
        for _ in 0..READS {
            let row = self.find(OPERATION, key, version).await?;
            if row.bytes > limit_bytes {
                return Ok(Fetched::TooLarge(row.info()));
            }
            let info = row.info();
            match self.read_whole(row).await {
                Ok(Some(bytes)) => return Ok(Fetched::Whole(info, bytes)),
                Ok(None) => {}
                // The row was replaced or deleted between the two looks.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(file_error(OPERATION, error)),
            }
        }
        Err(PortError::new(ErrorKind::Damaged, OPERATION))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError> {
        Ok(self.find("objects.head", key, None).await?.info())
    }

    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache_control: &str) -> Result<(), PortError> {
        let description = Description {
            key: key.to_owned(),
            content_type: Some(content_type.to_owned()),
            cache_control: Some(cache_control.to_owned()),
            only_if_absent: false,
        };
        if bytes.len() <= IN_ROW_BYTES && !self.is_upload(&description) {
            return self.store_in_row(description, bytes).await;
        }
        let bucket = self.clone();
        to_the_end("objects.put", async move {
            let directory = bucket.directory.clone();
            let incoming = blocking(move || {
                let mut incoming = Incoming::begin(directory)?;
                incoming.write(&bytes)?;
                incoming.finish()
            });
            let arrived = incoming.await.map_err(|error| file_error("objects.put", error))?;
            bucket.store_file("objects.put", arrived, description).await.map(|_| ())
        })
        .await
    }

    async fn sign_upload(&self, key: &str, terms: &UploadTerms) -> Result<SignedUpload, PortError> {
        let expires_at = self.clock.now().plus(terms.expires_in);
        let grant = Grant {
            bucket: self.name.clone(),
            key: key.to_owned(),
            expires: expires_at.as_secs(),
            content_type: terms.content_type.clone(),
            content_length: terms.content_length,
            is_single_use: terms.is_single_use,
        };
        let headers = terms.content_type.iter().map(|content_type| ("content-type".to_owned(), content_type.clone()));
        Ok(SignedUpload {
            url: self.signer.sign("PUT", &grant),
            headers: headers.collect(),
            expires_at: Timestamp::from_millis(expires_at.as_secs() * 1000),
        })
    }

    async fn sign_download(&self, key: &str, signed_at: Timestamp, valid_for: Duration) -> Result<String, PortError> {
        let grant = Grant {
            bucket: self.name.clone(),
            key: key.to_owned(),
            expires: signed_at.plus(valid_for).as_secs(),
            content_type: None,
            content_length: None,
            is_single_use: false,
        };
        Ok(self.signer.sign("GET", &grant))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        let (bucket, prefix, after) = (self.name.clone(), prefix.to_owned(), after.unwrap_or_default().to_owned());
        self.database
            .read("objects.list", move |connection| Ok(rows::list(connection, &bucket, &prefix, &after)?))
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        let (bucket, key) = (self.name.clone(), key.to_owned());
        let garbage = self
            .database
            .write("objects.delete", move |connection| Ok(rows::delete_all(connection, &bucket, &key)?))
            .await?;
        self.clear(garbage).await;
        Ok(())
    }
}

impl LocalBucket {
    /// The row of a version, or of the current one.
    pub(super) async fn find(
        &self,
        operation: &'static str,
        key: &str,
        version: Option<&str>,
    ) -> Result<ObjectRow, PortError> {
        let (bucket, key, version) = (self.name.clone(), key.to_owned(), version.map(str::to_owned));
        self.database
            .read(operation, move |connection| Ok(rows::find(connection, &bucket, &key, version.as_deref())?))
            .await?
            .ok_or_else(|| PortError::new(ErrorKind::NotFound, operation))
    }

    /// All bytes, if they are as many as they were and undamaged.
    async fn read_whole(&self, mut row: ObjectRow) -> io::Result<Option<Bytes>> {
        if let Some(bytes) = row.content.take() {
            return Ok(row.is_of(&bytes).then_some(bytes));
        }
        let (path, buffers) = (self.directory.object(&row.file), self.buffers.clone());
        blocking(move || {
            let bytes = buffers.read(std::fs::File::open(path)?, row.bytes)?;
            Ok(row.is_of(&bytes).then_some(bytes))
        })
        .await
    }

    /// Stores a file that was written: file, sync, link, then object row and message in one transaction.
    pub(super) async fn store(
        &self,
        operation: &'static str,
        incoming: Incoming,
        description: Description,
    ) -> Result<Arrived, PortError> {
        let bucket = self.clone();
        to_the_end(operation, async move {
            let arrived = blocking(move || incoming.finish()).await.map_err(|error| file_error(operation, error))?;
            bucket.store_file(operation, arrived, description).await
        })
        .await
    }

    async fn store_file(
        &self,
        operation: &'static str,
        arrived: Arrived,
        description: Description,
    ) -> Result<Arrived, PortError> {
        let object = NewObject {
            bucket: self.name.clone(),
            is_upload: self.is_upload(&description),
            description,
            file: arrived.name.clone(),
            bytes: arrived.bytes,
            etag: arrived.etag.clone(),
            content: None,
        };
        match self.insert(operation, Outlives::PowerLoss, object).await {
            Ok(garbage) => {
                let kept = arrived.clone();
                drop(tokio::task::spawn_blocking(move || kept.keep()).await);
                self.clear(garbage).await;
                Ok(arrived)
            }
            Err(error) => {
                self.discard_unless_stored(arrived).await;
                Err(error)
            }
        }
    }

    /// Stores a thumbnail in its row. A loss of power may take it back: what was published was committed after it, and is
    /// lost first.
    async fn store_in_row(&self, description: Description, bytes: Bytes) -> Result<(), PortError> {
        let object = NewObject {
            bucket: self.name.clone(),
            is_upload: false,
            description,
            file: random_name(),
            bytes: bytes.len() as u64,
            etag: etag_of(&bytes),
            content: Some(bytes),
        };
        // There is garbage only where the object stood in a file before. Its row may yet come back after a loss of power,
        // so the next start removes the file, once that cannot happen any more.
        self.insert("objects.put", Outlives::Kill, object).await.map(|_garbage| ())
    }

    fn is_upload(&self, description: &Description) -> bool {
        self.upload_prefix.as_ref().is_some_and(|prefix| description.key.starts_with(prefix))
    }

    async fn insert(
        &self,
        operation: &'static str,
        outlives: Outlives,
        object: NewObject,
    ) -> Result<Vec<String>, PortError> {
        let clock = self.clock.clone();
        self.database
            .write_to_outlive(outlives, operation, move |connection| rows::insert(connection, &object, clock.now()))
            .await
    }

    /// A write that failed is not in the database; should that be in doubt, the next start decides.
    async fn discard_unless_stored(&self, arrived: Arrived) {
        let file = arrived.name.clone();
        let is_stored =
            self.database.read("objects.put", move |connection| Ok(rows::has_file(connection, &file)?)).await;
        if matches!(is_stored, Ok(false)) {
            drop(tokio::task::spawn_blocking(move || arrived.discard()).await);
        }
    }

    /// Removes files whose rows are gone. What cannot be removed now is removed by the next start.
    async fn clear(&self, garbage: Vec<String>) {
        if garbage.is_empty() {
            return;
        }
        let directory = self.directory.clone();
        let removed = blocking(move || {
            garbage.iter().try_for_each(|file| remove(&directory.object(file)))?;
            Ok(garbage)
        });
        let cleared = match removed.await {
            Ok(garbage) => {
                let forget =
                    self.database.write("objects.clear", move |connection| Ok(rows::forget(connection, &garbage)?));
                forget.await.map_err(|error| format!("{error}"))
            }
            Err(error) => Err(error.to_string()),
        };
        if let Err(error) = cleared {
            tracing::warn!(error, "a file of a deleted object stays until the next start");
        }
    }
}

/// Goes on to the end of `work` even when the caller is gone, so that files and their rows are never told apart.
async fn to_the_end<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T, PortError>> + Send + 'static,
) -> Result<T, PortError> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|error| Err(PortError::with_source(ErrorKind::Unavailable, operation, error)))
}

/// Runs file work on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
