//! The trouble of one object is that object's alone: archived and denied objects among good ones.

use std::time::Duration;

use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason};
use tokio::time::Instant;

use crate::images;
use crate::world::{Call, Options, When, World};

const GOOD: usize = 100;

/// Uploads an archived and a denied object before every tenth good one, if `has_odd_ones`. Returns how long the clock
/// ran until every good one was published, and the odd ones.
async fn publish_among(has_odd_ones: bool) -> (World, Duration, Vec<ImageId>) {
    let mut world = World::idle(Options::default());
    world.faults.fail_reads_of("archived", ErrorKind::Archived);
    world.faults.fail_reads_of("denied", ErrorKind::Denied);
    let photo = images::jpeg(32, 24);
    let (mut good, mut odd) = (Vec::new(), Vec::new());
    for number in 0..GOOD {
        if has_odd_ones && number % 10 == 0 {
            odd.push(world.upload(&format!("archived-{number}"), &photo).await);
            odd.push(world.upload(&format!("denied-{number}"), &photo).await);
        }
        good.push(world.upload(&format!("good-{number}"), &photo).await);
    }
    let started = Instant::now();
    world.start_worker();
    for id in &good {
        while world.ports.catalog.get(id).await.unwrap().is_none_or(|record| record.published.is_none()) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            assert!(started.elapsed() < Duration::from_secs(600), "{id} is late");
        }
    }
    let elapsed = started.elapsed();
    world.run_until_idle().await;
    (world, elapsed, odd)
}

/// On the paused clock only pauses take time: those of the breaker, or of a retry.
#[tokio::test(start_paused = true)]
async fn archived_and_denied_objects_hold_up_no_others() {
    let (usual, usual_time, _) = publish_among(false).await;
    usual.finish().await;
    let (world, time, odd) = publish_among(true).await;
    // The first of a worker's objects may open the breaker once, until one of its neighbours succeeds.
    assert!(time <= usual_time.mul_f64(1.0 / 0.9) + Duration::from_secs(1), "{time:?} instead of {usual_time:?}");
    for id in &odd {
        let reason = if id.as_str().starts_with("archived") { Reason::Archived } else { Reason::Unavailable };
        world.expect_failed(id, reason).await;
    }
    assert_eq!(world.dead_letters().await, odd.len() as u64);

    // Restored and allowed again, they are redriven.
    world.faults.heal();
    assert_eq!(world.redrive().await, odd.len() as u64);
    world.run_until_idle().await;
    for id in &odd {
        assert_eq!(world.expect_published(id).await.v, 1);
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_archived_object_fails_at_its_first_receive_for_a_reason_that_older_builds_leave_alone() {
    let mut world = World::idle(Options::default());
    world.faults.fail_reads_of("archived", ErrorKind::Archived);
    let id = world.upload("archived", &images::jpeg(32, 24)).await;
    world.start_worker();
    world.run_until_idle().await;
    let record = world.expect_failed(&id, Reason::Archived).await;
    assert_eq!((record.v, record.rev), (3, 1));
    assert_eq!(world.faults.calls(Call::UploadsGet), 1);
    world.finish_with_dead_letters(1).await;
}

/// Refused files and duplicates among the images do not end the outage, although they succeed.
#[tokio::test(start_paused = true)]
async fn with_puts_alone_denied_nothing_becomes_a_dead_letter() {
    let photo = images::jpeg(32, 24);
    for has_worked_before in [false, true] {
        let mut world = World::idle(Options::default());
        let mut good = Vec::new();
        if has_worked_before {
            world.start_worker();
            good.push(world.upload("before", &photo).await);
            world.run_until_idle().await;
        }
        world.faults.fail_many(Call::ThumbnailsPut, 1, usize::MAX, ErrorKind::Denied, When::Before);
        let mut text = Vec::new();
        for number in 0..120 {
            good.push(world.upload(&format!("good-{number}"), &photo).await);
            text.push(world.upload(&format!("text-{number}"), b"a text").await);
        }
        if !has_worked_before {
            world.start_worker();
        }
        tokio::time::sleep(Duration::from_secs(30 * 60)).await;
        assert_eq!(world.dead_letters().await, 0);
        world.faults.heal();
        world.run_until_idle().await;
        for id in &good {
            world.expect_published(id).await;
        }
        for id in &text {
            world.expect_rejected(id, Reason::UnsupportedType).await;
        }
        world.finish().await;
    }
}
