//! Uploads through workers to `published`, in any order of their events.

use std::time::Duration;

use darkroom::event::{self, ObjectCreated};
use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason, Status};
use darkroom::worker::Ended;

use crate::images;
use crate::world::{BUCKET, Call, Options, PREFIX, When, World};

#[tokio::test(start_paused = true)]
async fn an_upload_is_published() {
    let world = World::new().await;
    let id = world.upload("cat", &images::jpeg(640, 480)).await;
    world.run_until_idle().await;
    let record = world.expect_published(&id).await;
    assert_eq!(world.faults.statuses(&id), [Status::WaitingForThumbnails, Status::Published]);
    let original = record.original.unwrap();
    assert_eq!((original.content_type.as_str(), original.width, original.height), ("image/jpeg", 640, 480));
    let published = record.published.unwrap();
    let sizes: Vec<_> = published.thumbnails.iter().map(|t| (t.size.as_str(), t.width, t.height)).collect();
    assert_eq!(sizes, [("small", 100, 75), ("medium", 500, 375), ("large", 640, 480)]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_costs_one_get_three_puts_and_two_writes() {
    let world = World::new().await;
    world.upload("cat", &images::jpeg(640, 480)).await;
    world.run_until_idle().await;
    let calls = [Call::UploadsGet, Call::ThumbnailsPut, Call::CatalogApply, Call::CatalogLook]
        .map(|call| world.faults.calls(call));
    assert_eq!(calls, [1, 3, 2, 0]);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_png_keeps_its_format() {
    let world = World::new().await;
    let id = world.upload("logo", &images::png_rgba(300, 200)).await;
    world.run_until_idle().await;
    let record = world.expect_published(&id).await;
    assert_eq!(record.published.unwrap().content_type, "image/png");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_foreign_key_gets_an_id_of_its_own() {
    let world = World::new().await;
    let id = world.upload("2024/a b+c%.jpg", &images::jpeg(64, 64)).await;
    world.run_until_idle().await;
    let record = world.expect_published(&id).await;
    assert_eq!(record.key, "uploads/2024/a b+c%.jpg");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn duplicates_of_a_published_upload_change_nothing() {
    let world = World::new().await;
    let id = world.upload("cat", &images::jpeg(64, 64)).await;
    let first = world.event_of("cat", None).await;
    world.run_until_idle().await;
    let before = world.record(&id).await;
    world.send_event(&first).await;
    let again = darkroom::event::ObjectCreated {
        sequencer: before.seq.clone(),
        version_id: Some(before.src.clone().unwrap().as_str().to_owned()),
        ..first
    };
    world.send_event(&again).await;
    world.send_event(&again).await;
    world.run_until_idle().await;
    assert_eq!(world.record(&id).await, before);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_older_event_after_a_newer_one_changes_nothing() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    let newer = world.event_of("cat", Some("20")).await;
    let older = world.event_of("cat", Some("10")).await;
    drain_queue(&world).await;
    world.send_event(&newer).await;
    world.start_worker();
    world.run_until_idle().await;
    let before = world.expect_published(&id).await;
    world.send_event(&older).await;
    world.run_until_idle().await;
    assert_eq!(world.record(&id).await, before);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_upload_of_the_same_key_is_a_new_version() {
    let world = World::new().await;
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    let first = world.expect_published(&id).await;
    world.upload("cat", &images::jpeg(200, 100)).await;
    world.run_until_idle().await;
    let second = world.expect_published(&id).await;
    assert_ne!(first.published.as_ref().unwrap().version, second.published.as_ref().unwrap().version);
    assert_eq!(second.original.unwrap().width, 200);
    world.expect_current(&id).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_newer_upload_keeps_the_published_thumbnails() {
    let world = World::new().await;
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    let first = world.expect_published(&id).await;
    world.upload("cat", b"not an image").await;
    world.run_until_idle().await;
    let record = world.expect_rejected(&id, Reason::UnsupportedType).await;
    assert_eq!(record.published, first.published);
    world.expect_thumbnails(&record).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_workers_on_one_directory_publish_everything_once() {
    let mut world = World::idle(Options::default());
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(world.upload(&format!("image-{number}"), &images::jpeg(80 + number, 60)).await);
    }
    world.start_worker();
    world.start_worker();
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
        assert_eq!(world.faults.statuses(id), [Status::WaitingForThumbnails, Status::Published]);
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn one_bad_record_does_not_hold_up_its_neighbours() {
    let mut world = World::idle(Options { max_receives: 3, ..Options::default() });
    let id = world.upload("cat", &images::jpeg(64, 64)).await;
    let good = world.event_of("cat", Some("FF")).await;
    drain_queue(&world).await;
    let mut body: serde_json::Value = serde_json::from_str(&darkroom::event::notification(&good, "etag")).unwrap();
    let mut bad = body["Records"][0].clone();
    bad["s3"]["bucket"]["name"] = "somebody-elses".into();
    body["Records"].as_array_mut().unwrap().insert(0, bad);
    world.send(&body.to_string()).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    assert_eq!(world.faults.calls(Call::ThumbnailsPut), 3, "the good record was rendered once");
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_no_uploads_end_where_they_belong() {
    let world = World::new().await;
    let marker = format!(
        r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","eventName":"ObjectCreated:Put",
            "s3":{{"bucket":{{"name":"{BUCKET}"}},
            "object":{{"key":"{PREFIX}folder/","size":0,"sequencer":"01"}}}}}}]}}"#
    );
    let outside = marker.replace(&format!("{PREFIX}folder/"), "elsewhere/cat.jpg");
    let test_event = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"photos"}"#;
    for body in [&marker, &outside, test_event] {
        world.send(body).await;
    }
    world.run_until_idle().await;
    assert_eq!(world.dead_letters().await, 0);
    world.send("this is no event").await;
    world.send(&marker.replace(BUCKET, "somebody-elses")).await;
    world.run_until_idle().await;
    assert_eq!(world.faults.calls(Call::CatalogApply), 0);
    world.finish_with_dead_letters(2).await;
}

/// A worker tries a bad file once, whether the header or only decoding shows the damage.
#[tokio::test(start_paused = true)]
async fn a_refused_upload_costs_one_attempt() {
    let jpeg = images::jpeg(64, 48);
    let corrupt = &jpeg[..jpeg.len() / 2];
    for (bytes, reason) in [(&b"a text"[..], Reason::UnsupportedType), (corrupt, Reason::Corrupt)] {
        let world = World::new().await;
        let id = world.upload("cat", bytes).await;
        world.run_until_idle().await;
        world.expect_rejected(&id, reason).await;
        let calls = [Call::UploadsGet, Call::QueueDelete, Call::QueueRelease, Call::CatalogLook]
            .map(|call| world.faults.calls(call));
        assert_eq!(calls, [1, 1, 0, 0]);
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_vanished_object_fails_without_a_dead_letter() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 64)).await;
    world.ports.uploads.delete("uploads/cat").await.unwrap();
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id, Reason::SourceMissing).await;
    world.finish().await;
}

/// The same event again in the same message, or the message again because its deletion failed.
#[tokio::test(start_paused = true)]
async fn a_vanished_object_is_no_dead_letter_however_often_its_message_names_it() {
    for is_in_one_message in [true, false] {
        let mut world = World::idle(Options::default());
        let created = world.upload_event("cat", &images::jpeg(64, 64)).await;
        world.ports.uploads.delete("uploads/cat").await.unwrap();
        if is_in_one_message {
            let text = event::notification(&created, "etag");
            let mut message: serde_json::Value = serde_json::from_str(&text).unwrap();
            let record = message["Records"][0].clone();
            message["Records"].as_array_mut().unwrap().push(record);
            world.send(&message.to_string()).await;
        } else {
            world.faults.fail(Call::QueueDelete, 1, ErrorKind::Unavailable, When::Before);
        }
        world.start_worker();
        world.run_until_idle().await;
        world.expect_failed(&ImageId::of_key(PREFIX, "uploads/cat").unwrap(), Reason::SourceMissing).await;
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_under_load_loses_nothing() {
    let mut world = World::idle(Options::default());
    let mut ids = Vec::new();
    for number in 0..30 {
        ids.push(world.upload(&format!("image-{number}"), &images::jpeg(400, 300)).await);
    }
    let begun = world.faults.reached(Call::CatalogApply, 3);
    let first = world.start_worker();
    begun.cancelled().await;
    assert_eq!(world.stop_worker(first).await, Ended::Drained);
    let queue = world.ports.queue.attributes().await.unwrap();
    assert_eq!(queue.in_flight, 0, "what had not begun was given back at once");
    assert!(queue.visible > 0, "the drain did not wait for the whole queue");
    world.start_worker();
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_sequencer_stands_for_the_current_object() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 64)).await;
    let event = world.event_of("cat", None).await;
    drain_queue(&world).await;
    world.send_event(&event).await;
    world.start_worker();
    world.run_until_idle().await;
    let before = world.expect_published(&id).await;
    world.send_event(&event).await;
    world.run_until_idle().await;
    assert_eq!(world.record(&id).await, before, "the same object again is a duplicate");
    let forced = darkroom::event::ObjectCreated { is_forced: true, ..event };
    world.send_event(&forced).await;
    world.run_until_idle().await;
    assert!(world.expect_published(&id).await.rev > before.rev, "forced, it is rendered again");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_whose_length_is_never_stated_is_read_a_few_times_only() {
    let mut world = World::idle(Options::default());
    world.faults.hide_lengths();
    let bytes = images::jpeg(640, 480);
    let id = world.upload("cat", &bytes).await;
    let event = ObjectCreated { size: Some(1), ..world.event_of("cat", None).await };
    drain_queue(&world).await;
    world.send_event(&event).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    let doublings = bytes.len().next_power_of_two().ilog2() as usize;
    let reads = world.faults.calls(Call::UploadsGet);
    assert!((2..=1 + doublings).contains(&reads), "{reads} reads of {} bytes", bytes.len());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_read_that_does_not_end_holds_up_no_drain() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail(Call::UploadsGet, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(3600)));
    let reading = world.faults.reached(Call::UploadsGet, 1);
    let worker = world.start_worker();
    reading.cancelled().await;
    let asked = tokio::time::Instant::now();
    world.stop_worker(worker).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "the drain took {:?}", asked.elapsed());
    assert_eq!(world.ports.queue.attributes().await.unwrap().visible, 1, "the message was given back");
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_ends_in_a_slash_is_an_upload_unless_its_event_states_no_bytes() {
    for (size, status) in [(None, Some(Status::Published)), (Some(1), Some(Status::Published)), (Some(0), None)] {
        let mut world = World::idle(Options::default());
        let id = world.upload("album/", &images::jpeg(64, 48)).await;
        let event = ObjectCreated { size, ..world.event_of("album/", None).await };
        drain_queue(&world).await;
        world.send_event(&event).await;
        world.start_worker();
        world.run_until_idle().await;
        let record = world.ports.catalog.get(&id).await.unwrap();
        assert_eq!(record.map(|record| record.status), status, "size {size:?}");
        world.finish().await;
    }
}

/// Removes the uploads' own events, for tests that send theirs.
pub(crate) async fn drain_queue(world: &World) {
    let (wait, hidden) = (std::time::Duration::ZERO, std::time::Duration::from_secs(30));
    loop {
        let messages = world.ports.queue.receive(10, wait, hidden).await.unwrap();
        if messages.is_empty() {
            return;
        }
        let receipts: Vec<_> = messages.into_iter().map(|message| message.receipt).collect();
        world.ports.queue.delete(&receipts).await;
    }
}
