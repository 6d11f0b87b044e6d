//! The number of stored bytes, updated in the transactions that store and delete objects.
//!
//! Triggers update it, so that processes without the limit and older builds are counted too. The first start with a
//! limit creates them; before that, nothing is counted.

use rusqlite::{Connection, OptionalExtension};

const COUNTING: &str = "
BEGIN IMMEDIATE;
CREATE TABLE stored (bytes INTEGER NOT NULL);
INSERT INTO stored SELECT coalesce(sum(bytes), 0) FROM objects;
CREATE TRIGGER stored_more AFTER INSERT ON objects BEGIN UPDATE stored SET bytes = bytes + new.bytes; END;
CREATE TRIGGER stored_less AFTER DELETE ON objects BEGIN UPDATE stored SET bytes = bytes - old.bytes; END;
COMMIT";

/// Starts counting. The caller holds the start lock.
pub(super) fn count(connection: &Connection) -> rusqlite::Result<()> {
    let is_counted = connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = 'stored'")?.exists([])?;
    if is_counted { Ok(()) } else { connection.execute_batch(COUNTING) }
}

/// Bytes of all objects and their versions; 0 if nothing is counted.
pub(super) fn bytes(connection: &Connection) -> rusqlite::Result<u64> {
    let bytes: Option<i64> =
        connection.prepare_cached("SELECT bytes FROM stored")?.query_row([], |row| row.get(0)).optional()?;
    Ok(bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0))
}
