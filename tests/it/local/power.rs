//! A loss of power, after which the database's log ends anywhere behind the last sync: whatever was told still holds.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use darkroom::clock::Timestamp;
use darkroom::ports::Ports;
use darkroom::record::{Applied, Attempt, Change, Guard, ImageId, Original, Published, SourceId, Status, Transition};

use super::{Backend, LARGE, ONE_MINUTE, Place};

const THUMBNAILS: [(&str, usize); 3] = [("small", 4000), ("medium", 40_000), ("large", LARGE.len())];

fn transition(guard: Guard, change: Change) -> Transition {
    Transition {
        id: ImageId::parse("cat").unwrap(),
        key: "uploads/cat".to_owned(),
        attempt: Attempt { token: "token".to_owned(), message: "message".to_owned() },
        guard,
        change,
        at: Timestamp::from_millis(1000),
    }
}

async fn apply(ports: &Ports, guard: Guard, change: Change) {
    let applied = ports.catalog.apply(&transition(guard, change)).await.unwrap();
    assert!(matches!(applied, Applied::Written { .. }), "{applied:?}");
}

fn key(size: &str) -> String {
    format!("thumbnails/cat/{size}.png")
}

fn log(dir: &Path) -> usize {
    fs::metadata(dir.join("darkroom.db-wal")).unwrap().len() as usize
}

/// Publishes an upload as the pipeline does; returns how long the log was when the upload was told, when the image was
/// published, and at the end.
async fn publish(place: &Place) -> [usize; 3] {
    let (dir, ports) = (place.dir.path(), &place.backend.ports);
    place.backend.put("uploads/cat", b"picture").await;
    let uploaded = log(dir);
    let message = ports.queue.receive(1, Duration::ZERO, ONE_MINUTE).await.unwrap().remove(0);
    let original = Original { content_type: "image/png".to_owned(), width: 1, height: 1, bytes: 7 };
    let lease_until = Timestamp::from_millis(2000);
    let claim = Change::Claim { src: SourceId::new(None, "etag"), original, lease_until, deaths: 0 };
    apply(ports, Guard::Absent, claim).await;
    for (size, length) in THUMBNAILS {
        let bytes = Bytes::from_static(&LARGE[..length]);
        ports.thumbnails.put(&key(size), bytes, "image/png", "no-store").await.unwrap();
    }
    let (version, content_type, at) = ("v".to_owned(), "image/png".to_owned(), Timestamp::from_millis(1500));
    apply(ports, Guard::Hold, Change::Publish(Published { version, content_type, at, thumbnails: Vec::new() })).await;
    let published = log(dir);
    ports.queue.delete(&[message.receipt]).await.remove(0).unwrap();
    [uploaded, published, log(dir)]
}

/// What is left when only so much of the log reached the disk. Files were synced before anything told of them.
fn after_a_loss_of_power(place: &Place, length: usize) -> (tempfile::TempDir, Backend) {
    let (from, to) = (place.dir.path(), tempfile::tempdir().unwrap());
    for folder in ["objects", "incoming"] {
        fs::create_dir(to.path().join(folder)).unwrap();
    }
    for file in place.objects() {
        fs::copy(&file, to.path().join("objects").join(file.file_name().unwrap())).unwrap();
    }
    for file in ["darkroom.db", "signing.key"] {
        fs::copy(from.join(file), to.path().join(file)).unwrap();
    }
    let log = fs::read(from.join("darkroom.db-wal")).unwrap();
    fs::write(to.path().join("darkroom.db-wal"), &log[..length]).unwrap();
    let backend = Backend::open(to.path(), place.clock.clone()).unwrap();
    (to, backend)
}

#[tokio::test(start_paused = true)]
async fn wherever_the_log_ends_what_was_told_holds() {
    const STEP: usize = 1000;
    let place = Place::new();
    let [uploaded, published, end] = publish(&place).await;
    assert!(uploaded < published && published < end, "{uploaded}, {published}, {end}");
    let mut statuses = Vec::new();
    for length in (0..end).step_by(STEP).chain([uploaded, published, end]) {
        let (_dir, backend) = after_a_loss_of_power(&place, length);
        let record = backend.ports.catalog.look(&ImageId::parse("cat").unwrap()).await.unwrap();
        let status = record.map(|record| record.status);
        let attributes = backend.ports.queue.attributes().await.unwrap();
        let has_message = attributes.visible + attributes.in_flight == 1;
        if status == Some(Status::Published) {
            for (size, length) in THUMBNAILS {
                assert_eq!(backend.get(&key(size), None).await.unwrap(), &LARGE[..length], "{size}, log of {length}");
            }
        }
        if has_message {
            assert_eq!(backend.get("uploads/cat", None).await.unwrap(), "picture");
        }
        assert!(length < uploaded || has_message || status == Some(Status::Published), "an upload is lost at {length}");
        assert!(length < published || status == Some(Status::Published), "a publication is lost at {length}");
        statuses.push(status);
    }
    for status in [None, Some(Status::WaitingForThumbnails), Some(Status::Published)] {
        assert!(statuses.contains(&status), "{status:?} was never met: {statuses:?}");
    }
}
