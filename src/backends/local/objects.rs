//! One bucket: objects as files, their names and versions in the database, and most thumbnails in it as well.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use rusqlite::Connection;

use super::buffers::Buffers;
use super::commits::Durability;
use super::database::Database;
use super::directory::{Directory, random_name};
use super::failure::{Failure, NoSpace, file_error};
use super::incoming::{Arrived, Incoming, etag_of};
use super::object_rows::{self, Description, NewObject, ObjectRow};
use super::schema;
use super::signature::{Grant, Signer};
use super::space::Space;
use super::threads::on_a_thread;
use super::used_keys;
use super::versions;
use crate::clock::{SharedClock, Timestamp};
use crate::http::CHECKSUM_SHA256;
use crate::metrics;
use crate::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadOptions, VersionCursor, VersionPage};
use crate::ports::{ErrorKind, ObjectStore, Operation, PortError};

pub(super) const PUT: Operation = Operation::ObjectsPut;

/// How often a body whose length or checksum does not match is read again.
const READS: u32 = 3;

/// Objects of at most this size that are not uploads are stored in their row: that is faster than a file and needs no
/// sync. Nearly every thumbnail of a JPEG is smaller.
const IN_ROW_BYTES: usize = 256 << 10;

#[derive(Clone)]
pub(super) struct LocalBucket {
    pub(super) name: String,
    /// Objects whose keys have this prefix keep their versions and put a message on the queue.
    pub(super) upload_prefix: Option<String>,
    pub(super) database: Database,
    pub(super) directory: Arc<Directory>,
    pub(super) buffers: Buffers,
    pub(super) signer: Signer,
    pub(super) space: Arc<Space>,
    pub(super) clock: SharedClock,
}

#[async_trait]
impl ObjectStore for LocalBucket {
    async fn check_bucket(&self, _: &str) -> Result<(), PortError> {
        // A bucket is only a name in the directory, and the start has compared it with the names in use.
        Ok(())
    }

    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError> {
        const OPERATION: Operation = Operation::ObjectsGet;
        let (bucket, key, version) = (self.clone(), key.to_owned(), version.map(str::to_owned));
        on_a_thread(OPERATION, move || bucket.get_here(OPERATION, &key, version.as_deref(), limit_bytes)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError> {
        Ok(self.find(Operation::ObjectsHead, key).await?.info())
    }

    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache_control: &str) -> Result<(), PortError> {
        let description = Description {
            key: key.to_owned(),
            content_type: Some(content_type.to_owned()),
            cache_control: Some(cache_control.to_owned()),
            ..Description::default()
        };
        let length = bytes.len() as u64;
        let put = self.put_described(description, bytes).await;
        if put.as_ref().is_err_and(|error| error.kind == ErrorKind::NoSpace && NoSpace::of(error) == NoSpace::DiskFull)
        {
            self.space.did_not_hold(length);
        }
        put
    }

    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError> {
        // Without space the URL would be useless, and each one costs a record.
        self.check_space(Operation::ObjectsSignUpload, options.content_length)
            .await
            .inspect_err(|error| metrics::upload_without_space(NoSpace::of(error).limit()))?;
        let expires_at = self.clock.now().plus(options.expires_in);
        let grant = Grant {
            bucket: self.name.clone(),
            key: key.to_owned(),
            expires: expires_at.as_secs(),
            content_type: options.content_type.clone(),
            content_length: options.content_length,
            checksum_sha256: options.checksum_sha256.clone(),
            is_single_use: options.is_single_use,
        };
        let content_type = options.content_type.iter().map(|value| ("content-type".to_owned(), value.clone()));
        let checksum = options.checksum_sha256.iter().map(|value| (CHECKSUM_SHA256.to_owned(), value.clone()));
        Ok(SignedUpload {
            url: self.signer.sign("PUT", &grant),
            headers: content_type.chain(checksum).collect(),
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
            checksum_sha256: None,
            is_single_use: false,
        };
        Ok(self.signer.sign("GET", &grant))
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        let (bucket, prefix, after) = (self.name.clone(), prefix.to_owned(), after.unwrap_or_default().to_owned());
        self.database
            .read(Operation::ObjectsList, move |connection| {
                Ok(object_rows::list(connection, &bucket, &prefix, &after)?)
            })
            .await
    }

    async fn list_versions(&self, prefix: &str, after: Option<&VersionCursor>) -> Result<VersionPage, PortError> {
        let (bucket, prefix, after) = (self.name.clone(), prefix.to_owned(), after.cloned());
        self.database
            .read(Operation::ObjectsListVersions, move |connection| {
                Ok(versions::list(connection, &bucket, &prefix, after.as_ref())?)
            })
            .await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.remove(Operation::ObjectsDelete, key, object_rows::delete_all).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<(), PortError> {
        let id = id.to_owned();
        let delete =
            move |connection: &Connection, bucket: &str, key: &str| versions::delete(connection, bucket, key, &id);
        self.remove(Operation::ObjectsDeleteVersion, key, delete).await
    }
}

impl LocalBucket {
    /// Deletes the rows that `delete` selects, then their files, whose names it returns. A one-time URL of the key does
    /// not work afterwards.
    async fn remove(
        &self,
        operation: Operation,
        key: &str,
        delete: impl FnOnce(&Connection, &str, &str) -> rusqlite::Result<Vec<String>> + Send + 'static,
    ) -> Result<(), PortError> {
        let (bucket, key) = (self.clone(), key.to_owned());
        on_a_thread(operation, move || {
            let (name, now) = (bucket.name.clone(), bucket.clock.now());
            let is_upload = bucket.is_upload_key(&key);
            let delete = move |connection: &Connection| {
                if is_upload {
                    used_keys::note(connection, &name, &key, now)?;
                }
                Ok(delete(connection, &name, &key)?)
            };
            let garbage = bucket.database.write_here(operation, delete)?;
            bucket.clear(garbage);
            Ok(())
        })
        .await
    }

    async fn put_described(&self, description: Description, bytes: Bytes) -> Result<(), PortError> {
        if bytes.len() <= IN_ROW_BYTES && !self.is_upload_key(&description.key) {
            return self.store_in_row(description, bytes).await;
        }
        let bucket = self.clone();
        on_a_thread(PUT, move || {
            let arrived = Incoming::begin(bucket.directory.clone())
                .and_then(|mut incoming| incoming.write(&bytes).map(|()| incoming))
                .and_then(Incoming::finish)
                .map_err(|error| file_error(PUT, error))?;
            bucket.store_file(arrived, description).map(|_| ())
        })
        .await
    }

    /// Checks that there is space for an upload of `bytes`, if its length is known.
    pub(super) async fn check_space(&self, operation: Operation, bytes: Option<u64>) -> Result<(), PortError> {
        let space = self.space.clone();
        on_a_thread(operation, move || space.check(operation, 0, bytes.unwrap_or(0))).await
    }

    /// Whether a one-time URL of this key was used, or its object was deleted.
    pub(super) async fn was_used(&self, key: &str) -> Result<bool, PortError> {
        let (bucket, key, now) = (self.name.clone(), key.to_owned(), self.clock.now());
        self.database
            .read(Operation::ObjectsHead, move |connection| {
                Ok(object_rows::find(connection, &bucket, &key, None)?.is_some()
                    || used_keys::is_used(connection, &bucket, &key, now)?)
            })
            .await
    }

    /// Whether the key has a current version.
    pub(super) async fn exists(&self, key: &str) -> Result<bool, PortError> {
        match self.find(Operation::ObjectsHead, key).await {
            Ok(_) => Ok(true),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The row of the current version.
    pub(super) async fn find(&self, operation: Operation, key: &str) -> Result<ObjectRow, PortError> {
        let (bucket, key) = (self.clone(), key.to_owned());
        on_a_thread(operation, move || bucket.find_here(operation, &key, None)).await
    }

    fn find_here(&self, operation: Operation, key: &str, version: Option<&str>) -> Result<ObjectRow, PortError> {
        self.database
            .read_here(|connection| object_rows::find(connection, &self.name, key, version))
            .map_err(|error| Failure::from(error).into_port_error(operation))?
            .ok_or_else(|| PortError::new(ErrorKind::NotFound, operation))
    }

    fn get_here(
        &self,
        operation: Operation,
        key: &str,
        version: Option<&str>,
        limit_bytes: u64,
    ) -> Result<Fetched, PortError> {
        for _ in 0..READS {
            let row = self.find_here(operation, key, version)?;
            if row.bytes > limit_bytes {
                return Ok(Fetched::TooLarge(row.info()));
            }
            let info = row.info();
            match self.read_whole(row) {
                Ok(Some(bytes)) => return Ok(Fetched::Whole(info, bytes)),
                Ok(None) => {}
                // The row was replaced or deleted between reading it and opening its file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(file_error(operation, error)),
            }
        }
        Err(PortError::new(ErrorKind::Damaged, operation))
    }

    /// All bytes, or `None` if their length or checksum does not match.
    fn read_whole(&self, mut row: ObjectRow) -> io::Result<Option<Bytes>> {
        let bytes = match row.content.take() {
            Some(bytes) => bytes,
            None => self.buffers.read(std::fs::File::open(self.directory.object(&row.file))?, row.bytes)?,
        };
        Ok(row.is_of(&bytes).then_some(bytes))
    }

    /// Stores a written file: links and syncs it, then inserts the object row and the message in one transaction.
    pub(super) async fn store(&self, incoming: Incoming, description: Description) -> Result<Arrived, PortError> {
        let bucket = self.clone();
        on_a_thread(PUT, move || {
            let arrived = incoming.finish().map_err(|error| file_error(PUT, error))?;
            bucket.store_file(arrived, description)
        })
        .await
    }

    fn store_file(&self, arrived: Arrived, description: Description) -> Result<Arrived, PortError> {
        let is_upload = self.is_upload_key(&description.key);
        let object = NewObject {
            bucket: self.name.clone(),
            is_upload,
            description,
            file: arrived.name.clone(),
            bytes: arrived.bytes,
            etag: arrived.etag.clone(),
            content: None,
            max_stored_bytes: self.space.max_stored_bytes().filter(|_| is_upload),
        };
        let outlives = if is_upload { Durability::PowerLoss } else { Durability::Kill };
        let kept = arrived.clone();
        match self.database.write_here_then(outlives, PUT, self.insertion(object), move || kept.keep()) {
            Ok(garbage) => {
                self.clear(garbage);
                Ok(arrived)
            }
            Err(error) => {
                self.discard_unless_stored(&arrived);
                Err(error)
            }
        }
    }

    async fn store_in_row(&self, description: Description, bytes: Bytes) -> Result<(), PortError> {
        let file = random_name();
        let object = NewObject {
            bucket: self.name.clone(),
            is_upload: false,
            description,
            bytes: bytes.len() as u64,
            etag: etag_of(&file, crc_fast::crc32_iso_hdlc(&bytes).into()),
            file,
            content: Some(bytes),
            max_stored_bytes: None,
        };
        let garbage = self.database.write_to_outlive(Durability::Kill, PUT, self.insertion(object)).await?;
        if garbage.is_empty() {
            return Ok(());
        }
        let bucket = self.clone();
        on_a_thread(PUT, move || {
            bucket.clear(garbage);
            Ok(())
        })
        .await
    }

    fn is_upload_key(&self, key: &str) -> bool {
        self.upload_prefix.as_ref().is_some_and(|prefix| key.starts_with(prefix))
    }

    /// Inserts the row. A thumbnail's row need not survive a power loss: the publication is committed after it and is
    /// lost first.
    fn insertion(&self, object: NewObject) -> impl FnOnce(&Connection) -> Result<Vec<String>, Failure> + use<> {
        let clock = self.clock.clone();
        move |connection| object_rows::insert(connection, &object, clock.now())
    }

    /// Removes the file after a failed write, unless its row is in the database. If the database cannot be read, the
    /// next start decides.
    fn discard_unless_stored(&self, arrived: &Arrived) {
        let is_stored = self.database.read_here(|connection| object_rows::has_file(connection, &arrived.name));
        if matches!(is_stored, Ok(false)) {
            arrived.discard();
        }
    }

    /// Removes files whose rows are deleted, once a power loss cannot restore those rows. The next start removes the
    /// files that cannot be removed now.
    fn clear(&self, garbage: Vec<String>) {
        const OPERATION: Operation = Operation::ObjectsClear;
        if garbage.is_empty() {
            return;
        }
        let clear = || {
            self.database.write_here(OPERATION, |connection| Ok(schema::write_anything(connection)?))?;
            self.directory.remove_objects(&garbage).map_err(|error| file_error(OPERATION, error))?;
            self.database.write_here(OPERATION, move |connection| Ok(object_rows::forget(connection, &garbage)?))
        };
        if let Err(error) = clear() {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a file of a deleted object stays until the next start"
            );
        }
    }
}
