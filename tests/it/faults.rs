//! Faults: every call of every port that fails at every turn, and dead workers; the end is always the same.

use std::time::Duration;

use darkroom::ports::ErrorKind;
use darkroom::record::{Reason, Status};

use crate::images;
use crate::world::{Options, When, World};

/// Calls that a worker makes for one upload.
const CALLS: [&str; 5] = ["queue.receive", "uploads.get", "catalog.apply", "thumbnails.put", "queue.delete"];

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_the_image_is_published() {
    for when in [When::Before, When::After] {
        for call in CALLS {
            for n in 1..=3 {
                let mut world = World::idle(Options { visibility: Duration::from_secs(30), ..Options::default() });
                world.faults.fail(call, n, ErrorKind::Unavailable, when);
                let id = world.upload("cat", &images::jpeg(64, 48)).await;
                world.start_worker();
                world.run_until_idle().await;
                let record = world.expect_published(&id).await;
                assert_eq!(record.deaths, 0);
                let is_reached = n == 1 || matches!((call, n), ("catalog.apply", 2) | ("thumbnails.put", _));
                assert!(world.faults.fired() == 1 || !is_reached, "{call} {n}: the fault never fired");
                world.finish().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_outlives_every_receive_is_a_dead_letter_that_says_why() {
    let mut world = World::idle(Options { max_receives: 3, ..Options::default() });
    world.faults.fail_many("uploads.get", 1, 1000, ErrorKind::Damaged, When::Before);
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.start_worker();
    world.run_until_idle().await;
    let record = world.expect_failed(&id, Reason::Unavailable).await;
    assert!(record.last_error.unwrap().contains("uploads.get"));
    assert_eq!(world.faults.calls("uploads.get"), 3);

    // A redrive brings the event with a message of its own, and takes the image up again.
    world.faults.heal();
    world.redrive().await;
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

/// The worker takes its own success for a failure, at worst with no receive left.
#[tokio::test(start_paused = true)]
async fn a_decision_whose_answer_is_lost_stands() {
    for max_receives in [1, 10] {
        for (bytes, calls, status) in
            [(images::jpeg(64, 48), 2, Status::Published), (b"a text".to_vec(), 1, Status::InvalidContentType)]
        {
            let mut world = World::idle(Options { max_receives, ..Options::default() });
            let id = world.upload("cat", &bytes).await;
            world.faults.fail("catalog.apply", calls, ErrorKind::Unavailable, When::After);
            world.start_worker();
            world.run_until_idle().await;
            assert_eq!(world.record(&id).await.status, status);
            assert_eq!(world.faults.statuses(&id).iter().filter(|written| **written == status).count(), 1);
            world.finish().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_twenty_minute_outage_dead_letters_nothing() {
    for uploads in [1, 30] {
        let mut world = World::idle(Options::default());
        let mut ids = Vec::new();
        for number in 0..uploads {
            ids.push(world.upload(&format!("image-{number}"), &images::jpeg(32, 32)).await);
        }
        world.faults.fail_many("catalog.apply", 1, usize::MAX, ErrorKind::Unavailable, When::Before);
        world.start_worker();
        tokio::time::sleep(Duration::from_secs(20 * 60)).await;
        assert!(world.faults.calls("uploads.get") < uploads + 25, "the outage was probed, not hammered");
        world.faults.heal();
        world.run_until_idle().await;
        for id in &ids {
            world.expect_published(id).await;
        }
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_a_worker_is_killed_another_publishes() {
    for when in [When::KilledBefore, When::KilledAfter] {
        for call in CALLS {
            for n in 1..=3 {
                let is_reached = n == 1 || matches!((call, n), ("catalog.apply", 2) | ("thumbnails.put", _));
                if !is_reached {
                    continue;
                }
                let mut world = World::idle(Options::default());
                let id = world.upload("cat", &images::jpeg(64, 48)).await;
                world.faults.fail(call, n, ErrorKind::Unavailable, when);
                let first = world.start_worker();
                world.wait_for_death(first).await;
                world.start_worker();
                world.run_until_idle().await;
                world.expect_published(&id).await;
                world.finish().await;
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn killed_five_times_an_image_is_given_up() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    for _ in 1..=5 {
        world.faults.fail("catalog.apply", 1, ErrorKind::Unavailable, When::KilledAfter);
        let number = world.start_worker();
        world.wait_for_death(number).await;
    }
    world.start_worker();
    world.run_until_idle().await;
    let record = world.expect_failed(&id, Reason::Killed).await;
    assert_eq!(record.deaths, 5);
    assert_eq!(world.faults.calls("thumbnails.put"), 0);
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn killed_on_last_receive() {
    let mut world = World::idle(Options { max_receives: 2, ..Options::default() });
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail("catalog.apply", 1, ErrorKind::Unavailable, When::KilledAfter);
    let number = world.start_worker();
    world.wait_for_death(number).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id, Reason::Killed).await;
    assert_eq!(world.faults.statuses(&id), [Status::WaitingForThumbnails, Status::Failed]);
    world.finish_with_dead_letters(1).await;
}
