//! The rows of objects and their versions.
//!
//! An upload keeps its versions, so that a late event reads the bytes that it was sent for. The first upload of the
//! same key at least an hour later removes a superseded version, so that repeated uploads do not fill the disk. The
//! late event of a removed version finds nothing and changes nothing, since the newer upload has entered the record.
//! Objects outside the upload prefix are replaced at once.

use std::time::Duration;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Row, named_params};

use super::failure::{Failure, NoSpace};
use super::incoming::is_intact;
use super::queue::{self, QueueKind};
use super::{stored_bytes, used_keys};
use crate::clock::Timestamp;
use crate::event::{self, ObjectCreated};
use crate::ports::ErrorKind;
use crate::ports::objects::{Listed, ObjectInfo};
use crate::record::{Sequencer, SourceId};

/// How long a superseded version can still be read.
const KEEP_SUPERSEDED: Duration = Duration::from_secs(3600);

/// Objects on one page of a listing.
const LISTING: usize = 1000;

/// One version of an object.
#[derive(Clone, Debug)]
pub(super) struct ObjectRow {
    pub(super) version: Option<String>,
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) etag: String,
    pub(super) content_type: Option<String>,
    pub(super) modified_at: Timestamp,
    /// The bytes, if they are stored in the row and not in a file.
    pub(super) content: Option<Bytes>,
}

/// The metadata and conditions of an upload or a put.
#[derive(Clone, Debug, Default)]
pub(super) struct Description {
    pub(super) key: String,
    pub(super) content_type: Option<String>,
    pub(super) cache_control: Option<String>,
    /// Fail with `AlreadyExists` if the object exists.
    pub(super) only_if_absent: bool,
    /// Fail with `AlreadyExists` also if the object existed and was deleted.
    pub(super) is_single_use: bool,
}

/// An object whose file is in `objects`, or that needs no file.
pub(super) struct NewObject {
    pub(super) bucket: String,
    pub(super) is_upload: bool,
    pub(super) description: Description,
    pub(super) file: String,
    pub(super) bytes: u64,
    pub(super) etag: String,
    /// The bytes, if they are to be stored in the row and not in a file.
    pub(super) content: Option<Bytes>,
    /// Limit of the bytes of all objects, including this one. Above it, the insert fails.
    pub(super) max_stored_bytes: Option<u64>,
}

impl ObjectRow {
    /// Whether `bytes` have the stored length and checksum.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        bytes.len() as u64 == self.bytes && is_intact(&self.etag, bytes)
    }

    pub(super) fn info(&self) -> ObjectInfo {
        ObjectInfo {
            src: SourceId::new(self.version.as_deref(), &self.etag),
            bytes: self.bytes,
            content_type: self.content_type.clone(),
            modified_at: self.modified_at,
        }
    }
}

/// The named version, or the current one.
pub(super) fn find(
    connection: &Connection,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> rusqlite::Result<Option<ObjectRow>> {
    let select = match version {
        Some(_) => "SELECT * FROM objects WHERE bucket = ?1 AND key = ?2 AND version = ?3",
        None => "SELECT * FROM objects WHERE bucket = ?1 AND key = ?2 AND superseded_at IS NULL AND ?3 IS NULL",
    };
    connection.prepare_cached(select)?.query_row((bucket, key, version), object).optional()
}

fn object(row: &Row<'_>) -> rusqlite::Result<ObjectRow> {
    Ok(ObjectRow {
        version: row.get("version")?,
        file: row.get("file")?,
        bytes: row.get("bytes")?,
        etag: row.get("etag")?,
        content_type: row.get("content_type")?,
        modified_at: Timestamp::from_millis(row.get("modified_at")?),
        content: row.get::<_, Option<Vec<u8>>>("content")?.map(Bytes::from),
    })
}

/// Makes the object the current version and, for an upload, inserts its event into the queue. Returns the files that no
/// row names any more.
pub(super) fn insert(connection: &Connection, new: &NewObject, now: Timestamp) -> Result<Vec<String>, Failure> {
    let (bucket, key) = (&*new.bucket, &*new.description.key);
    if new.description.only_if_absent && find(connection, bucket, key, None)?.is_some() {
        return Err(Failure::Refused(ErrorKind::AlreadyExists));
    }
    if new.description.is_single_use && used_keys::is_used(connection, bucket, key, now)? {
        return Err(Failure::Refused(ErrorKind::AlreadyExists));
    }
    let garbage =
        if new.is_upload { supersede(connection, bucket, key, now)? } else { delete_all(connection, bucket, key)? };
    connection
        .prepare_cached(
            "INSERT INTO objects
                 (bucket, key, version, file, bytes, etag, content_type, cache_control, modified_at, content)
             VALUES (:bucket, :key, :version, :file, :bytes, :etag, :content_type, :cache_control, :now, :content)",
        )?
        .execute(named_params! {
            ":bucket": bucket, ":key": key, ":version": new.is_upload.then_some(&new.file), ":file": new.file,
            ":bytes": i64::try_from(new.bytes).unwrap_or(i64::MAX), ":etag": new.etag,
            ":content_type": new.description.content_type, ":cache_control": new.description.cache_control,
            ":now": now.as_millis(), ":content": new.content.as_deref(),
        })?;
    if let Some(max_bytes) = new.max_stored_bytes
        && stored_bytes::bytes(connection)? > max_bytes
    {
        return Err(Failure::NoSpace(NoSpace::Stored));
    }
    if new.is_upload {
        announce(connection, new, now)?;
    }
    Ok(garbage)
}

fn announce(connection: &Connection, new: &NewObject, now: Timestamp) -> Result<(), Failure> {
    let created = ObjectCreated {
        bucket: new.bucket.clone(),
        key: new.description.key.clone(),
        size: Some(new.bytes),
        version_id: Some(new.file.clone()),
        sequencer: Sequencer::parse(&format!("{:016X}", connection.last_insert_rowid())),
        at: Some(now),
        is_forced: false,
        doubts: event::Doubts::default(),
    };
    queue::insert(connection, QueueKind::Uploads, &event::notification(&created, &new.etag), now).map(|_| ())
}

/// Marks the current version as superseded and deletes expired ones. Returns the files that no row names any more.
fn supersede(connection: &Connection, bucket: &str, key: &str, now: Timestamp) -> rusqlite::Result<Vec<String>> {
    let oldest = now.as_millis() - i64::try_from(KEEP_SUPERSEDED.as_millis()).unwrap_or(i64::MAX);
    let garbage = connection
        .prepare_cached(
            "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 AND superseded_at <= ?3
             RETURNING CASE WHEN content IS NULL THEN file END",
        )?
        .query_map((bucket, key, oldest), |row| row.get(0))?
        .filter_map(Result::transpose)
        .collect::<rusqlite::Result<Vec<String>>>()?;
    connection
        .prepare_cached(
            "UPDATE objects SET superseded_at = ?3 WHERE bucket = ?1 AND key = ?2 AND superseded_at IS NULL",
        )?
        .execute((bucket, key, now.as_millis()))?;
    remember(connection, &garbage)?;
    Ok(garbage)
}

/// Deletes an object with all its versions. Returns the files that no row names any more.
pub(super) fn delete_all(connection: &Connection, bucket: &str, key: &str) -> rusqlite::Result<Vec<String>> {
    let garbage = connection
        .prepare_cached(
            "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 RETURNING CASE WHEN content IS NULL THEN file END",
        )?
        .query_map((bucket, key), |row| row.get(0))?
        .filter_map(Result::transpose)
        .collect::<rusqlite::Result<Vec<String>>>()?;
    remember(connection, &garbage)?;
    Ok(garbage)
}

/// Records files to remove, in the transaction that deletes their rows, so that a kill before the removal loses none.
pub(super) fn remember(connection: &Connection, garbage: &[String]) -> rusqlite::Result<()> {
    let mut note = connection.prepare_cached("INSERT OR IGNORE INTO garbage (file) VALUES (?1)")?;
    garbage.iter().try_for_each(|file| note.execute([file]).map(|_| ()))
}

/// Deletes files from the list of files to remove.
pub(super) fn forget(connection: &Connection, garbage: &[String]) -> rusqlite::Result<()> {
    let mut strike = connection.prepare_cached("DELETE FROM garbage WHERE file = ?1")?;
    garbage.iter().try_for_each(|file| strike.execute([file]).map(|_| ()))
}

/// Files that a killed process did not remove.
pub(super) fn garbage(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection.prepare("SELECT file FROM garbage")?.query_map([], |row| row.get(0))?.collect()
}

pub(super) fn has_file(connection: &Connection, file: &str) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM objects WHERE file = ?1")?.exists([file])
}

/// Current objects under `prefix`, after the key `after`.
pub(super) fn list(connection: &Connection, bucket: &str, prefix: &str, after: &str) -> rusqlite::Result<Vec<Listed>> {
    let mut select = connection.prepare_cached(
        "SELECT key, bytes, modified_at FROM objects
         WHERE bucket = ?1 AND key >= ?2 AND key > ?3 AND superseded_at IS NULL ORDER BY key LIMIT ?4",
    )?;
    let listed = select.query_map((bucket, prefix, after, LISTING as i64), |row| {
        Ok(Listed { key: row.get(0)?, bytes: row.get(1)?, modified_at: Timestamp::from_millis(row.get(2)?) })
    })?;
    // Keys with the prefix are adjacent, so the first key without it ends the listing.
    listed.take_while(|object| object.as_ref().map_or(true, |object: &Listed| object.key.starts_with(prefix))).collect()
}
