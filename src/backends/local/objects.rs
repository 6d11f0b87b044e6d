//! One bucket: objects as files, their names and versions in the database.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::buffers::Buffers;
use super::database::Database;
use super::directory::{Directory, remove};
use super::failure::file_error;
use super::incoming::{Arrived, Incoming, is_intact};
use super::rows::{self, NewObject, ObjectRow};
use super::signature::{Grant, Signer};
use crate::clock::{SharedClock, Timestamp};
use crate::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadTerms};
use crate::ports::{ErrorKind, ObjectStore, PortError};

/// How often a body that does not have its length and checksum is read again.
const READS: u32 = 3;

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
            match self.read_whole(&row).await {
                Ok(Some(bytes)) => return Ok(Fetched::Whole(row.info(), bytes)),
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
        let directory = self.directory.clone();
        let incoming = blocking(move || {
            let mut incoming = Incoming::begin(directory)?;
            incoming.write(&bytes)?;
            Ok(incoming)
        });
        let incoming = incoming.await.map_err(|error| file_error("objects.put", error))?;
        let description = Description {
            key: key.to_owned(),
            content_type: Some(content_type.to_owned()),
            cache_control: Some(cache_control.to_owned()),
            only_if_absent: false,
        };
        self.store("objects.put", incoming, description).await.map(|_| ())
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

    /// The whole file, if it is as long as it was and undamaged.
    async fn read_whole(&self, row: &ObjectRow) -> io::Result<Option<Bytes>> {
        let (path, expected, etag) = (self.directory.object(&row.file), row.bytes, row.etag.clone());
        let buffers = self.buffers.clone();
        blocking(move || {
            let bytes = buffers.read(std::fs::File::open(path)?, expected)?;
            Ok((bytes.len() as u64 == expected && is_intact(&etag, &bytes)).then_some(bytes))
        })
        .await
    }

    /// Stores a file that was written: file, sync, link, then object row and message in one transaction.
    ///
    /// Goes on to its end even when the caller is gone, so that a file and its row are never told apart.
    pub(super) async fn store(
        &self,
        operation: &'static str,
        incoming: Incoming,
        description: Description,
    ) -> Result<Arrived, PortError> {
        let bucket = self.clone();
        tokio::spawn(async move { bucket.store_to_the_end(operation, incoming, description).await })
            .await
            .unwrap_or_else(|error| Err(PortError::with_source(ErrorKind::Unavailable, operation, error)))
    }

    async fn store_to_the_end(
        &self,
        operation: &'static str,
        incoming: Incoming,
        description: Description,
    ) -> Result<Arrived, PortError> {
        let arrived = blocking(move || incoming.finish()).await.map_err(|error| file_error(operation, error))?;
        let object = NewObject {
            bucket: self.name.clone(),
            is_upload: self.upload_prefix.as_ref().is_some_and(|prefix| description.key.starts_with(prefix)),
            description,
            file: arrived.name.clone(),
            bytes: arrived.bytes,
            etag: arrived.etag.clone(),
        };
        let clock = self.clock.clone();
        let written =
            self.database.write(operation, move |connection| rows::insert(connection, &object, clock.now())).await;
        match written {
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

/// Runs file work on a blocking thread.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}
