//! The sweep deletes superseded and refused originals if the settings enable it, and no other originals.

use std::time::Duration;

use darkroom::operate::sweep::{self, SweepOptions, SweepReport};
use darkroom::ports::ErrorKind;
use darkroom::ports::objects::Fetched;
use darkroom::record::{ImageId, ImageRecord, Reason, SCHEMA, SourceId};

use super::seen;
use crate::images;
use crate::world::{Call, Faults, Options, PREFIX, When, World};

const AFTER: Duration = Duration::from_hours(48);
/// Longer than a few sweeps, which wait for dead letters.
const MOMENT: Duration = Duration::from_mins(5);

fn options() -> SweepOptions {
    SweepOptions { delete_originals_after: Some(AFTER), ..SweepOptions::default() }
}

async fn swept(world: &World, options: SweepOptions) -> SweepReport {
    let mut report = SweepReport::default();
    sweep::sweep(&seen(world), options, &mut report).await.unwrap();
    report
}

/// The number of originals that a sweep would remove; the sweep then removes them.
async fn removed(world: &World) -> u64 {
    let would = swept(world, SweepOptions { is_dry_run: true, ..options() }).await;
    let before = originals(world).await;
    assert_eq!(swept(world, SweepOptions { is_dry_run: true, ..options() }).await, would);
    assert_eq!(originals(world).await, before, "a dry run removes nothing");
    let report = swept(world, options()).await;
    assert_eq!(report, would);
    assert_eq!(report.originals_removed == 0, report.original_bytes_removed == 0);
    assert_eq!(originals(world).await.len() as u64, before.len() as u64 - report.originals_removed);
    report.originals_removed
}

/// The identities of all versions of all uploads.
async fn originals(world: &World) -> Vec<SourceId> {
    let page = world.ports.uploads.list_versions(PREFIX, None).await.unwrap();
    page.versions.into_iter().map(|version| version.src).collect()
}

/// Creates the record that the API creates before it returns an upload URL.
async fn invite(world: &World, name: &str) -> ImageId {
    let (id, now) = (ImageId::parse(name).unwrap(), world.clock.now());
    let record = ImageRecord::waiting_for_upload(id.clone(), format!("{PREFIX}{name}"), now, now.plus(AFTER));
    world.ports.catalog.create(&record).await.unwrap();
    id
}

/// A world whose image `cat` was created through the API, and then had these uploads in order.
async fn after(uploads: &[&[u8]]) -> (World, ImageId, Vec<SourceId>) {
    let mut world = World::idle(Options::default());
    let id = invite(&world, "cat").await;
    let worker = world.start_worker();
    let mut sources = Vec::new();
    for bytes in uploads {
        world.upload("cat", bytes).await;
        sources.push(world.ports.uploads.head("uploads/cat").await.unwrap().src);
        world.run_until_idle().await;
    }
    world.stop_worker(worker).await;
    (world, id, sources)
}

/// Waits until this time has passed since the verdict.
async fn wait(world: &World, id: &ImageId, age: Duration) {
    let verdict = world.record(id).await.verdict_at().expect("a verdict of this build");
    tokio::time::sleep(age.saturating_sub(world.clock.now().since(verdict))).await;
}

#[tokio::test(start_paused = true)]
async fn superseded_originals_go_and_the_current_one_stays() {
    let pictures = [images::jpeg(64, 48), images::jpeg(48, 64), images::jpeg(32, 32)];
    let (world, id, sources) = after(&[&pictures[0], &pictures[1], &pictures[2]]).await;
    wait(&world, &id, AFTER - MOMENT).await;
    assert_eq!(removed(&world).await, 0, "not before its time");
    tokio::time::sleep(2 * MOMENT).await;
    assert_eq!(removed(&world).await, 2);
    assert_eq!(originals(&world).await, sources[2..]);
    world.expect_published(&id).await;
    world.expect_current(&id).await;
    assert_eq!(removed(&world).await, 0);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_refused_original_goes_and_its_verdict_stays() {
    let (world, id, _) = after(&[b"no picture", b"nor this"]).await;
    wait(&world, &id, AFTER - MOMENT).await;
    assert_eq!(removed(&world).await, 0, "not before its time");
    tokio::time::sleep(2 * MOMENT).await;
    assert_eq!(removed(&world).await, 2);
    world.expect_rejected(&id, Reason::UnsupportedType).await;
    assert_eq!(removed(&world).await, 0);
    world.finish().await;
}

/// The published thumbnails belong to the previous upload.
#[tokio::test(start_paused = true)]
async fn of_a_published_image_only_the_refused_upload_goes() {
    let picture = images::jpeg(64, 48);
    let (world, id, sources) = after(&[&picture, b"no picture"]).await;
    wait(&world, &id, AFTER + MOMENT).await;
    assert_eq!(removed(&world).await, 1);
    assert_eq!(originals(&world).await, sources[..1]);
    let Fetched::Whole(info, bytes) = world.ports.uploads.get("uploads/cat", None, u64::MAX).await.unwrap() else {
        panic!("a picture of a few bytes is too large")
    };
    assert_eq!((&info.src, &bytes[..]), (&sources[0], &picture[..]), "what was published is current again");
    assert!(world.record(&id).await.published.is_some());
    assert_eq!(removed(&world).await, 0);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_without_a_verdict_keeps_all_originals() {
    let (mut world, id, _) = after(&[&images::jpeg(64, 48), &images::jpeg(48, 64)]).await;
    world.upload("cat", b"not seen by a worker yet").await;
    wait(&world, &id, AFTER + MOMENT).await;
    assert_eq!(removed(&world).await, 0);
    assert_eq!(originals(&world).await.len(), 3);
    world.start_worker();
    world.run_until_idle().await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_others_chose_and_verdicts_of_older_builds_are_left_alone() {
    let (world, id, _) = after(&[&images::jpeg(64, 48), &images::jpeg(48, 64)]).await;
    wait(&world, &id, AFTER + MOMENT).await;
    let new = world.record(&id).await;
    let store = async |record: &ImageRecord| {
        world.ports.catalog.delete(&id, None).await.unwrap();
        world.ports.catalog.create(record).await.unwrap();
    };
    for old in [
        ImageRecord { by_api: false, ..new.clone() },
        ImageRecord { settled_at: None, ..new.clone() },
        // An older build replaced a newer build's verdict.
        ImageRecord { updated_at: new.updated_at.plus(MOMENT), ..new.clone() },
        ImageRecord { key: "uploads/another".to_owned(), ..new.clone() },
        ImageRecord { v: SCHEMA + 1, ..new.clone() },
    ] {
        store(&old).await;
        assert_eq!(removed(&world).await, 0, "{old:?}");
    }
    store(&new).await;
    assert_eq!(swept(&world, SweepOptions::default()).await.originals_removed, 0, "the settings do not ask for it");
    assert_eq!(removed(&world).await, 1);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_without_a_record_of_the_api_is_left_alone() {
    let mut world = World::idle(Options::default());
    let worker = world.start_worker();
    for bytes in [&images::jpeg(64, 48), &images::jpeg(48, 64), &b"no picture".to_vec()] {
        world.upload("2024/cat.jpg", bytes).await;
        world.upload("dog", bytes).await;
        world.run_until_idle().await;
    }
    world.stop_worker(worker).await;
    tokio::time::sleep(2 * AFTER).await;
    assert_eq!(removed(&world).await, 0);
    assert_eq!(originals(&world).await.len(), 6);
    world.finish().await;
}

/// After a kill or a failure at any call, the state is consistent and the next sweep finishes.
#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_at_any_removal_is_simply_repeated() {
    for (call, n) in [
        (Call::UploadsListVersions, 1),
        (Call::CatalogLook, 1),
        (Call::UploadsDeleteVersion, 1),
        (Call::UploadsDeleteVersion, 2),
    ] {
        let (world, id, sources) = after(&[b"no picture", b"nor this"]).await;
        wait(&world, &id, AFTER + MOMENT).await;
        let faults = Faults::default();
        faults.fail(call, n, ErrorKind::Unavailable, When::Before);
        let mut report = SweepReport::default();
        sweep::sweep(&world.context(&faults), options(), &mut report).await.unwrap_err();
        assert_eq!(report.originals_removed, if n == 2 { 1 } else { 0 });
        let current = world.ports.uploads.head("uploads/cat").await.unwrap().src;
        assert_eq!(current, sources[1], "the current one goes last: {call:?} {n}");
        removed(&world).await;
        assert_eq!(originals(&world).await, []);
        world.finish().await;
    }
}
