//! The sweep finds and repairs stuck work, and changes nothing else.
//!
//! Days pass only while no worker runs: a worker polls its queue all day, which takes long even on a paused clock.

use std::time::Duration;

use darkroom::event;
use darkroom::operate::OperateError;
use darkroom::operate::sweep::{self, SweepOptions, SweepReport};
use darkroom::ports::ErrorKind;
use darkroom::recipe::THUMBNAIL_PREFIX;
use darkroom::record::{Applied, Attempt, Change, Guard, ImageId, ImageRecord, Reason, Status, Transition};

use super::{HIDDEN, seen};
use crate::images;
use crate::world::{Call, Faults, Options, PREFIX, When, World};

const DAY: Duration = Duration::from_hours(24);
const HOUR: Duration = Duration::from_hours(1);

/// Records an issued upload URL for this key, as the API does.
async fn invite(world: &World, name: &str) -> ImageId {
    let id = ImageId::parse(name).unwrap();
    let now = world.clock.now();
    let record = ImageRecord::waiting_for_upload(id.clone(), format!("{PREFIX}{name}"), now, now.plus(DAY));
    world.ports.catalog.create(&record).await.unwrap();
    id
}

/// Loses every message on the queue.
async fn lose_events(world: &World) {
    tokio::time::sleep(HIDDEN).await;
    let lost = world.ports.queue.receive(10, Duration::ZERO, HIDDEN).await.unwrap();
    assert!(!lost.is_empty());
    for message in lost {
        world.ports.queue.delete(&[message.receipt]).await.remove(0).unwrap();
    }
}

/// The report of a dry run, which must change nothing.
async fn dry_run(world: &World) -> SweepReport {
    let records = async || world.ports.catalog.scan(None).await.unwrap().records;
    let before = (records().await, world.ports.queue.attributes().await.unwrap());
    let mut report = SweepReport::default();
    let options = SweepOptions { is_dry_run: true, ..SweepOptions::default() };
    sweep::sweep(&seen(world), options, &mut report).await.unwrap();
    assert_eq!((records().await, world.ports.queue.attributes().await.unwrap()), before);
    report
}

/// If the bucket is missing, every upload looks as if it had never arrived.
#[tokio::test(start_paused = true)]
async fn a_sweep_of_a_bucket_that_does_not_exist_forgets_nothing() {
    let world = World::idle(Options::default());
    let id = invite(&world, "cat").await;
    tokio::time::sleep(2 * DAY).await;
    let faults = Faults::default();
    faults.fail(Call::UploadsCheckBucket, 1, ErrorKind::NotFound, When::Before);
    let mut report = SweepReport::default();
    let swept = sweep::sweep(&world.context(&faults), SweepOptions::default(), &mut report).await;
    assert!(matches!(swept, Err(OperateError::NoSuchBucket(_))), "{swept:?}");
    assert_eq!((report, world.record(&id).await.status), (SweepReport::default(), Status::WaitingForUpload));
    world.finish().await;
}

async fn thumbnails(world: &World) -> usize {
    world.ports.thumbnails.list(THUMBNAIL_PREFIX, None).await.unwrap().len()
}

async fn look(world: &World, id: &ImageId) -> Option<ImageRecord> {
    world.ports.catalog.get(id).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_never_came_is_forgotten() {
    let world = World::idle(Options::default());
    let id = invite(&world, "cat").await;
    assert!(world.sweep().await.is_clean());
    tokio::time::sleep(DAY + HOUR).await;
    assert_eq!(dry_run(&world).await.uploads_forgotten, 1);
    assert_eq!(world.sweep().await, SweepReport { records: 1, uploads_forgotten: 1, ..SweepReport::default() });
    assert_eq!(look(&world, &id).await, None);
    assert_eq!(world.sweep().await, SweepReport::default());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_upload_whose_event_got_lost_is_published() {
    let mut world = World::idle(Options::default());
    let id = invite(&world, "cat").await;
    world.upload("cat", &images::jpeg(64, 48)).await;
    lose_events(&world).await;
    tokio::time::sleep(DAY + HOUR).await;
    assert_eq!(dry_run(&world).await.uploads_enqueued, 1);
    assert_eq!(world.sweep().await.uploads_enqueued, 1);
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    assert!(world.sweep().await.is_clean());
    world.finish().await;
}

/// Its worker died, and then its message was lost.
#[tokio::test(start_paused = true)]
async fn an_image_that_nobody_is_at_work_on_is_published() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail(Call::ThumbnailsPut, 1, ErrorKind::Unavailable, When::KilledBefore);
    let worker = world.start_worker();
    world.wait_for_death(worker).await;
    lose_events(&world).await;
    assert_eq!(world.record(&id).await.status, Status::WaitingForThumbnails);
    assert!(world.sweep().await.is_clean(), "its event may still be on the queue");
    tokio::time::sleep(HOUR + HIDDEN).await;
    assert_eq!(dry_run(&world).await.images_enqueued, 1);
    assert_eq!(world.sweep().await.images_enqueued, 1);
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

/// The image's own event may be one of the waiting messages.
#[tokio::test(start_paused = true)]
async fn while_the_queue_is_long_nothing_is_added_to_it() {
    let mut world = World::idle(Options::default());
    let stuck = world.upload("stuck", &images::jpeg(64, 48)).await;
    world.faults.fail(Call::ThumbnailsPut, 1, ErrorKind::Unavailable, When::KilledBefore);
    let worker = world.start_worker();
    world.wait_for_death(worker).await;
    let lost = invite(&world, "lost").await;
    world.upload("lost", &images::jpeg(64, 48)).await;
    lose_events(&world).await;
    tokio::time::sleep(DAY + HOUR).await;
    for _ in 0..=SweepOptions::LONG_QUEUE {
        world.send("{\"Event\": \"s3:TestEvent\"}").await;
    }
    let later = world.sweep().await;
    assert_eq!((later.left_for_later, later.uploads_enqueued, later.images_enqueued), (2, 0, 0));
    assert_eq!(world.ports.queue.attributes().await.unwrap().visible, SweepOptions::LONG_QUEUE + 1);
    world.start_worker();
    world.run_until_idle().await;
    let now = world.sweep().await;
    assert_eq!((now.left_for_later, now.uploads_enqueued + now.images_enqueued), (0, 2));
    world.run_until_idle().await;
    world.expect_published(&lost).await;
    world.expect_published(&stuck).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_a_verdict_fails_as_killed_until_it_is_redriven() {
    let mut world = World::idle(Options::default());
    let sequenced = world.upload_event("cat", &images::jpeg(64, 48)).await;
    world.upload("dog", &images::jpeg(48, 64)).await;
    lose_events(&world).await;
    let unsequenced = world.event_of("dog", None).await;
    let mut letters = Vec::new();
    for event in [&sequenced, &unsequenced] {
        letters.push(world.ports.dead_letters.send(&event::notification(event, "")).await.unwrap());
    }
    world.ports.dead_letters.send("nonsense").await.unwrap();
    assert_eq!(dry_run(&world).await.verdicts_written, 2);
    assert_eq!(world.sweep().await.verdicts_written, 2);
    for (name, letter) in ["cat", "dog"].iter().zip(&letters) {
        let record = world.expect_failed(&ImageId::parse(name).unwrap(), Reason::Killed).await;
        assert_eq!(record.message.as_ref(), Some(letter));
    }
    let depth = world.ports.dead_letters.attributes().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (3, 0));
    assert!(world.sweep().await.is_clean());

    assert_eq!(world.redrive().await, 2);
    world.start_worker();
    world.run_until_idle().await;
    for name in ["cat", "dog"] {
        world.expect_published(&ImageId::parse(name).unwrap()).await;
    }
    world.finish_with_dead_letters(1).await;
}

/// A duplicate among the dead letters does not end another worker's claim on the image.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_leaves_alone_what_another_message_holds() {
    let mut world = World::idle(Options::default());
    let event = world.upload_event("cat", &images::jpeg(64, 48)).await;
    for event in [event.clone(), world.event_of("cat", None).await] {
        world.ports.dead_letters.send(&event::notification(&event, "")).await.unwrap();
    }
    world.faults.fail(Call::ThumbnailsPut, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(30)));
    let rendering = world.faults.reached(Call::ThumbnailsPut, 1);
    world.start_worker();
    rendering.cancelled().await;
    assert!(world.sweep().await.is_clean());
    world.run_until_idle().await;
    world.expect_published(&ImageId::parse("cat").unwrap()).await;
    assert_eq!(world.faults.calls(Call::UploadsGet), 1);
    world.finish_with_dead_letters(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_deleted_image_is_forgotten_when_no_event_can_come_any_more() {
    let mut world = World::new().await;
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    let at = world.clock.now();
    let delete = Transition {
        id: id.clone(),
        key: format!("{PREFIX}cat"),
        attempt: Attempt { token: "operator".to_owned(), message: String::new() },
        guard: Guard::Unchanged { rev: world.record(&id).await.rev },
        change: Change::Delete { forget_at: at.plus(15 * DAY) },
        at,
    };
    assert!(matches!(world.ports.catalog.update(&delete).await.unwrap(), Applied::Written { .. }));
    world.stop_worker(0).await;
    tokio::time::sleep(14 * DAY).await;
    // A worker that had not seen the deletion wrote these thumbnails.
    assert_eq!(world.sweep().await.thumbnails_removed, 3);
    assert!(look(&world, &id).await.is_some());
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(dry_run(&world).await.deletions_forgotten, 1);
    assert_eq!(world.sweep().await.deletions_forgotten, 1);
    assert_eq!(look(&world, &id).await, None);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn thumbnails_of_superseded_versions_go_after_a_day() {
    let mut world = World::new().await;
    let cat = world.upload("cat", &images::jpeg(64, 48)).await;
    let dog = world.upload("dog", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    world.stop_worker(0).await;
    tokio::time::sleep(DAY + HOUR).await;
    let worker = world.start_worker();
    world.upload("cat", &images::jpeg(48, 64)).await;
    world.run_until_idle().await;
    assert_eq!(thumbnails(&world).await, 9);
    world.stop_worker(worker).await;
    assert!(world.sweep().await.is_clean(), "their URLs were shown a moment ago");
    tokio::time::sleep(3 * HOUR).await;
    let would = dry_run(&world).await;
    let done = world.sweep().await;
    assert_eq!((done.thumbnails_removed, done), (3, would));
    assert!(done.bytes_removed > 0);
    assert_eq!(thumbnails(&world).await, 6);
    world.expect_published(&cat).await;
    world.expect_published(&dog).await;
    assert!(world.sweep().await.is_clean());
    world.finish().await;
}

/// A catalog without a record of an image may be the wrong catalog.
#[tokio::test(start_paused = true)]
async fn thumbnails_without_a_record_are_left_alone() {
    let world = World::idle(Options::default());
    let bytes = bytes::Bytes::from_static(b"a thumbnail");
    for key in ["thumbnails/nobody/v1/small.jpg", "thumbnails/readme.txt"] {
        world.ports.thumbnails.put(key, bytes.clone(), "image/jpeg", "no-store").await.unwrap();
    }
    tokio::time::sleep(2 * DAY).await;
    assert_eq!(world.sweep().await, SweepReport { thumbnails_unknown: 1, ..SweepReport::default() });
    assert_eq!(thumbnails(&world).await, 2);
    world.finish().await;
}

/// After the sweep reads the record, and before it deletes, a worker publishes the same thumbnails.
#[tokio::test(start_paused = true)]
async fn thumbnails_that_are_published_while_they_are_removed_are_made_again() {
    let mut world = World::idle(Options { max_receives: 1, ..Options::default() });
    world.faults.fail(Call::CatalogApply, 2, ErrorKind::Unavailable, When::Before);
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    let worker = world.start_worker();
    world.run_until_idle().await;
    assert_eq!(thumbnails(&world).await, 3);
    world.expect_failed(&id, Reason::Unavailable).await;
    world.stop_worker(worker).await;
    tokio::time::sleep(DAY + HOUR).await;
    world.start_worker();

    let faults = Faults::default();
    faults.fail(Call::ThumbnailsDelete, 1, ErrorKind::Unavailable, When::Late(HIDDEN));
    let removing = faults.reached(Call::ThumbnailsDelete, 1);
    let context = world.context(&faults);
    let mut report = SweepReport::default();
    let publish = async {
        removing.cancelled().await;
        assert_eq!(world.redrive().await, 1);
        world.run_until_idle().await;
        world.expect_published(&id).await;
    };
    let (swept, ()) = tokio::join!(sweep::sweep(&context, SweepOptions::default(), &mut report), publish);
    swept.unwrap();
    assert_eq!((report.thumbnails_removed, report.images_enqueued), (3, 1));
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn two_sweeps_at_once_beside_workers_do_each_repair_once() {
    let mut world = World::idle(Options::default());
    let lost = invite(&world, "lost").await;
    let never = invite(&world, "never").await;
    world.upload("lost", &images::jpeg(64, 48)).await;
    lose_events(&world).await;
    let event = world.event_of("lost", None).await;
    tokio::time::sleep(DAY + HOUR).await;
    world.ports.dead_letters.send(&event::notification(&event, "")).await.unwrap();
    world.start_worker();
    let busy = world.upload("busy", &images::jpeg(48, 64)).await;
    tokio::join!(world.sweep(), world.sweep());
    world.run_until_idle().await;
    world.redrive().await;
    world.run_until_idle().await;
    for id in [&lost, &busy] {
        world.expect_published(id).await;
    }
    assert_eq!(look(&world, &never).await, None);
    world.finish().await;
}

/// If a sweep ends early at any call, the next one finishes the work.
#[tokio::test(start_paused = true)]
async fn a_sweep_that_fails_anywhere_is_simply_repeated() {
    for call in [Call::UploadsHead, Call::QueueSend, Call::CatalogApply, Call::ThumbnailsList] {
        let mut world = World::idle(Options::default());
        let id = invite(&world, "cat").await;
        world.upload("cat", &images::jpeg(64, 48)).await;
        let dog = world.upload_event("dog", &images::jpeg(64, 48)).await;
        lose_events(&world).await;
        world.ports.dead_letters.send(&event::notification(&dog, "")).await.unwrap();
        tokio::time::sleep(DAY + HOUR).await;
        let faults = Faults::default();
        faults.fail(call, 1, ErrorKind::Unavailable, When::Before);
        let mut report = SweepReport::default();
        let failed = sweep::sweep(&world.context(&faults), SweepOptions::default(), &mut report).await.unwrap_err();
        assert!(failed.to_string().contains("unavailable"), "{call:?}: {failed}");
        world.sweep().await;
        world.redrive().await;
        world.start_worker();
        world.run_until_idle().await;
        world.expect_published(&id).await;
        world.expect_published(&ImageId::parse("dog").unwrap()).await;
        world.finish().await;
    }
}

/// One sweep is killed at a call, then two run at once: they finish its work, and repair nothing wrongly.
#[tokio::test(start_paused = true)]
async fn after_a_sweep_that_is_killed_two_at_once_finish_its_work() {
    for (call, when) in [
        (Call::UploadsHead, When::KilledBefore),
        (Call::QueueSend, When::KilledBefore),
        (Call::QueueSend, When::KilledAfter),
        (Call::CatalogApply, When::KilledAfter),
        (Call::ThumbnailsDelete, When::KilledBefore),
        (Call::ThumbnailsDelete, When::KilledAfter),
    ] {
        let mut world = World::new().await;
        let old = world.upload("old", &images::jpeg(64, 48)).await;
        world.run_until_idle().await;
        world.upload("old", &images::jpeg(48, 64)).await;
        world.run_until_idle().await;
        world.stop_worker(0).await;
        let lost = invite(&world, "lost").await;
        let never = invite(&world, "never").await;
        world.upload("lost", &images::jpeg(64, 48)).await;
        let dead = world.upload_event("dead", &images::jpeg(64, 48)).await;
        lose_events(&world).await;
        world.ports.dead_letters.send(&event::notification(&dead, "")).await.unwrap();
        tokio::time::sleep(DAY + 3 * HOUR).await;

        let faults = Faults::default();
        faults.fail(call, 1, ErrorKind::Unavailable, when);
        let (context, mut report) = (world.context(&faults), SweepReport::default());
        tokio::select! {
            ended = sweep::sweep(&context, SweepOptions::default(), &mut report) => panic!("{call:?}: {ended:?}"),
            () = faults.severed() => {}
        }
        tokio::join!(world.sweep(), world.sweep());
        // The messages that the killed sweep received become visible again.
        tokio::time::sleep(HIDDEN).await;
        world.sweep().await;
        assert_eq!(thumbnails(&world).await, 3, "{call:?}, {when:?}: the superseded ones are gone");
        assert_eq!(look(&world, &never).await, None);
        world.expect_failed(&ImageId::parse("dead").unwrap(), Reason::Killed).await;
        world.start_worker();
        world.redrive().await;
        world.run_until_idle().await;
        for id in [&old, &lost, &ImageId::parse("dead").unwrap()] {
            world.expect_published(id).await;
        }
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_machine_sweeps_every_hour() {
    let world = World::idle(Options::default());
    let sweeping = tokio::spawn(sweep::hourly(seen(&world), SweepOptions::default()));
    for name in ["cat", "dog"] {
        let id = invite(&world, name).await;
        tokio::time::sleep(DAY).await;
        assert!(look(&world, &id).await.is_some());
        tokio::time::sleep(2 * HOUR).await;
        assert_eq!(look(&world, &id).await, None);
    }
    sweeping.abort();
    world.finish().await;
}

#[test]
fn the_report_counts_what_was_done() {
    let report = SweepReport { records: 7, verdicts_written: 2, ..SweepReport::default() };
    assert!(!report.is_clean());
    let text = report.to_string();
    assert!(text.contains("records looked at                        7\n"), "{text}");
    assert!(text.contains("dead letters without verdict, failed     2\n"), "{text}");
}
