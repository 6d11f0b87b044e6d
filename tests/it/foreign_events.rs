//! Events that other systems write: imitations by EventBridge's input transformers, MinIO's form, Ceph's form.

use darkroom::ports::ErrorKind;
use darkroom::record::{Attempt, Change, Guard, ImageId, Reason, Status, Transition};
use serde_json::{Value, json};

use crate::flow::drain_queue;
use crate::images;
use crate::world::{BUCKET, Call, Options, PREFIX, When, World};

/// A key as its owner writes it; decoding gives another one.
const RAW: &str = "a+b 100%.jpg";
const DECODED: &str = "a b 100%.jpg";

fn notification(source: Option<&str>, object: &Value) -> String {
    let place = json!({ "bucket": { "name": BUCKET }, "object": object });
    let record = json!({ "eventSource": source, "eventName": "s3:ObjectCreated:Put", "s3": place });
    json!({ "Records": [record] }).to_string()
}

fn id_of(name: &str) -> ImageId {
    ImageId::of_key(PREFIX, &format!("{PREFIX}{name}")).unwrap()
}

/// A world with these objects, whose own events are removed.
async fn world_with(names: &[&str]) -> World {
    let world = World::idle(Options::default());
    for name in names {
        world.upload(name, &images::jpeg(64, 48)).await;
    }
    drain_queue(&world).await;
    world
}

async fn expect_no_record(world: &World, name: &str) {
    assert_eq!(world.ports.catalog.get(&id_of(name)).await.unwrap(), None, "{name}");
}

/// Closes the record as `DELETE /images/{id}` does.
async fn delete_record(world: &World, name: &str) {
    let id = id_of(name);
    let at = world.clock.now();
    let deletion = Transition {
        key: format!("{PREFIX}{name}"),
        attempt: Attempt::begin("the API").unwrap(),
        guard: Guard::Unchanged { rev: world.record(&id).await.rev },
        change: Change::Delete { forget_at: at },
        id,
        at,
    };
    world.ports.catalog.update(&deletion).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_not_encoded_finds_its_object() {
    for source in [Some("aws:s3"), Some("minio:s3"), None] {
        let mut world = world_with(&[RAW]).await;
        world.send(&notification(source, &json!({ "key": format!("{PREFIX}{RAW}"), "sequencer": "0A" }))).await;
        world.start_worker();
        world.run_until_idle().await;
        let record = world.expect_published(&id_of(RAW)).await;
        assert_eq!((&*record.key, record.seq), (&*format!("{PREFIX}{RAW}"), None), "it has no order");
        expect_no_record(&world, DECODED).await;
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_decoded_key_comes_before_the_raw_one() {
    let mut world = world_with(&[RAW, DECODED]).await;
    world.send(&notification(Some("aws:s3"), &json!({ "key": format!("{PREFIX}{RAW}") }))).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id_of(DECODED)).await;
    expect_no_record(&world, RAW).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_under_neither_key_is_gone_under_the_decoded_one() {
    let mut world = world_with(&[]).await;
    world.send(&notification(Some("aws:s3"), &json!({ "key": format!("{PREFIX}{RAW}"), "sequencer": "0A" }))).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id_of(DECODED), Reason::SourceMissing).await;
    expect_no_record(&world, RAW).await;
    world.finish().await;
}

/// darkroom encodes the keys of its own events, so a key that is missing is gone.
#[tokio::test(start_paused = true)]
async fn an_event_of_darkrooms_own_has_one_key() {
    let mut world = World::idle(Options::default());
    let id = world.upload(DECODED, &images::jpeg(64, 48)).await;
    world.ports.uploads.delete(&format!("{PREFIX}{DECODED}")).await.unwrap();
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id, Reason::SourceMissing).await;
    assert_eq!(world.faults.calls(Call::UploadsGet), 1);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn minios_version_of_a_bucket_without_versions_is_the_current_object() {
    for name in ["cat.jpg", "a b.jpg"] {
        let mut world = world_with(&[name]).await;
        let key = format!("{PREFIX}{name}").replace('/', "%2F").replace(' ', "+");
        let object = json!({ "key": key, "versionId": "1", "sequencer": "17B2C3D4E5F60718" });
        world.send(&notification(Some("minio:s3"), &object)).await;
        world.start_worker();
        world.run_until_idle().await;
        let record = world.expect_published(&id_of(name)).await;
        assert_eq!(record.seq, None, "an attempt without its version has no order");
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_version_that_s3_names_and_does_not_have_is_gone() {
    let mut world = world_with(&["cat"]).await;
    let object = json!({ "key": format!("{PREFIX}cat"), "versionId": "1", "sequencer": "0A" });
    world.send(&notification(Some("aws:s3"), &object)).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id_of("cat"), Reason::SourceMissing).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_by_raw_key_or_without_its_version_revives_no_deleted_image() {
    let raw = json!({ "key": format!("{PREFIX}{RAW}"), "sequencer": "FF" });
    let without_version = json!({ "key": format!("{PREFIX}cat"), "versionId": "1", "sequencer": "FF" });
    for (name, object) in [(RAW, raw), ("cat", without_version)] {
        let mut world = world_with(&[name]).await;
        let body = notification(Some("minio:s3"), &object);
        world.send(&body).await;
        world.start_worker();
        world.run_until_idle().await;
        world.expect_published(&id_of(name)).await;
        delete_record(&world, name).await;
        world.send(&body).await;
        world.run_until_idle().await;
        assert_eq!(world.record(&id_of(name)).await.status, Status::Deleted, "{name}");
        world.finish().await;
    }
}

/// Ceph's sequencer is a little-endian time, so that of a newer upload may be smaller.
#[tokio::test(start_paused = true)]
async fn a_sequencer_of_ceph_keeps_no_newer_upload_out() {
    let mut world = world_with(&["cat"]).await;
    for (sequencer, width) in [("FF01", 64), ("0102", 200)] {
        world.upload("cat", &images::jpeg(width, 48)).await;
        drain_queue(&world).await;
        let object = json!({ "key": format!("{PREFIX}cat"), "versionId": "", "sequencer": sequencer });
        world.send(&notification(Some("ceph:s3"), &object)).await;
        let worker = world.start_worker();
        world.run_until_idle().await;
        world.stop_worker(worker).await;
        let record = world.expect_published(&id_of("cat")).await;
        assert_eq!(record.original.unwrap().width, width);
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_of_a_raw_key_is_told_by_the_image_that_was_found() {
    let mut world = world_with(&[RAW]).await;
    world.faults.fail_many(Call::ThumbnailsPut, 1, usize::MAX, ErrorKind::Damaged, When::Before);
    world.send(&notification(None, &json!({ "key": format!("{PREFIX}{RAW}") }))).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id_of(RAW), Reason::Unavailable).await;
    assert_eq!(world.sweep().await.verdicts_written, 0, "its verdict is the record's");
    expect_no_record(&world, DECODED).await;
    world.faults.heal();
    assert_eq!(world.redrive().await, 1);
    world.run_until_idle().await;
    world.expect_published(&id_of(RAW)).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_cloudtrail_writes_and_a_mere_detail_are_dead_letters() {
    let mut world = world_with(&[]).await;
    let object = json!({ "bucket": { "name": BUCKET }, "object": { "key": format!("{PREFIX}cat") } });
    world.send(&json!({ "source": "aws.s3", "detail-type": "AWS API Call via CloudTrail" }).to_string()).await;
    world
        .send(&json!({ "Records": [{ "eventSource": "s3.amazonaws.com", "eventName": "PutObject" }] }).to_string())
        .await;
    world.send(&object.to_string()).await;
    world.start_worker();
    world.run_until_idle().await;
    world.finish_with_dead_letters(3).await;
}
