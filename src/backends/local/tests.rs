//! Power loss: which calls are synced, and what holds after the database's log is cut at any point.

use std::fs;
use std::path::Path;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use bytes::Bytes;
use futures_util::StreamExt as _;
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::space::Disk;
use super::*;
use crate::clock::{SystemClock, Timestamp};
use crate::ports::objects::{Fetched, UploadOptions};
use crate::ports::queue::Receipt;
use crate::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, SourceId, Status, Transition,
};

const SOON: Duration = Duration::from_secs(60);
const UPLOAD: &str = "an upload with its event";
const PUBLICATION: &str = "a publication, and with it everything before";
/// The first two thumbnails are stored in their rows.
const THUMBNAILS: [(&str, usize); 3] = [("small", 4000), ("medium", 40_000), ("large", 300_000)];

/// A backend, and the calls that were made on it.
struct Site {
    dir: TempDir,
    backend: LocalBackend,
    ports: Ports,
    calls: Vec<Call>,
}

/// An answered call.
struct Call {
    what: &'static str,
    is_synced: bool,
    /// The length of the log after the call.
    log: usize,
    /// The object files, and the incoming files whose rows may be missing, after the call.
    files: [Vec<String>; 2],
}

fn open(dir: &Path) -> LocalBackend {
    let config = LocalConfig { max_receives: 3, ..LocalConfig::new(dir.to_owned()) };
    LocalBackend::open(&config, "photos", "uploads/", "photos", Arc::new(SystemClock)).unwrap()
}

fn cat() -> ImageId {
    ImageId::parse("cat").unwrap()
}

fn key(size: &str) -> String {
    format!("thumbnails/cat/{size}.png")
}

fn names_in(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn thumbnail(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = open(dir.path());
        let ports = backend.ports();
        Self { dir, backend, ports, calls: Vec::new() }
    }

    fn answered(&mut self, what: &'static str) {
        let is_synced = self.backend.database.was_synced();
        let log = fs::metadata(self.dir.path().join("darkroom.db-wal")).unwrap().len() as usize;
        let files = [names_in(&self.dir.path().join("objects")), self.in_doubt()];
        self.calls.push(Call { what, is_synced, log, files });
    }

    /// The incoming files, which the next start compares with the rows.
    fn in_doubt(&self) -> Vec<String> {
        let incoming = self.dir.path().join("incoming");
        let [corner] = &names_in(&incoming)[..] else { panic!("one process has one corner") };
        names_in(&incoming.join(corner)).into_iter().filter(|name| name != "lock").collect()
    }

    async fn apply(&self, guard: Guard, change: Change) {
        let attempt = Attempt { token: "token".to_owned(), message: "message".to_owned() };
        let (key, at) = ("uploads/cat".to_owned(), Timestamp::from_millis(1000));
        let transition = Transition { id: cat(), key, attempt, guard, change, at };
        assert!(matches!(self.ports.catalog.update(&transition).await, Ok(Applied::Written { .. })));
    }

    /// Uploads, receives, claims and publishes an image, as the pipeline does. Returns the message's receipt.
    async fn publish(&mut self) -> Receipt {
        self.ports.uploads.put("uploads/cat", Bytes::from("picture"), "image/png", "no-store").await.unwrap();
        self.answered(UPLOAD);
        let receipt = self.ports.queue.receive(1, Duration::ZERO, SOON).await.unwrap().remove(0).receipt;
        self.answered("a receive, which is counted");
        let original = Original { content_type: "image/png".to_owned(), width: 1, height: 1, bytes: 7 };
        let lease_until = Timestamp::from_millis(2000);
        let claim = Change::Claim { src: SourceId::new(None, "etag"), original, lease_until, deaths: 0 };
        self.apply(Guard::Absent, claim).await;
        self.answered("a claim");
        for (size, length) in THUMBNAILS {
            let (key, bytes) = (key(size), thumbnail(length));
            self.ports.thumbnails.put(&key, bytes, "image/png", "no-store").await.unwrap();
            self.answered(size);
        }
        let (version, content_type, at) = ("v".to_owned(), "image/png".to_owned(), Timestamp::from_millis(1500));
        let publication = Published { version, content_type, at, thumbnails: Vec::new() };
        self.apply(Guard::Hold, Change::Publish(publication)).await;
        self.answered(PUBLICATION);
        receipt
    }

    /// How much of the log is on the disk once this call is answered: all of it up to the last synced call.
    fn log_on_the_disk_after(&self, what: &str) -> usize {
        let answered = self.calls.iter().position(|call| call.what == what).unwrap();
        self.calls[..=answered].iter().rfind(|call| call.is_synced).map_or(0, |call| call.log)
    }

    /// The files that belong to this length of the log: those of the latest call after which no more of the log is
    /// certainly synced.
    fn files_with(&self, log: usize) -> Option<&[Vec<String>; 2]> {
        let is_possible = |call: &&Call| self.log_on_the_disk_after(call.what) <= log;
        self.calls.iter().rfind(is_possible).map(|call| &call.files)
    }

    /// The directory after a power loss that keeps only `log` bytes of the log. Files are synced before any row names
    /// them.
    fn after_a_loss_of_power(&self, log: usize) -> (TempDir, Ports) {
        let (from, to) = (self.dir.path(), tempfile::tempdir().unwrap());
        let killed = to.path().join("incoming").join("killed");
        for directory in [&to.path().join("objects"), &killed] {
            fs::create_dir_all(directory).unwrap();
        }
        if let Some([objects, in_doubt]) = self.files_with(log) {
            for file in objects {
                fs::copy(from.join("objects").join(file), to.path().join("objects").join(file)).unwrap();
            }
            for file in in_doubt {
                fs::copy(from.join("objects").join(file), killed.join(file)).unwrap();
            }
        }
        for file in ["darkroom.db", "signing.key"] {
            fs::copy(from.join(file), to.path().join(file)).unwrap();
        }
        let whole = fs::read(from.join("darkroom.db-wal")).unwrap();
        fs::write(to.path().join("darkroom.db-wal"), &whole[..log]).unwrap();
        let ports = open(to.path()).ports();
        (to, ports)
    }
}

/// Other programs fill the disk while a body arrives.
#[tokio::test]
async fn an_upload_stops_in_the_middle_once_the_disk_is_nearly_full() {
    let dir = tempfile::tempdir().unwrap();
    let backend = open(dir.path());
    let space = backend.space.clone();
    let disk = |free_bytes| Disk { total_bytes: 1 << 30, free_bytes, total_files: 0, free_files: 0 };
    space.pretend(disk(1 << 30));
    let options = UploadOptions { expires_in: SOON, ..UploadOptions::default() };
    let url = backend.ports().uploads.sign_upload("uploads/cat", &options).await.unwrap().url;
    let chunk = || Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 300 << 10]));
    let incoming = dir.path().join("incoming");
    let corner = incoming.join(&names_in(&incoming)[0]);
    let body = futures_util::stream::iter(0..3).map(move |number| {
        if number == 1 {
            assert_eq!(names_in(&corner).len(), 2, "the first chunk is being written");
            space.pretend(disk(1 << 20));
        }
        chunk()
    });
    let request = Request::put(url).body(Body::from_stream(body)).unwrap();
    let answer = backend.router(UploadLimits { max_bytes: 1 << 30, min_rate: 1 }).oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 507);
    assert_eq!(names_in(&incoming.join(&names_in(&incoming)[0])), ["lock"]);
    assert_eq!(names_in(&dir.path().join("objects")), Vec::<String>::new());
}

/// Files that no row names and that no start would remove.
fn files_without_a_row(dir: &Path) -> Vec<String> {
    let database = rusqlite::Connection::open(dir.join("darkroom.db")).unwrap();
    let is_unknown = |file: &String| !object_rows::has_file(&database, file).unwrap();
    names_in(&dir.join("objects")).into_iter().filter(is_unknown).collect()
}

#[tokio::test]
async fn a_file_is_in_doubt_until_its_row_is_on_the_disk() {
    let mut site = Site::new();
    site.publish().await;
    let in_doubt = |what| {
        let call = site.calls.iter().find(|call| call.what == what).unwrap();
        call.files[1].len()
    };
    assert_eq!([UPLOAD, "medium", "large", PUBLICATION].map(in_doubt), [0, 0, 1, 0]);
}

async fn read(ports: &Ports, key: &str) -> Bytes {
    match ports.thumbnails.get(key, None, u64::MAX).await {
        Ok(Fetched::Whole(_, bytes)) => bytes,
        other => panic!("{key}: {other:?}"),
    }
}

#[tokio::test]
async fn acknowledged_writes_survive_a_loss_of_power() {
    let mut site = Site::new();
    let receipt = site.publish().await;
    let Ports { queue, thumbnails, catalog, .. } = site.backend.ports();
    assert!(queue.extend(std::slice::from_ref(&receipt), SOON).await.remove(0).is_ok());
    site.answered("a heartbeat");
    assert!(queue.release(&[(receipt.clone(), Duration::ZERO)]).await.remove(0).is_ok());
    site.answered("a release");
    queue.send("again").await.unwrap();
    site.answered("a message");
    assert!(queue.delete(&[receipt]).await.remove(0).is_ok());
    site.answered("a message's delete");
    let (dog, now) = (ImageId::parse("dog").unwrap(), Timestamp::from_millis(1000));
    let record = ImageRecord::waiting_for_upload(dog, "uploads/dog".to_owned(), now, now);
    catalog.create(&record).await.unwrap();
    site.answered("an image that was asked for");
    thumbnails.delete(&key("small")).await.unwrap();
    site.answered("a deleted object");
    thumbnails.put(&key("large"), thumbnail(100), "image/png", "no-store").await.unwrap();
    site.answered("a thumbnail in place of a file, which is removed");
    let calls: Vec<_> = site.calls.iter().map(|call| (call.what, call.is_synced)).collect();
    let expected = [
        (UPLOAD, true),
        ("a receive, which is counted", true),
        ("a claim", false),
        ("small", false),
        ("medium", false),
        ("large", false),
        (PUBLICATION, true),
        ("a heartbeat", false),
        ("a release", false),
        ("a message", true),
        ("a message's delete", false),
        ("an image that was asked for", true),
        ("a deleted object", true),
        ("a thumbnail in place of a file, which is removed", true),
    ];
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn wherever_the_log_ends_acknowledged_writes_hold() {
    const STEP: usize = 1000;
    let mut site = Site::new();
    let receipt = site.publish().await;
    site.ports.queue.delete(&[receipt]).await.remove(0).unwrap();
    site.answered("a message's delete");
    let [uploaded, published] = [UPLOAD, PUBLICATION].map(|what| site.log_on_the_disk_after(what));
    let ends: Vec<usize> = site.calls.iter().map(|call| call.log).collect();
    let mut statuses = Vec::new();
    for log in (0..ends[ends.len() - 1]).step_by(STEP).chain(ends) {
        let (dir, ports) = site.after_a_loss_of_power(log);
        let status = ports.catalog.get(&cat()).await.unwrap().map(|record| record.status);
        let attributes = ports.queue.attributes().await.unwrap();
        assert_eq!(files_without_a_row(dir.path()), Vec::<String>::new(), "log of {log}");
        let has_message = attributes.visible + attributes.in_flight == 1;
        if status == Some(Status::Published) {
            for (size, length) in THUMBNAILS {
                assert_eq!(read(&ports, &key(size)).await, thumbnail(length), "{size}, log of {log}");
            }
        }
        if has_message {
            assert_eq!(read(&ports, "uploads/cat").await, "picture");
        }
        assert!(log < uploaded || has_message || status == Some(Status::Published), "an upload is lost at {log}");
        assert!(log < published || status == Some(Status::Published), "a publication is lost at {log}");
        statuses.push(status);
    }
    for status in [None, Some(Status::WaitingForThumbnails), Some(Status::Published)] {
        assert!(statuses.contains(&status), "{status:?} was never met: {statuses:?}");
    }
}

#[tokio::test]
async fn a_file_is_removed_only_once_its_row_cannot_come_back() {
    let mut site = Site::new();
    site.publish().await;
    let database = rusqlite::Connection::open(site.dir.path().join("darkroom.db")).unwrap();
    let file: String = database
        .query_row("SELECT file FROM objects WHERE content IS NULL AND key = ?1", [key("large")], |row| row.get(0))
        .unwrap();
    // A directory in place of the file makes its removal fail, so earlier steps can be checked.
    let path = site.dir.path().join("objects").join(&file);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    site.ports.thumbnails.put(&key("large"), thumbnail(100), "image/png", "no-store").await.unwrap();
    site.answered("a thumbnail in place of a file, which stays");
    assert!(site.calls.last().unwrap().is_synced);
    assert_eq!(object_rows::garbage(&database).unwrap(), [file], "for the next start");
}
