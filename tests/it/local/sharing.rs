//! Several processes on one directory.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use darkroom::clock::Timestamp;
use darkroom::record::{ImageId, ImageRecord};
use tokio::time::Instant;

use super::{Backend, ONE_MINUTE, Place};

#[tokio::test(start_paused = true)]
async fn a_waiting_receive_wakes_on_the_upload_of_another_process() {
    let place = Place::new();
    let other = place.open_again();
    let start = Instant::now();
    let upload = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        other.put("uploads/cat", b"picture").await;
    };
    let (messages, ()) =
        tokio::join!(place.backend.ports.queue.receive(10, Duration::from_secs(20), ONE_MINUTE), upload);
    assert_eq!(messages.unwrap().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn each_process_sees_at_once_what_another_has_written() {
    let place = Place::new();
    let other = place.open_again();
    let id = ImageId::parse("cat").unwrap();
    let at = Timestamp::from_millis(0);
    let record = ImageRecord::waiting_for_upload(id.clone(), "uploads/cat".to_owned(), at, at);
    other.ports.catalog.create(&record).await.unwrap();
    assert_eq!(place.backend.ports.catalog.get(&id).await.unwrap(), Some(record));
    other.put("uploads/cat", b"picture").await;
    assert_eq!(place.backend.get("uploads/cat", None).await.unwrap(), "picture");
    place.backend.ports.uploads.delete("uploads/cat").await.unwrap();
    assert_eq!(other.get("uploads/cat", None).await, None);
}

#[tokio::test(start_paused = true)]
async fn an_address_signed_by_one_process_works_at_another() {
    let place = Place::new();
    let url = place.open_again().sign_upload("uploads/cat").await;
    let request = axum::http::Request::put(url).body("picture".into()).unwrap();
    assert_eq!(place.backend.fetch(request).await.status(), 200);
}

/// Uses the system's clock, because it tests real contention; it never sleeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_write_all_the_time_never_find_the_database_locked() {
    const SENDERS: usize = 4;
    const EACH: usize = 100;
    let dir = tempfile::tempdir().unwrap();
    let backends: Vec<_> = (0..4).map(|_| Arc::new(Backend::open_now(dir.path()).unwrap())).collect();
    let senders = backends.iter().flat_map(|backend| std::iter::repeat_n(backend.clone(), SENDERS)).map(|backend| {
        tokio::spawn(async move {
            for _ in 0..EACH {
                backend.ports.queue.send("message").await.unwrap();
            }
        })
    });
    let senders: Vec<_> = senders.collect();
    let expected = backends.len() * SENDERS * EACH;
    let receivers = backends.iter().cloned().map(|backend| {
        tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                let messages = backend.ports.queue.receive(10, Duration::from_secs(1), ONE_MINUTE).await.unwrap();
                if messages.is_empty() {
                    return ids;
                }
                let receipts: Vec<_> = messages.iter().map(|message| message.receipt.clone()).collect();
                assert!(backend.ports.queue.delete(&receipts).await.iter().all(Result::is_ok));
                ids.extend(messages.into_iter().map(|message| message.id));
            }
        })
    });
    let receivers: Vec<_> = receivers.collect();
    for sender in senders {
        sender.await.unwrap();
    }
    let mut ids = Vec::new();
    for receiver in receivers {
        ids.extend(receiver.await.unwrap());
    }
    assert_eq!(ids.len(), expected, "each message is received");
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), expected, "and none twice");
}
