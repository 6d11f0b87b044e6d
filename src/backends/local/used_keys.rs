//! Keys of deleted uploads, so that an address that works once does not work again after its object is gone.

use rusqlite::Connection;

use crate::clock::Timestamp;
use crate::config::LONGEST_UPLOAD_EXPIRY;

/// A table of its own, which a build that knows nothing of it leaves alone.
pub(super) const TABLE: &str = "
CREATE TABLE IF NOT EXISTS used_keys (bucket TEXT NOT NULL, key TEXT NOT NULL, until INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)) WITHOUT ROWID";

/// Notes a key whose object is deleted, until every address of the key has expired. Forgets keys whose addresses all have.
pub(super) fn note(connection: &Connection, bucket: &str, key: &str, now: Timestamp) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM used_keys WHERE until <= ?1")?.execute([now.as_millis()])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO used_keys (bucket, key, until) VALUES (?1, ?2, ?3)")?
        .execute((bucket, key, now.plus(LONGEST_UPLOAD_EXPIRY).as_millis()))?;
    Ok(())
}

/// Whether an address of this key that works once must not work any more, since its object was deleted.
pub(super) fn is_used(connection: &Connection, bucket: &str, key: &str, now: Timestamp) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM used_keys WHERE bucket = ?1 AND key = ?2 AND until > ?3")?.exists((
        bucket,
        key,
        now.as_millis(),
    ))
}
