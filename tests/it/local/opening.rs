//! A start refuses an unusable directory, says what to do, and leaves the directory unchanged.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use darkroom::backends::local::{LocalBackend, OpenError};
use darkroom::clock::SystemClock;
use darkroom::config::LocalConfig;

use super::{Backend, LARGE};

fn refusal(dir: &Path) -> OpenError {
    match Backend::open_now(dir) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", dir.display()),
    }
}

/// Waits, because a thread or a task of the backend may still be closing the database, and would overwrite the damage.
async fn wait_until_closed(dir: &Path) {
    for _ in 0..3000 {
        if !dir.join("darkroom.db-wal").exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the database is never closed");
}

fn database(dir: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(dir.join("darkroom.db")).unwrap()
}

#[test]
fn a_missing_directory_is_made_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("a/b");
    Backend::open_now(&inner).unwrap();
    let mode = |file: &str| fs::metadata(inner.join(file)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("signing.key")), (0o700, 0o600));
}

#[test]
fn a_directory_without_rights_is_named() {
    // Not even root can create a directory there.
    let error = refusal(Path::new("/sys/darkroom"));
    assert!(matches!(error, OpenError::Denied { .. }), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("/sys/darkroom") && text.contains("DARKROOM_DIR"), "{text}");
}

#[test]
fn a_file_in_the_place_of_the_directory_is_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = refusal(file.path());
    assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_database_of_a_newer_schema_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(Backend::open_now(dir.path()).unwrap());
    database(dir.path()).pragma_update(None, "user_version", 7).unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::NewerDatabase { found: 7, known: 2, .. }), "{error:?}");
    assert!(error.to_string().contains("start the newer darkroom"), "{error}");
    database(dir.path()).pragma_update(None, "user_version", 2).unwrap();
    Backend::open_now(dir.path()).unwrap();
}

#[tokio::test]
async fn a_database_of_an_older_schema_is_brought_up_to_date_with_everything_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let backend = Backend::open_now(dir.path()).unwrap();
    backend.put("uploads/cat", b"picture").await;
    backend.put("thumbnails/cat/large.png", &LARGE).await;
    drop(backend);
    wait_until_closed(dir.path()).await;
    database(dir.path()).execute_batch("ALTER TABLE objects DROP COLUMN content; PRAGMA user_version = 1").unwrap();
    for _ in ["the first start", "the next"] {
        let backend = Backend::open_now(dir.path()).unwrap();
        assert_eq!(backend.get("uploads/cat", None).await.unwrap(), "picture");
        assert_eq!(backend.get("thumbnails/cat/large.png", None).await.unwrap(), &LARGE[..]);
        backend.put("thumbnails/cat/small.png", b"small").await;
        assert_eq!(backend.get("thumbnails/cat/small.png", None).await.unwrap(), "small");
    }
    assert_eq!(super::files_below(&dir.path().join("objects")).len(), 2);
    let version = database(dir.path()).query_row("PRAGMA user_version", [], |row| row.get::<_, u32>(0)).unwrap();
    assert_eq!(version, 2);
}

#[test]
fn a_database_of_another_program_is_left_alone() {
    for version in [0, 1, 2] {
        let dir = tempfile::tempdir().unwrap();
        let foreign = database(dir.path());
        foreign.execute_batch("CREATE TABLE recipes (name TEXT)").unwrap();
        foreign.pragma_update(None, "user_version", version).unwrap();
        drop(foreign);
        let before = fs::read(dir.path().join("darkroom.db")).unwrap();
        assert!(matches!(refusal(dir.path()), OpenError::ForeignDatabase { .. }));
        assert_eq!(fs::read(dir.path().join("darkroom.db")).unwrap(), before);
    }
}

#[tokio::test]
async fn a_damaged_database_is_named_and_the_pictures_stay() {
    // Damage the first bytes, damage a page in the middle, and truncate.
    let ways: [fn(&fs::File, u64); 3] = [
        |file, _| file.write_all_at(b"this is no database at all, by any means", 0).unwrap(),
        |file, length| file.write_all_at(&[0x5a; 8192], length / 2).unwrap(),
        |file, length| file.set_len(length / 2).unwrap(),
    ];
    for damage in ways {
        let dir = tempfile::tempdir().unwrap();
        let backend = Backend::open_now(dir.path()).unwrap();
        backend.put("uploads/cat", b"picture").await;
        for _ in 0..100 {
            backend.ports.queue.send(&"x".repeat(1000)).await.unwrap();
        }
        drop(backend);
        wait_until_closed(dir.path()).await;
        let file = fs::OpenOptions::new().write(true).open(dir.path().join("darkroom.db")).unwrap();
        damage(&file, file.metadata().unwrap().len());
        let error = refusal(dir.path());
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("darkroom.db"), "{error}");
        assert_eq!(super::files_below(&dir.path().join("objects")).len(), 1);
    }
}

#[test]
fn a_damaged_signing_key_is_named() {
    let dir = tempfile::tempdir().unwrap();
    drop(Backend::open_now(dir.path()).unwrap());
    fs::write(dir.path().join("signing.key"), "short").unwrap();
    let error = refusal(dir.path());
    assert!(error.to_string().contains("signing.key"), "{error}");
    fs::remove_file(dir.path().join("signing.key")).unwrap();
    Backend::open_now(dir.path()).unwrap();
}

/// The refusal of a start with these bucket names; `None` if it starts.
fn refused(dir: &Path, uploads: &str, thumbnails: &str) -> Option<String> {
    let config = LocalConfig::new(dir.to_owned());
    let opened = LocalBackend::open(&config, uploads, "uploads/", thumbnails, Arc::new(SystemClock));
    opened.err().map(|error| {
        assert!(matches!(error, OpenError::OtherBucket { .. }), "{error:?}");
        error.to_string()
    })
}

async fn put(dir: &Path, uploads: &str, thumbnails: &str, keys: [&str; 2]) {
    let config = LocalConfig::new(dir.to_owned());
    let ports = LocalBackend::open(&config, uploads, "uploads/", thumbnails, Arc::new(SystemClock)).unwrap().ports();
    for (store, key) in [ports.uploads, ports.thumbnails].into_iter().zip(keys) {
        if !key.is_empty() {
            store.put(key, Bytes::from_static(b"bytes"), "image/png", "no-store").await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_directory_that_was_used_under_another_bucket_name_is_refused_with_the_name_to_set() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    assert_eq!(refused(dir, "anything", "anything"), None, "nothing is in it");
    put(dir, "photos", "photos", ["uploads/cat", ""]).await;
    assert_eq!(refused(dir, "photos", "elsewhere"), None, "no thumbnail is in it");
    let error = refused(dir, "photoz", "photoz").unwrap();
    for part in ["uploads of bucket photos and none of bucket photoz", "set DARKROOM_UPLOAD_BUCKET to photos"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(error.contains(&dir.display().to_string()), "{error}");
    put(dir, "photos", "photos", ["", "thumbnails/cat/1/small.jpg"]).await;
    let error = refused(dir, "photos", "elsewhere").unwrap();
    let part = "thumbnails of bucket photos and none of bucket elsewhere: set DARKROOM_THUMBNAIL_BUCKET to photos";
    assert!(error.contains(part), "{error}");
    assert_eq!(refused(dir, "photos", "photos"), None);
}

#[tokio::test]
async fn the_buckets_of_a_directory_are_distinguished_by_their_objects() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "up", "down", ["uploads/cat", "thumbnails/cat/1/small.jpg"]).await;
    assert_eq!(refused(dir, "up", "down"), None);
    assert!(refused(dir, "down", "up").unwrap().contains("set DARKROOM_UPLOAD_BUCKET to up"));
    assert!(refused(dir, "up", "up").unwrap().contains("set DARKROOM_THUMBNAIL_BUCKET to down"));
}

/// Older builds allowed this. Neither name may make the other's uploads unreachable.
#[tokio::test]
async fn a_directory_that_was_used_under_two_names_starts_under_each() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    put(dir, "photos", "photos", ["uploads/cat", ""]).await;
    database(dir).execute("UPDATE objects SET bucket = 'earlier'", []).unwrap();
    put(dir, "earlier", "photos", ["uploads/dog", ""]).await;
    database(dir).execute("UPDATE objects SET bucket = 'photos' WHERE key = 'uploads/dog'", []).unwrap();
    assert_eq!(refused(dir, "photos", "photos"), None);
    assert_eq!(refused(dir, "earlier", "earlier"), None);
    let error = refused(dir, "third", "third").unwrap();
    assert!(error.contains("set DARKROOM_UPLOAD_BUCKET to earlier or photos"), "{error}");
}
