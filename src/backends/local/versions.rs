//! Lists and deletes single versions of objects.

use rusqlite::{Connection, OptionalExtension};

use super::object_rows;
use crate::clock::Timestamp;
use crate::ports::objects::{Version, VersionCursor, VersionPage};
use crate::record::SourceId;

/// Versions on one page.
const PAGE: usize = 1000;

/// Versions under `prefix` after `after`: sorted by key, and from new to old within a key.
pub(super) fn list(
    connection: &Connection,
    bucket: &str,
    prefix: &str,
    after: Option<&VersionCursor>,
) -> rusqlite::Result<VersionPage> {
    let (key, number) = match after {
        Some(VersionCursor { key, version }) => (&**key, version.as_deref().and_then(|number| number.parse().ok())),
        None => ("", None),
    };
    let mut select = connection.prepare_cached(
        "SELECT key, file, version, etag, bytes, modified_at, superseded_at IS NULL, number FROM objects
         WHERE bucket = ?1 AND key >= ?2 AND key >= ?3 AND (key > ?3 OR number < ?4)
         ORDER BY key, number DESC LIMIT ?5",
    )?;
    let listed = select.query_map((bucket, prefix, key, number.unwrap_or(0_i64), PAGE as i64), |row| {
        let version: Option<String> = row.get(2)?;
        let etag: String = row.get(3)?;
        let listed = Version {
            key: row.get(0)?,
            id: row.get(1)?,
            src: SourceId::new(version.as_deref(), &etag),
            bytes: row.get(4)?,
            modified_at: Timestamp::from_millis(row.get(5)?),
            is_current: row.get(6)?,
        };
        Ok((listed, row.get::<_, i64>(7)?))
    })?;
    let listed = listed.collect::<rusqlite::Result<Vec<_>>>()?;
    let next = listed
        .last()
        .filter(|_| listed.len() == PAGE)
        .map(|(version, number)| VersionCursor { key: version.key.clone(), version: Some(number.to_string()) });
    let is_under_prefix = |version: &Version| version.key.starts_with(prefix);
    let next = next.filter(|next| next.key.starts_with(prefix));
    let versions = listed.into_iter().map(|(version, _)| version).take_while(is_under_prefix).collect();
    Ok(VersionPage { versions, next })
}

/// Deletes one version. If it was the current one, the newest remaining version becomes current. Returns the files that
/// no row names any more.
pub(super) fn delete(connection: &Connection, bucket: &str, key: &str, file: &str) -> rusqlite::Result<Vec<String>> {
    let deleted: Option<(Option<String>, bool)> = connection
        .prepare_cached(
            "DELETE FROM objects WHERE bucket = ?1 AND key = ?2 AND file = ?3
             RETURNING CASE WHEN content IS NULL THEN file END, superseded_at IS NULL",
        )?
        .query_row((bucket, key, file), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((file, was_current)) = deleted else { return Ok(Vec::new()) };
    if was_current {
        connection
            .prepare_cached(
                "UPDATE objects SET superseded_at = NULL
                 WHERE number = (SELECT max(number) FROM objects WHERE bucket = ?1 AND key = ?2)",
            )?
            .execute((bucket, key))?;
    }
    let garbage: Vec<String> = file.into_iter().collect();
    object_rows::remember(connection, &garbage)?;
    Ok(garbage)
}
