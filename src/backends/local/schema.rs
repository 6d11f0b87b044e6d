//! The tables of the local database, and the checks before its use.

use std::path::Path;

use rusqlite::{Connection, ErrorCode};

use super::OpenError;

/// The schema that this build reads and writes.
const VERSION: i64 = 2;

/// Marks the file as darkroom's: "dkrm".
const APPLICATION_ID: i64 = 0x646b_726d;

/// A database up to this size is fully checked at each start, which takes a fraction of a second.
const CHECKED_UP_TO_BYTES: i64 = 256 << 20;

const TABLES: &str = "
CREATE TABLE messages (
    id                TEXT PRIMARY KEY,
    queue             INTEGER NOT NULL,  -- 0: uploads, 1: dead letters
    body              TEXT NOT NULL,
    sent_at           INTEGER NOT NULL,
    visible_at        INTEGER NOT NULL,
    first_received_at INTEGER,
    receive_count     INTEGER NOT NULL DEFAULT 0,
    receipt           TEXT
);
CREATE INDEX messages_by_visibility ON messages (queue, visible_at);

CREATE TABLE objects (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,  -- the sequencer: grows, and is never used again
    bucket        TEXT NOT NULL,
    key           TEXT NOT NULL,
    version       TEXT,     -- NULL: this key keeps no versions
    file          TEXT NOT NULL UNIQUE,
    bytes         INTEGER NOT NULL,
    etag          TEXT NOT NULL,
    content_type  TEXT,
    cache_control TEXT,
    modified_at   INTEGER NOT NULL,
    superseded_at INTEGER,  -- NULL: the current version
    content       BLOB      -- NULL: the bytes are in the file
);
CREATE UNIQUE INDEX current_objects ON objects (bucket, key) WHERE superseded_at IS NULL;
CREATE INDEX objects_by_key ON objects (bucket, key);

CREATE TABLE garbage (file TEXT PRIMARY KEY);  -- files whose rows are gone, until the file is gone too

CREATE TABLE images (
    id         TEXT PRIMARY KEY,
    key        TEXT NOT NULL,
    status     TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    record     TEXT NOT NULL
);
";

/// Migrates from version 1, which stored all objects in files.
const FROM_1: &str = "ALTER TABLE objects ADD COLUMN content BLOB";

/// Creates the tables of a new database, migrates an older one, and rejects one that this build must not change.
pub(super) fn prepare(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let in_database = |error| OpenError::of_database(path, error);
    let found = pragma(connection, "user_version").map_err(in_database)?;
    if found > VERSION {
        return Err(OpenError::NewerDatabase { path: path.to_owned(), found, known: VERSION });
    }
    let alter = |statements: &str| {
        let script = format!("BEGIN IMMEDIATE; {statements}; PRAGMA user_version = {VERSION}; COMMIT");
        connection.execute_batch(&script).map_err(in_database)
    };
    if found == 0 {
        let tables: i64 =
            connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(in_database)?;
        if tables > 0 {
            return Err(OpenError::ForeignDatabase { path: path.to_owned() });
        }
        alter(&format!("{TABLES} PRAGMA application_id = {APPLICATION_ID}"))?;
    } else if pragma(connection, "application_id").map_err(in_database)? != APPLICATION_ID {
        return Err(OpenError::ForeignDatabase { path: path.to_owned() });
    }
    check(connection, path)?;
    if found == 1 {
        alter(FROM_1)?;
    }
    // WAL: readers and the writer do not block each other. Set last, so that a rejected file stays unchanged.
    connection.pragma_update(None, "journal_mode", "WAL").map_err(in_database)
}

/// Writes without changing anything. With a sync, this makes all earlier unsynced transactions durable.
pub(super) fn write_anything(connection: &Connection) -> rusqlite::Result<()> {
    // Keeps the stored version: this build may be the older of two.
    let version = pragma(connection, "user_version")?;
    connection.pragma_update(None, "user_version", version)
}

fn check(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let damaged = |what: String| OpenError::Damaged { path: path.to_owned(), what };
    let verdict = pragma(connection, "page_count")
        .and_then(|pages| Ok(pages * pragma(connection, "page_size")? <= CHECKED_UP_TO_BYTES))
        .and_then(|is_small| match is_small {
            true => connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)),
            false => Ok("ok".to_owned()),
        });
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(damaged(verdict)),
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => Err(damaged(error.to_string())),
        Err(error) => Err(OpenError::of_database(path, error)),
    }
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0))
}
