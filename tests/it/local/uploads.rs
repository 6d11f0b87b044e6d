//! The backend stores an upload and its event together; an upload also removes versions replaced an hour before.

use std::time::Duration;

use darkroom::record::Sequencer;

use super::{BUCKET, LARGE, Place};

#[tokio::test(start_paused = true)]
async fn an_upload_puts_the_event_of_s3_on_the_queue() {
    let place = Place::new();
    place.backend.put("uploads/a b+c%.jpg", b"picture").await;
    let info = place.backend.ports.uploads.head("uploads/a b+c%.jpg").await.unwrap();
    let events = place.backend.events().await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.bucket.as_str(), event.key.as_str()), (BUCKET, "uploads/a b+c%.jpg"));
    assert_eq!((event.size, event.at), (Some(7), Some(info.modified_at)));
    assert_eq!(event.version_id.as_deref(), Some(info.src.as_str()));
    assert!(event.sequencer.is_some());
}

#[tokio::test(start_paused = true)]
async fn sequencers_grow_over_restarts_and_deletes() {
    let mut place = Place::new();
    let mut sequencers: Vec<Sequencer> = Vec::new();
    for _ in 0..3 {
        place.backend.put("uploads/cat", b"picture").await;
        place.backend.ports.uploads.delete("uploads/cat").await.unwrap();
        sequencers.extend(place.backend.events().await.into_iter().map(|event| event.sequencer.unwrap()));
        place.backend = place.open_again();
    }
    assert!(sequencers.is_sorted_by(|one, two| one < two), "{sequencers:?}");
    assert_eq!(sequencers.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn objects_outside_the_upload_prefix_send_no_event_and_keep_no_versions() {
    let place = Place::new();
    for _ in ["old", "new"] {
        place.backend.put("thumbnails/cat/large.png", &LARGE).await;
    }
    assert_eq!(place.backend.events().await, []);
    assert_eq!(place.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_event_reads_the_bytes_that_it_names() {
    let place = Place::new();
    for bytes in [&b"first"[..], b"second"] {
        place.backend.put("uploads/cat", bytes).await;
    }
    let events = place.backend.events().await;
    let versions: Vec<_> = events.iter().map(|event| event.version_id.as_deref()).collect();
    assert_eq!(place.backend.get("uploads/cat", versions[0]).await.unwrap(), "first");
    assert_eq!(place.backend.get("uploads/cat", versions[1]).await.unwrap(), "second");
}

#[tokio::test(start_paused = true)]
async fn a_superseded_version_goes_with_an_upload_an_hour_later() {
    let place = Place::new();
    for (bytes, minutes, left) in [(&b"first"[..], 59, 1), (b"second", 59, 2), (b"third", 2, 3), (b"fourth", 0, 3)] {
        place.backend.put("uploads/cat", bytes).await;
        assert_eq!(place.objects().len(), left);
        tokio::time::sleep(Duration::from_secs(60 * minutes)).await;
    }
    let events = place.backend.events().await;
    assert_eq!(place.backend.get("uploads/cat", events[0].version_id.as_deref()).await, None);
    assert_eq!(place.backend.get("uploads/cat", events[1].version_id.as_deref()).await.unwrap(), "second");
    assert_eq!(place.backend.get("uploads/cat", None).await.unwrap(), "fourth");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_object_leaves_no_file() {
    let place = Place::new();
    for key in ["uploads/cat", "uploads/cat", "uploads/dog", "thumbnails/cat"] {
        place.backend.put(key, &LARGE).await;
    }
    assert_eq!(place.objects().len(), 4);
    for key in ["uploads/cat", "uploads/dog", "thumbnails/cat", "uploads/none"] {
        place.backend.ports.uploads.delete(key).await.unwrap();
    }
    assert_eq!((place.objects(), place.incoming()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_damaged_on_the_disk_is_not_taken_for_the_upload() {
    let place = Place::new();
    place.backend.put("uploads/cat", b"picture").await;
    for damaged in [&b"pictur"[..], b"Picture", b"pictures", b""] {
        std::fs::write(&place.objects()[0], damaged).unwrap();
        let read = place.backend.ports.uploads.get("uploads/cat", None, 1000).await;
        assert_eq!(read.unwrap_err().kind, darkroom::ports::ErrorKind::Damaged);
    }
}
