//! The names of the buckets in a directory: a start under other names would miss everything that is in it.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::OpenError;
use crate::recipe::THUMBNAIL_PREFIX;

/// Objects of the bucket that are thumbnails: they keep no versions.
const HAS_THUMBNAILS: &str = "SELECT 1 FROM objects WHERE bucket = ?1 AND key >= ?2 AND key < ?3 AND version IS NULL";

/// Objects of the bucket that are uploads: all others that keep versions. Two ranges of the index, not one scan of it.
const HAS_UPLOADS: &str = "
SELECT 1 FROM objects WHERE bucket = ?1 AND key < ?2 AND version IS NOT NULL UNION ALL
SELECT 1 FROM objects WHERE bucket = ?1 AND key >= ?3 AND version IS NOT NULL";

/// Checks that uploads and thumbnails in the directory, if there are any, are of the buckets that are set. A directory that
/// was used under several names may be used under each of them.
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

/// Every bucket with an object. One look into the index for each, however many objects there are.
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
    // The first key behind all that begin with the prefix, which ends in a slash.
    let behind = THUMBNAIL_PREFIX.trim_end_matches('/').to_owned() + "0";
    connection.prepare(query)?.exists((bucket, THUMBNAIL_PREFIX, behind))
}
