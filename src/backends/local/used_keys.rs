//! The keys of deleted uploads, so that a one-time URL does not work again after its object is deleted.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::config::LONGEST_UPLOAD_EXPIRY;

/// A separate table, which older builds ignore.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS used_keys (bucket TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID";

/// Records the key of a deleted object until every URL of the key has expired. Deletes expired entries.
pub(super) fn note(connection: &Connection, bucket: &str, key: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM used_keys WHERE until <= ?1")?.execute([now.as_millis()])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO used_keys (bucket, key, until) VALUES (?1, ?2, ?3)")?
        .execute((bucket, key, now.plus(LONGEST_UPLOAD_EXPIRY).as_millis()))?;
    Ok(())
}

/// Whether one-time URLs of this key are invalid because its object was deleted.
pub(super) fn is_used(connection: &Connection, bucket: &str, key: &str, now: Timestamp) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM used_keys WHERE bucket = ?1 AND key = ?2 AND until > ?3")?.exists((
        bucket,
        key,
        now.as_millis(),
    ))
}
