//! Outcome notifications for other systems: one line of JSON for each verdict, delivered at least once.
//!
//! The transaction that writes the verdict also inserts its line into a table. A task then appends the lines to the
//! file and deletes them from the table once the file is synced. If the process dies in between, or the file cannot be
//! written, the lines stay in the table until the next verdict or the next start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use serde::Serialize;
use tokio::sync::Mutex;

use super::database::Database;
use super::failure::Failure;
use super::file_names::{OUTCOMES, OUTCOMES_LOCK};
use super::permissions::Access;
use crate::ports::{Operation, PortError};
use crate::recipe::{Format, ThumbnailKey};
use crate::record::{ImageRecord, Published};

/// The lines have their own table, which older builds ignore.
const TABLE: &str =
    "CREATE TABLE IF NOT EXISTS outcomes (number INTEGER PRIMARY KEY AUTOINCREMENT, line TEXT NOT NULL)";

/// Lines appended in one go.
const BATCH: i64 = 1000;

/// The file of outcomes, and the table of lines that are not in it yet.
pub(super) struct OutcomeLog {
    database: Database,
    file: PathBuf,
    /// A lock file, held while any process appends, so that lines do not interleave.
    lock: PathBuf,
    access: Access,
    turn: Mutex<()>,
}

/// One line of the file.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: &'a str,
    key: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
    /// Grows with each write of the image's record: of two lines, the one with the larger number is newer.
    rev: u64,
    at: String,
    thumbnails: Vec<Thumbnail<'a>>,
}

/// A published thumbnail.
#[derive(Serialize)]
struct Thumbnail<'a> {
    size: &'a str,
    key: String,
    width: u32,
    height: u32,
    bytes: u64,
}

impl OutcomeLog {
    /// Creates the table. Lines that an earlier process left in it are appended with the first outcome, or by
    /// [`flush`](Self::flush).
    pub(super) fn open(database: &Database, directory: &Path, access: Access) -> rusqlite::Result<Arc<Self>> {
        database.at_start(|connection| connection.execute_batch(TABLE))?;
        let (file, lock) = (directory.join(OUTCOMES), directory.join(OUTCOMES_LOCK));
        Ok(Arc::new(Self { database: database.clone(), file, lock, access, turn: Mutex::new(()) }))
    }

    /// Inserts a line if `record` has a verdict, in the transaction that writes the record. Returns whether it did.
    pub(super) fn note(connection: &Connection, record: &ImageRecord) -> Result<bool, Failure> {
        let is_verdict = record.status.is_verdict();
        if is_verdict {
            let line = serde_json::to_string(&Line::of(record))?;
            connection.prepare_cached("INSERT INTO outcomes (line) VALUES (?1)")?.execute([line])?;
        }
        Ok(is_verdict)
    }

    /// Appends the waiting lines in a background task. Lines that cannot be written now are kept for the next attempt.
    pub(super) fn flush_soon(self: &Arc<Self>) {
        let outcomes = Arc::clone(self);
        tokio::spawn(async move { outcomes.flush().await });
    }

    /// Appends all waiting lines to the file.
    pub(super) async fn flush(&self) {
        let _turn = self.turn.lock().await;
        loop {
            match self.flush_batch().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "{} cannot be written: the outcomes follow later", self.file.display());
                    return;
                }
            }
        }
    }

    /// Appends one batch. Returns whether there were any lines.
    async fn flush_batch(&self) -> Result<bool, PortError> {
        let access = self.access;
        let _lock = in_background(Operation::OutcomesLock, {
            let lock = self.lock.clone();
            move || locked(&lock, access)
        })
        .await?;
        let noted = self.database.read(Operation::OutcomesNoted, noted).await?;
        let Some((last, _)) = noted.last().cloned() else { return Ok(false) };
        let file = self.file.clone();
        in_background(Operation::OutcomesAppend, move || append(&file, &noted, access)).await?;
        self.database
            .write(Operation::OutcomesForget, move |connection| {
                connection.prepare_cached("DELETE FROM outcomes WHERE number <= ?1")?.execute([last])?;
                Ok(())
            })
            .await?;
        Ok(true)
    }
}

impl<'a> Line<'a> {
    fn of(record: &'a ImageRecord) -> Self {
        Self {
            id: record.id.as_str(),
            key: &record.key,
            status: record.status.as_str(),
            reason: record.reason.map(|reason| reason.as_str()),
            detail: record.detail(),
            rev: record.rev,
            at: record.updated_at.to_string(),
            thumbnails: record.published.as_ref().map(|published| thumbnails(record, published)).unwrap_or_default(),
        }
    }
}

fn thumbnails<'a>(record: &'a ImageRecord, published: &'a Published) -> Vec<Thumbnail<'a>> {
    let Some(format) = Format::from_content_type(&published.content_type) else { return Vec::new() };
    let thumbnails = published.thumbnails.iter().map(|thumbnail| Thumbnail {
        size: &thumbnail.size,
        key: ThumbnailKey { id: &record.id, version: &published.version, size: &thumbnail.size, format }.to_string(),
        width: thumbnail.width,
        height: thumbnail.height,
        bytes: thumbnail.bytes,
    });
    thumbnails.collect()
}

fn noted(connection: &Connection) -> Result<Vec<(i64, String)>, Failure> {
    let mut select = connection.prepare_cached("SELECT number, line FROM outcomes ORDER BY number LIMIT ?1")?;
    let rows = select.query_map([BATCH], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn locked(path: &Path, access: Access) -> io::Result<File> {
    let lock = access.open(OpenOptions::new().create(true).truncate(false).write(true), path)?;
    lock.lock()?;
    Ok(lock)
}

/// Appends whole lines. If a full disk or a power loss cut the last line short, ends it first; the table still has that
/// line, and it is appended again.
fn append(path: &Path, noted: &[(i64, String)], access: Access) -> io::Result<()> {
    let mut file = access.open(OpenOptions::new().create(true).append(true).read(true), path)?;
    let mut text = String::new();
    if file.metadata()?.len() > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push('\n');
        }
    }
    for (_, line) in noted {
        text.push_str(line);
        text.push('\n');
    }
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

async fn in_background<T: Send + 'static>(
    operation: Operation,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(job).await.map_err(|_| Failure::ShuttingDown);
    done.and_then(|done| Ok(done?)).map_err(|failure| failure.into_port_error(operation))
}
