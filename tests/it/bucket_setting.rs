//! A wrong `DARKROOM_UPLOAD_BUCKET` in a worker: before the first receive, and in the events that it receives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use darkroom::event::{self, ObjectCreated};
use darkroom::ports::objects::NoSuchBucket;
use darkroom::ports::queue::{Message, QueueAttributes, Receipt};
use darkroom::ports::{ErrorKind, PortError, Queue};
use darkroom::worker::StartError;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use crate::images;
use crate::world::{BUCKET, Call, Options, When, World};

const HALF_AN_HOUR: Duration = Duration::from_secs(1800);

/// A message about an object in a bucket other than the world's.
fn of_another_bucket(world: &World, key: &str) -> String {
    let created = ObjectCreated {
        bucket: "another".to_owned(),
        key: key.to_owned(),
        size: None,
        version_id: None,
        sequencer: None,
        at: Some(world.clock.now()),
        is_forced: false,
        doubts: event::Doubts::default(),
    };
    event::notification(&created, "etag")
}

fn is_breaker_open(counted: &PrometheusRecorder) -> bool {
    counted.handle().render().lines().any(|line| line == "darkroom_breaker_open 1")
}

#[tokio::test(start_paused = true)]
async fn a_stray_event_on_an_idle_queue_is_kept_without_an_alert_until_an_own_event_comes() {
    let counted = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&counted);
    let world = World::new().await;
    world.send(&of_another_bucket(&world, "uploads/stray")).await;
    for _ in 0..10 {
        tokio::time::sleep(HALF_AN_HOUR).await;
        assert!(!is_breaker_open(&counted));
        assert_eq!(world.dead_letters().await, 0);
    }
    let cat = world.upload("cat", &images::jpeg(32, 24)).await;
    world.run_until_idle().await;
    world.expect_published(&cat).await;
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn only_events_of_another_bucket_open_the_breaker_and_become_no_dead_letters() {
    let counted = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&counted);
    let mut world = World::new().await;
    for number in 0..26 {
        world.send(&of_another_bucket(&world, &format!("uploads/{number}"))).await;
    }
    for _ in 0..10 {
        tokio::time::sleep(HALF_AN_HOUR).await;
        assert!(is_breaker_open(&counted));
        assert_eq!(world.dead_letters().await, 0);
    }
    // The worker probes once or twice in each pause of up to six minutes, and not once for each delayed message.
    assert!(world.faults.calls(Call::QueueRelease) < 200, "{} releases", world.faults.calls(Call::QueueRelease));

    world.upload("cat", &images::jpeg(32, 24)).await;
    world.run_until_idle().await;
    assert!(!is_breaker_open(&counted), "an event of the own bucket says that the setting is right");
    assert_eq!(world.dead_letters().await, 26, "now they are strangers");
    let worker = world.running()[0];
    world.stop_worker(worker).await;
    world.finish_with_dead_letters(26).await;
}

#[tokio::test(start_paused = true)]
async fn after_an_own_event_a_stranger_is_a_dead_letter_at_once() {
    let world = World::new().await;
    world.upload("cat", &images::jpeg(32, 24)).await;
    world.run_until_idle().await;
    world.send(&of_another_bucket(&world, "uploads/stray")).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_does_not_exist_is_a_wrong_setting() {
    let world = World::idle(Options::default());
    world.faults.fail(Call::UploadsCheckBucket, 1, ErrorKind::NotFound, When::Before);
    let refused = world.wait_for_bucket(&CancellationToken::new()).await.unwrap_err();
    assert!(matches!(&refused, StartError::NoSuchBucket(NoSuchBucket { bucket }) if bucket == BUCKET), "{refused:?}");
    let error = refused.to_string();
    assert!(error.contains("DARKROOM_UPLOAD_BUCKET is \"photos\""), "{error}");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_cannot_be_seen_is_waited_for() {
    for kind in [ErrorKind::Denied, ErrorKind::Unavailable, ErrorKind::Throttled] {
        let world = World::idle(Options::default());
        world.faults.fail_many(Call::UploadsCheckBucket, 1, 5, kind, When::Before);
        world.wait_for_bucket(&CancellationToken::new()).await.unwrap();
        assert_eq!(world.faults.calls(Call::UploadsCheckBucket), 6);
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_wait_for_a_bucket_at_once() {
    for when in [When::Before, When::Late(HALF_AN_HOUR)] {
        let world = World::idle(Options::default());
        world.faults.fail_many(Call::UploadsCheckBucket, 1, usize::MAX, ErrorKind::Unavailable, when);
        let (shutdown, asked) = (CancellationToken::new(), world.faults.reached(Call::UploadsCheckBucket, 1));
        let started = tokio::time::Instant::now();
        let stop = async {
            asked.cancelled().await;
            shutdown.cancel();
        };
        let (waited, ()) = tokio::join!(world.wait_for_bucket(&shutdown), stop);
        waited.unwrap();
        assert!(started.elapsed() < Duration::from_secs(1), "{when:?}: {:?}", started.elapsed());
        world.finish().await;
    }
}

struct WithoutLimit(Arc<dyn Queue>);

#[async_trait]
impl Queue for WithoutLimit {
    async fn send(&self, body: &str) -> Result<String, PortError> {
        self.0.send(body).await
    }

    async fn receive(&self, max: usize, wait: Duration, visibility: Duration) -> Result<Vec<Message>, PortError> {
        self.0.receive(max, wait, visibility).await
    }

    async fn extend(&self, receipts: &[Receipt], visibility: Duration) -> Vec<Result<(), PortError>> {
        self.0.extend(receipts, visibility).await
    }

    async fn release(&self, releases: &[(Receipt, Duration)]) -> Vec<Result<(), PortError>> {
        self.0.release(releases).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Vec<Result<(), PortError>> {
        self.0.delete(receipts).await
    }

    async fn attributes(&self) -> Result<QueueAttributes, PortError> {
        Ok(QueueAttributes { max_receives: None, ..self.0.attributes().await? })
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_receive_limit_an_unusable_message_comes_ever_more_seldom() {
    let mut world = World::idle(Options { max_receives: 1_000_000, ..Options::default() });
    world.ports.queue = Arc::new(WithoutLimit(Arc::clone(&world.ports.queue)));
    world.upload("cat", &images::jpeg(32, 24)).await;
    world.start_worker();
    world.run_until_idle().await;
    let bodies = ["no event at all".to_owned(), of_another_bucket(&world, "uploads/stray")];
    for body in &bodies {
        world.send(body).await;
    }
    tokio::time::sleep(Duration::from_secs(3600)).await;
    // 5 s, 10 s, 20 s, and so on up to 15 minutes: about ten receives of each message in an hour.
    let releases = world.faults.calls(Call::QueueRelease);
    assert!((16..=24).contains(&releases), "{releases}");
    world.stop_worker(0).await;
    tokio::time::sleep(HALF_AN_HOUR).await;
    let left = world.ports.queue.receive(10, Duration::ZERO, HALF_AN_HOUR).await.unwrap();
    assert_eq!(left.len(), bodies.len());
    for message in left {
        world.ports.queue.delete(&[message.receipt]).await.remove(0).unwrap();
    }
    world.finish().await;
}
