//! The bucket names in a directory: a start with other names would not find the stored objects.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::OpenError;
use crate::recipe::THUMBNAIL_PREFIX;

/// Whether the bucket has thumbnails, which keep no versions.
const HAS_THUMBNAILS: &str = "SELECT 1 FROM objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND version IS NULL";

/// Whether the bucket has uploads: objects with versions and without the thumbnail prefix. Searches two ranges of the
/// index instead of scanning it.
const HAS_UPLOADS: &str = "
SELECT 1 FROM objects WHERE bucket = ?1 AND key < ?2 AND version IS NOT NULL UNION ALL
SELECT 1 FROM objects WHERE bucket = ?1 AND key >= ?3 AND version IS NOT NULL";

/// Checks that any stored uploads and thumbnails belong to the configured buckets. A directory that holds several
/// bucket names can be used with each of them.
pub(super) fn check(connection: &Connection, path: &Path, uploads: &str, thumbnails: &str) -> Result<(), OpenError> {
    let in_database = |error| OpenError::of_database(path, error);
    let buckets = names(connection).map_err(in_database)?;
    for (what, variable, set, query) in [
        ("uploads", "DARKROOM_UPLOAD_BUCKET", uploads, HAS_UPLOADS),
        ("thumbnails", "DARKROOM_THUMBNAIL_BUCKET", thumbnails, HAS_THUMBNAILS),
    ] {
        let mut holding = Vec::new();
        for bucket in &buckets {
            if holds(connection, query, bucket).map_err(in_database)? {
                holding.push(bucket.clone());
            }
        }
        if !holding.is_empty() && !holding.iter().any(|bucket| bucket == set) {
            let (path, set) = (path.to_owned(), set.to_owned());
            return Err(OpenError::OtherBucket { path, what, variable, set, found: holding.join(" or ") });
        }
    }
    Ok(())
}

/// Every bucket that has an object. Takes one index lookup per bucket, however many objects there are.
fn names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut next = connection.prepare("SELECT min(bucket) FROM objects WHERE bucket > ?1")?;
    let mut names: Vec<String> = Vec::new();
    loop {
        let last = names.last().map_or("", String::as_str);
        match next.query_row([last], |row| row.get::<_, Option<String>>(0)).optional()?.flatten() {
            Some(name) => names.push(name),
            None => return Ok(names),
        }
    }
}

fn holds(connection: &Connection, query: &str, bucket: &str) -> rusqlite::Result<bool> {
    // The first key after all those with the prefix, which ends in a slash.
    let behind = THUMBNAIL_PREFIX.trim_end_matches('/').to_owned() + "0";
    connection.prepare(query)?.exists((bucket, THUMBNAIL_PREFIX, behind))
}
