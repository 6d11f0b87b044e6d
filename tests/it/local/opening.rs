//! A directory that cannot be used is refused with what to do about it, and is left as it is.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use darkroom::backends::local::OpenError;

use super::{Backend, LARGE};

fn refusal(dir: &Path) -> OpenError {
    match Backend::open_now(dir) {
        Err(error) => error,
        Ok(_) => panic!("{} was opened", dir.display()),
    }
}

/// A thread of the backend may still be closing the database, and would write over the damage.
fn wait_until_closed(dir: &Path) {
    for _ in 0..3000 {
        if !dir.join("darkroom.db-wal").exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
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
    // Nobody may make a directory there, root included.
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
    wait_until_closed(dir.path());
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
    // Its first bytes, a page in its middle, and a cut.
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
        wait_until_closed(dir.path());
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
