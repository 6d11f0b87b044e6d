//! The end of an attempt: published, rejected, failed or released, by its holder only.

use darkroom::record::{Change, Guard, Reason, Status};

use super::image::{Image, Worker, failed, original, published, rejected, released, seq, src};
use crate::contract::Fixture;

pub(crate) async fn an_object_that_is_gone_fails_the_image(fixture: &dyn Fixture) {
    let gone = Change::Fail { reason: Reason::SourceMissing, src: None, deaths: 0, error: "gone".to_owned() };
    let worker = Worker::new("t2", "m2", "11").guarded(Guard::Enter { seq: seq("11"), src: None });
    let absent = Image::new(fixture).await;
    let asked_for = Image::new(fixture).await;
    asked_for.catalog.create(&asked_for.blank()).await.unwrap();
    let older = Image::brought_to(fixture, published("a")).await;
    for image in [absent, asked_for, older] {
        let record = image.written(&worker, gone.clone()).await;
        assert_eq!((record.status, record.reason), (Status::Failed, Some(Reason::SourceMissing)));
        assert_eq!((record.ttl, record.seq), (None, Some(seq("11"))));
    }
}

pub(crate) async fn an_object_that_is_gone_leaves_older_and_final_records_alone(fixture: &dyn Fixture) {
    let gone = Change::Fail { reason: Reason::SourceMissing, src: None, deaths: 0, error: "gone".to_owned() };
    for (sequencer, change) in [("0F", released()), ("10", published("a")), ("10", rejected(Reason::Empty))] {
        let image = Image::brought_to(fixture, change).await;
        let guard = Guard::Enter { seq: seq(sequencer), src: None };
        image.refused(&Worker::new("t2", "m2", sequencer).at(100_000).guarded(guard), gone.clone()).await;
    }
}

pub(crate) async fn a_header_that_says_no_rejects_the_image(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    let worker = Worker::new("t1", "m1", "10");
    let record = image.written(&worker, rejected(Reason::UnsupportedType)).await;
    assert_eq!((record.status, record.reason), (Status::InvalidContentType, Some(Reason::UnsupportedType)));
    assert_eq!((record.ttl, record.original, record.src), (None, None, Some(src("v1"))));
    assert_eq!(record.last_error.as_deref(), Some("it is a text"));
}

pub(crate) async fn corrupt_found_while_rendering_rejects_what_is_held(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    image.refused(&Worker::new("t2", "m1", "10").holding(), rejected(Reason::Corrupt)).await;
    let record = image.written(&worker.at(11).holding(), rejected(Reason::Corrupt)).await;
    assert_eq!((record.status, record.lease_until), (Status::InvalidContentType, None));
}

pub(crate) async fn delivered_thumbnails_are_published_by_the_holder(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    let record = image.written(&worker.at(12).holding(), published("a")).await;
    assert_eq!((record.status, record.lease_until, record.deaths), (Status::Published, None, 0));
    assert_eq!((record.claim.as_deref(), record.original), (Some("t1"), Some(original())));
    let published = record.published.unwrap();
    assert_eq!((published.version.as_str(), published.thumbnails.len()), ("a", 3));
}

pub(crate) async fn delivered_thumbnails_of_a_superseded_claim_are_not_published(fixture: &dyn Fixture) {
    let (image, older) = Image::claimed(fixture).await;
    let newer = Worker::new("t2", "m2", "11").at(11);
    image.written(&newer, newer.claim()).await;
    image.refused(&older.at(12).holding(), published("old")).await;
    image.written(&newer.at(13).holding(), published("new")).await;
    image.refused(&older.at(14).holding(), published("old")).await;
    let none = Image::new(fixture).await;
    none.refused(&older.holding(), published("old")).await;
}

pub(crate) async fn a_counted_failure_releases_the_claim(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    image.refused(&Worker::new("t2", "m1", "10").holding(), released()).await;
    let record = image.written(&worker.at(11).holding(), released()).await;
    assert_eq!((record.status, record.lease_until), (Status::WaitingForThumbnails, None));
    assert_eq!((record.last_error.as_deref(), record.rev), (Some("the disk was full"), 2));
}

pub(crate) async fn a_counted_failure_on_the_last_receive_fails_the_image(fixture: &dyn Fixture) {
    let (held, worker) = Image::claimed(fixture).await;
    let before_a_claim = Image::new(fixture).await;
    for (image, worker) in [(held, worker.holding()), (before_a_claim, worker)] {
        let record = image.written(&worker.at(11), failed(Reason::Unavailable)).await;
        assert_eq!((record.status, record.reason), (Status::Failed, Some(Reason::Unavailable)));
        assert_eq!((record.lease_until, record.last_error.as_deref()), (None, Some("it did not work")));
    }
}

pub(crate) async fn a_dead_letter_seen_by_sweep_fails_the_image_as_killed(fixture: &dyn Fixture) {
    let sweep =
        |message| Worker::new("sweep", message, "10").at(11).guarded(Guard::Enter { seq: seq("10"), src: None });
    let killed = Change::Fail { reason: Reason::Killed, src: None, deaths: 1, error: "a dead letter".to_owned() };
    let (image, _) = Image::claimed(fixture).await;
    image.refused(&sweep("m2"), killed.clone()).await;
    let record = image.written(&sweep("m1"), killed.clone()).await;
    assert_eq!((record.status, record.reason), (Status::Failed, Some(Reason::Killed)));
    for change in [published("a"), rejected(Reason::Corrupt), failed(Reason::Internal)] {
        let settled = Image::brought_to(fixture, change).await;
        settled.refused(&sweep("m1"), killed.clone()).await;
    }
}

pub(crate) async fn a_repeated_write_recognises_itself(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let worker = Worker::new("t1", "m1", "10");
    for _ in 0..2 {
        image.written(&worker, worker.claim()).await;
    }
    for _ in 0..2 {
        image.written(&worker.holding(), published("a")).await;
    }
    let absent = Worker::new("t2", "m2", "10").guarded(Guard::Absent);
    let other = Image::new(fixture).await;
    for _ in 0..2 {
        other.written(&absent, absent.claim()).await;
    }
    let seen = Worker::new("t3", "m3", "10").guarded(Guard::Unchanged { rev: 2 });
    for _ in 0..2 {
        other.written(&seen, seen.claim()).await;
    }
}

/// The answer to the verdict was lost, so the attempt takes itself for failed; or its claim arrives late.
pub(crate) async fn what_an_attempt_decided_stands_against_its_own_failure(fixture: &dyn Fixture) {
    let worker = Worker::new("t1", "m1", "10");
    let decisions = [published("a"), rejected(Reason::Corrupt)];
    for (decision, other) in [(0, 1), (1, 0)] {
        let image = Image::brought_to(fixture, decisions[decision].clone()).await;
        for change in [released(), failed(Reason::Unavailable), decisions[other].clone(), worker.claim()] {
            image.refused(&worker.holding(), change.clone()).await;
            image.refused(&worker, change).await;
        }
        image.written(&worker.holding(), decisions[decision].clone()).await;
    }
    let failed_image = Image::brought_to(fixture, failed(Reason::Unavailable)).await;
    for change in [released(), published("a"), worker.claim()] {
        failed_image.refused(&worker.holding(), change).await;
    }
}

pub(crate) async fn published_thumbnails_stay_until_new_ones_are_published(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, published("a")).await;
    for (number, change) in [rejected(Reason::Corrupt), failed(Reason::Internal), released()].into_iter().enumerate() {
        let newer = Worker::new(&format!("t{number}"), "m2", &format!("2{number}")).at(20);
        image.written(&newer, newer.claim()).await;
        let record = image.written(&newer.holding(), change).await;
        assert_eq!(record.published.unwrap().version, "a");
    }
    let newest = Worker::new("t9", "m9", "30").at(30);
    image.written(&newest, newest.claim()).await;
    let record = image.written(&newest.holding(), published("b")).await;
    assert_eq!(record.published.unwrap().version, "b");
}
