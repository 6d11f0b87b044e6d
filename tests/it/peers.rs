//! Faults from the issue threads of comparable systems, by name, which darkroom must not have.
//!
//! Other tests cover: bad records and unreadable messages (`flow`), deaths and outages (`faults`), overwritten keys and
//! duplicates (the catalog's contract), loops of thumbnails (the settings' tests), truncated and changed bodies (the
//! adapter's tests), redelivery (the queue's contract).

use std::time::Duration;

use darkroom::ports::ErrorKind;
use darkroom::record::Status;
use tokio::time::Instant;

use crate::images;
use crate::world::{Call, Options, When, World};

const SLOW: Duration = Duration::from_secs(40);

/// A world with leases of this length, whose puts take far longer.
fn slow_world(visibility: Duration, slots: usize) -> World {
    let world = World::idle(Options { visibility, slots, ..Options::default() });
    world.faults.fail_many(Call::ThumbnailsPut, 1, usize::MAX, ErrorKind::Unavailable, When::Late(SLOW));
    world
}

async fn upload(world: &World, count: usize) -> Vec<darkroom::record::ImageId> {
    let mut ids = Vec::new();
    for number in 0..count {
        ids.push(world.upload(&format!("image-{number}"), &images::jpeg(24, 16)).await);
    }
    ids
}

/// One attempt claimed and published each image, although its work took longer than several leases.
async fn expect_one_attempt_each(world: &World, ids: &[darkroom::record::ImageId]) {
    for id in ids {
        world.expect_published(id).await;
        assert_eq!(world.faults.statuses(id), [Status::WaitingForThumbnails, Status::Published]);
    }
    assert_eq!(world.faults.calls(Call::UploadsGet), ids.len());
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_keeps_up_with_the_shortest_timeouts() {
    for seconds in [2, 3, 5, 10] {
        let mut world = slow_world(Duration::from_secs(seconds), 2);
        let ids = upload(&world, 2).await;
        world.start_worker();
        world.start_worker();
        world.run_until_idle().await;
        expect_one_attempt_each(&world, &ids).await;
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_wait_in_the_worker_are_kept_too() {
    let mut world = slow_world(Duration::from_secs(10), 1);
    let ids = upload(&world, 6).await;
    world.start_worker();
    // By now the worker has received all messages; the other worker may only get those that it releases.
    tokio::time::sleep(Duration::from_secs(5)).await;
    world.start_worker();
    world.run_until_idle().await;
    expect_one_attempt_each(&world, &ids).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_heartbeat_goes_on_while_a_worker_drains() {
    let mut world = slow_world(Duration::from_secs(5), 2);
    let ids = upload(&world, 2).await;
    let claimed = world.faults.reached(Call::ThumbnailsPut, 4);
    let draining = world.start_worker();
    claimed.cancelled().await;
    world.start_worker();
    world.stop_worker(draining).await;
    world.run_until_idle().await;
    expect_one_attempt_each(&world, &ids).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn no_beat_follows_a_retry_delay_or_a_delete() {
    let mut world = World::idle(Options { visibility: Duration::from_secs(3), ..Options::default() });
    let id = upload(&world, 1).await.remove(0);
    world.faults.fail_many(Call::UploadsGet, 1, 6, ErrorKind::Damaged, When::Before);
    let releases = (1..=6).map(|n| world.faults.reached(Call::QueueRelease, n));
    let settled: Vec<_> = releases.chain([world.faults.reached(Call::QueueDelete, 1)]).collect();
    world.start_worker();
    let mut looks = 0;
    for (before, settled) in settled.iter().enumerate() {
        settled.cancelled().await;
        let beats = world.faults.calls(Call::QueueExtend);
        // Longer than the interval of lease renewal, and often shorter than the retry delay.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        if world.faults.calls(Call::UploadsGet) == before + 1 {
            assert_eq!(world.faults.calls(Call::QueueExtend), beats, "a beat after it was settled {}", before + 1);
            looks += 1;
        }
    }
    assert!(looks >= 2, "the retries came too soon to look in between");
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

/// Otherwise its messages would stay hidden for their whole timeout.
#[tokio::test(start_paused = true)]
async fn a_receive_that_ends_after_the_signal_is_given_back_at_once() {
    let mut world = World::idle(Options { visibility: Duration::from_secs(3600), ..Options::default() });
    let ids = upload(&world, 3).await;
    world.faults.fail(Call::QueueReceive, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(5)));
    let receiving = world.faults.reached(Call::QueueReceive, 1);
    let stopped = world.start_worker();
    receiving.cancelled().await;
    world.stop_worker(stopped).await;
    let queue = world.ports.queue.attributes().await.unwrap();
    assert_eq!((queue.visible, queue.in_flight, queue.delayed), (3, 0, 0));
    assert_eq!(world.faults.calls(Call::UploadsGet), 0);
    world.start_worker();
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_sleep_out_a_backoff() {
    let mut world = World::idle(Options::default());
    world.faults.fail_many(Call::QueueReceive, 1, usize::MAX, ErrorKind::Unavailable, When::Before);
    let number = world.start_worker();
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    let begun = Instant::now();
    world.stop_worker(number).await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    world.finish().await;
}

/// A worker whose lease expires during its work stops the work, and the next worker's result counts.
#[tokio::test(start_paused = true)]
async fn a_lost_lease_ends_the_work_and_the_next_worker_publishes() {
    let mut world = World::idle(Options { visibility: Duration::from_secs(5), ..Options::default() });
    let id = upload(&world, 1).await.remove(0);
    world.faults.fail_many(Call::ThumbnailsPut, 1, 3, ErrorKind::Unavailable, When::Late(SLOW));
    world.faults.fail_many(Call::QueueExtend, 1, 3, ErrorKind::Unavailable, When::Before);
    world.start_worker();
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&id).await;
    let working = Status::WaitingForThumbnails;
    assert_eq!(world.faults.statuses(&id), [working, working, Status::Published]);
    // The first worker never tried to publish.
    tokio::time::sleep(2 * SLOW).await;
    assert_eq!(world.faults.calls(Call::CatalogApply), 3);
    world.finish().await;
}
