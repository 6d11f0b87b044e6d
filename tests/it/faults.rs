//! Faults: failures of every call of every port, and killed workers. The result is always the same.

use std::time::Duration;

use darkroom::ports::ErrorKind;
use darkroom::record::{Applied, Attempt, Change, Guard, Reason, Status, Transition};

use crate::images;
use crate::world::{Call, Options, When, World};

/// A call of a worker, and the fault that happens there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crash {
    history: Upload,
    call: Call,
    n: usize,
    when: When,
}

/// What is uploaded when the fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upload {
    Photograph,
    Text,
    /// A photograph whose first read fails, so that the worker releases the message and tries again.
    Retried,
}

/// Every call that a worker makes, for every result of an upload.
const CALLS: [(Upload, Call, usize); 15] = [
    (Upload::Photograph, Call::QueueReceive, 1),
    (Upload::Photograph, Call::UploadsGet, 1),
    (Upload::Photograph, Call::CatalogApply, 1),
    (Upload::Photograph, Call::ThumbnailsPut, 1),
    (Upload::Photograph, Call::ThumbnailsPut, 2),
    (Upload::Photograph, Call::ThumbnailsPut, 3),
    (Upload::Photograph, Call::CatalogApply, 2),
    (Upload::Photograph, Call::QueueDelete, 1),
    (Upload::Text, Call::QueueReceive, 1),
    (Upload::Text, Call::UploadsGet, 1),
    (Upload::Text, Call::CatalogApply, 1),
    (Upload::Text, Call::QueueDelete, 1),
    (Upload::Retried, Call::QueueRelease, 1),
    (Upload::Retried, Call::CatalogLook, 1),
    (Upload::Retried, Call::UploadsGet, 1),
];

/// Every call of [`CALLS`], with each kind of fault.
pub(crate) fn crashes(ways: &[When]) -> Vec<Crash> {
    let of = |when| CALLS.map(|(history, call, n)| Crash { history, call, n, when });
    ways.iter().copied().flat_map(of).collect()
}

impl Crash {
    /// Runs the crash in `world`, with a second worker if the first one dies. The result is the same as without a
    /// fault, and the verdict is written exactly once.
    pub(crate) async fn survive(self, mut world: World) {
        let Self { history, call, n, when } = self;
        let bytes = if history == Upload::Text { b"a text".to_vec() } else { images::jpeg(64, 48) };
        let id = world.upload("cat", &bytes).await;
        if history == Upload::Retried {
            world.faults.fail(Call::UploadsGet, 1, ErrorKind::Damaged, When::Before);
        }
        world.faults.fail(call, n, ErrorKind::Unavailable, when);
        let first = world.start_worker();
        if matches!(when, When::KilledBefore | When::KilledAfter) {
            world.wait_for_death(first).await;
            world.start_worker();
        }
        world.run_until_idle().await;
        assert_eq!(world.faults.fired(), 1 + usize::from(history == Upload::Retried), "{self:?} never came");
        let end = if history == Upload::Text {
            world.expect_rejected(&id, Reason::UnsupportedType).await.status
        } else {
            world.expect_published(&id).await.status
        };
        let decided = world.faults.statuses(&id).into_iter().filter(|status| *status == end).count();
        assert_eq!(decided, 1, "{self:?}: {:?}", world.faults.statuses(&id));
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whichever_call_fails_the_end_is_the_same() {
    for crash in crashes(&[When::Before, When::After]) {
        crash.survive(World::idle(Options { visibility: Duration::from_secs(30), ..Options::default() })).await;
    }
}

#[tokio::test(start_paused = true)]
async fn wherever_a_worker_is_killed_another_goes_on() {
    for crash in crashes(&[When::KilledBefore, When::KilledAfter]) {
        crash.survive(World::idle(Options::default())).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_outlives_every_receive_is_a_dead_letter_that_says_why() {
    let mut world = World::idle(Options { max_receives: 3, ..Options::default() });
    world.faults.fail_many(Call::UploadsGet, 1, 1000, ErrorKind::Damaged, When::Before);
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.start_worker();
    world.run_until_idle().await;
    let record = world.expect_failed(&id, Reason::Unavailable).await;
    assert!(record.last_error.unwrap().contains("objects.get"));
    assert_eq!(world.faults.calls(Call::UploadsGet), 3);

    // A redrive brings the event in a new message, and processing of the image starts again.
    world.faults.heal();
    world.redrive().await;
    world.run_until_idle().await;
    world.expect_published(&id).await;
    world.finish().await;
}

/// An earlier delivery's claim is written late, after its work was dropped: a database that was locked has cost it its
/// lease. The later delivery then holds nothing any more, and must not take its message with it.
#[tokio::test(start_paused = true)]
async fn a_late_claim_of_an_earlier_delivery_loses_no_upload() {
    let mut world = World::idle(Options::default());
    world.faults.fail(Call::ThumbnailsPut, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(10)));
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.start_worker();
    let claimed = loop {
        match world.ports.catalog.get(&id).await.unwrap().filter(|record| record.claim.is_some()) {
            Some(record) => break record,
            None => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    };
    let (seq, src) = (claimed.seq.clone().unwrap(), claimed.src.clone().unwrap());
    let late = Transition {
        id: id.clone(),
        key: claimed.key.clone(),
        attempt: Attempt { token: "late".to_owned(), message: claimed.message.clone().unwrap() },
        guard: Guard::Enter { seq, src: Some(src.clone()) },
        change: Change::Claim {
            src,
            original: claimed.original.clone().unwrap(),
            lease_until: claimed.lease_until.unwrap(),
            deaths: 0,
        },
        at: claimed.updated_at,
    };
    assert!(matches!(world.ports.catalog.update(&late).await.unwrap(), Applied::Written { .. }));
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
            world.faults.fail(Call::CatalogApply, calls, ErrorKind::Unavailable, When::After);
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
        world.faults.fail_many(Call::CatalogApply, 1, usize::MAX, ErrorKind::Unavailable, When::Before);
        world.start_worker();
        tokio::time::sleep(Duration::from_secs(20 * 60)).await;
        assert!(world.faults.calls(Call::UploadsGet) < uploads + 25, "the outage was probed, not hammered");
        world.faults.heal();
        world.run_until_idle().await;
        for id in &ids {
            world.expect_published(id).await;
        }
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_begins_during_an_outage_waits_for_its_end() {
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Denied, ErrorKind::Damaged] {
        let mut world = World::idle(Options::default());
        let id = world.upload("cat", &images::jpeg(64, 48)).await;
        world.faults.fail_many(Call::QueueAttributes, 1, 4, kind, When::Before);
        world.start_worker();
        world.run_until_idle().await;
        world.expect_published(&id).await;
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn killed_five_times_an_image_is_given_up() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    for _ in 1..=5 {
        world.faults.fail(Call::CatalogApply, 1, ErrorKind::Unavailable, When::KilledAfter);
        let number = world.start_worker();
        world.wait_for_death(number).await;
    }
    world.start_worker();
    world.run_until_idle().await;
    let record = world.expect_failed(&id, Reason::Killed).await;
    assert_eq!(record.deaths, 5);
    assert_eq!(world.faults.calls(Call::ThumbnailsPut), 0);
    world.finish_with_dead_letters(1).await;
}

/// A worker whose claim succeeded without an answer is not counted as dead.
#[tokio::test(start_paused = true)]
async fn a_claim_whose_answer_is_lost_is_no_death() {
    let mut world = World::idle(Options::default());
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    // The failing calls alternate: a release is between two claims.
    for n in 1..=7 {
        world.faults.fail(Call::CatalogApply, n, ErrorKind::Unavailable, When::After);
    }
    world.start_worker();
    world.run_until_idle().await;
    assert_eq!(world.faults.fired(), 7);
    world.expect_published(&id).await;
    assert!(world.faults.writes().iter().all(|record| record.deaths == 0));
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn killed_on_last_receive() {
    let mut world = World::idle(Options { max_receives: 2, ..Options::default() });
    let id = world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail(Call::CatalogApply, 1, ErrorKind::Unavailable, When::KilledAfter);
    let number = world.start_worker();
    world.wait_for_death(number).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&id, Reason::Killed).await;
    assert_eq!(world.faults.statuses(&id), [Status::WaitingForThumbnails, Status::Failed]);
    world.finish_with_dead_letters(1).await;
}
