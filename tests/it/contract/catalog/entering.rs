//! Which events may start work on an image, and which are refused because it is claimed, finished or newer.

use darkroom::record::{Change, Guard, Reason, Status};

use super::image::{Image, LEASE_SECS, Worker, at, failed, published, rejected, released, seq, src};
use crate::contract::Fixture;

pub(crate) async fn an_event_without_a_record_claims_and_creates_it(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let record = image.record().await;
    assert_eq!((record.status, record.rev), (Status::WaitingForThumbnails, 1));
    assert_eq!((record.key.as_str(), record.created_at), ("uploads/cat", at(10)));
    assert_eq!((record.seq, record.lease_until), (Some(seq("10")), Some(at(10 + LEASE_SECS))));
}

pub(crate) async fn an_event_claims_a_record_that_waits_for_its_upload(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    let worker = Worker::new("t1", "m1", "10");
    let record = image.written(&worker, worker.claim()).await;
    assert_eq!((record.status, record.rev, record.ttl), (Status::WaitingForThumbnails, 2, None));
    assert_eq!((record.created_at, record.updated_at), (at(0), at(10)));
}

pub(crate) async fn a_newer_sequencer_preempts_any_status_and_any_lease(fixture: &dyn Fixture) {
    for image in Image::in_every_status(fixture).await {
        let newer = Worker::new("t2", "m2", "11").at(20);
        let record = image.written(&newer, newer.claim()).await;
        assert_eq!((record.status, record.deaths), (Status::WaitingForThumbnails, 0));
        let older = Worker::new("t1", "m1", "10").at(21).holding();
        for change in [published("old"), rejected(Reason::Corrupt), failed(Reason::Internal), released()] {
            image.refused(&older, change).await;
        }
    }
}

pub(crate) async fn an_older_sequencer_changes_nothing(fixture: &dyn Fixture) {
    for image in Image::in_every_status(fixture).await {
        // The catalog compares padded sequencers as text: 0F is older than 10, even if it arrives later.
        let older = Worker::new("t2", "m2", "0F").at(100_000);
        for change in [older.claim(), rejected(Reason::Corrupt), failed(Reason::Internal)] {
            image.refused(&older, change).await;
        }
    }
}

pub(crate) async fn the_same_sequencer_of_a_final_image_is_a_duplicate(fixture: &dyn Fixture) {
    for change in [published("a"), rejected(Reason::Corrupt)] {
        let image = Image::brought_to(fixture, change).await;
        for message in ["m1", "m2"] {
            let duplicate = Worker::new("t2", message, "10").at(100_000);
            image.refused(&duplicate, duplicate.claim()).await;
        }
    }
}

pub(crate) async fn the_same_sequencer_by_another_message_waits_for_a_live_lease(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let duplicate = Worker::new("t2", "m2", "10").at(10 + LEASE_SECS - 1);
    for change in [duplicate.claim(), rejected(Reason::Corrupt), failed(Reason::Internal)] {
        image.refused(&duplicate, change).await;
    }
}

pub(crate) async fn the_same_sequencer_by_another_message_takes_over_a_lease_that_is_over(fixture: &dyn Fixture) {
    let (image, first) = Image::claimed(fixture).await;
    let duplicate = Worker::new("t2", "m2", "10").at(10 + LEASE_SECS);
    let record = image.written(&duplicate, duplicate.claim_after_deaths(1)).await;
    assert_eq!((record.claim.as_deref(), record.message.as_deref(), record.deaths), (Some("t2"), Some("m2"), 1));
    image.refused(&first.at(200).holding(), published("a")).await;
    image.written(&duplicate.at(201).holding(), published("b")).await;
}

pub(crate) async fn the_same_sequencer_by_another_message_takes_over_a_released_claim(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, released()).await;
    assert_eq!(image.record().await.lease_until, None);
    let duplicate = Worker::new("t2", "m2", "10").at(11);
    image.written(&duplicate, duplicate.claim()).await;
}

pub(crate) async fn the_same_message_takes_over_its_own_dead_claim(fixture: &dyn Fixture) {
    let (image, first) = Image::claimed(fixture).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let record = image.written(&again, again.claim_after_deaths(1)).await;
    assert_eq!((record.deaths, record.claim.as_deref()), (1, Some("t2")));
    image.refused(&first.at(12).holding(), published("a")).await;
}

pub(crate) async fn the_same_message_fails_its_own_dead_claim_as_killed(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let killed = Change::Fail { reason: Reason::Killed, src: None, deaths: 5, error: "killed five times".to_owned() };
    let record = image.written(&again, killed).await;
    assert_eq!((record.status, record.reason, record.deaths), (Status::Failed, Some(Reason::Killed), 5));
    assert_eq!(record.lease_until, None);
}

pub(crate) async fn the_same_message_retries_what_it_released(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, released()).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let record = image.written(&again, again.claim()).await;
    assert_eq!((record.deaths, record.last_error), (0, None));
}

pub(crate) async fn the_same_message_leaves_a_failed_image_alone(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, failed(Reason::Internal)).await;
    let again = Worker::new("t2", "m1", "10").at(100_000);
    for change in [again.claim(), failed(Reason::Unavailable)] {
        image.refused(&again, change).await;
    }
}

pub(crate) async fn a_redrive_takes_a_failed_image_up_again(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, failed(Reason::Internal)).await;
    let redriven = Worker::new("t2", "m2", "10").at(100_000);
    let record = image.written(&redriven, redriven.claim()).await;
    assert_eq!((record.status, record.reason, record.deaths), (Status::WaitingForThumbnails, None, 0));
    assert_eq!(record.last_error, None);
}

pub(crate) async fn the_same_sequencer_with_another_source_is_refused(fixture: &dyn Fixture) {
    for change in [released(), failed(Reason::Internal)] {
        let image = Image::brought_to(fixture, change).await;
        let elsewhere = Guard::Enter { seq: seq("10"), src: Some(src("v2")) };
        let overwritten = Worker::new("t2", "m2", "10").at(20).guarded(elsewhere);
        image.refused(&overwritten, overwritten.claim()).await;
        // The event then enters as an event without a sequencer does.
        let seen = Guard::Unchanged { rev: image.record().await.rev };
        let record = image.written(&overwritten.guarded(seen), overwritten.claim()).await;
        assert_eq!(record.seq, Some(seq("10")));
    }
}

pub(crate) async fn the_same_bytes_with_a_newer_sequencer_are_a_new_version(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, published("a")).await;
    // The source is the same too, as an ETag is in a bucket without versions.
    let again = Worker::new("t2", "m2", "11").at(40);
    image.written(&again, again.claim()).await;
    image.written(&again.holding(), published("b")).await;
}

pub(crate) async fn no_sequencer_and_no_record_claims(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let worker = Worker::new("t1", "m1", "10").guarded(Guard::Absent);
    let record = image.written(&worker, worker.claim()).await;
    assert_eq!((record.status, record.seq), (Status::WaitingForThumbnails, None));
}

pub(crate) async fn no_sequencer_keeps_out_of_a_record_that_came_meanwhile(fixture: &dyn Fixture) {
    let late = Worker::new("t2", "m2", "10").at(100_000).guarded(Guard::Absent);
    for image in Image::in_every_status(fixture).await {
        image.refused(&late, late.claim()).await;
    }
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    image.refused(&late, late.claim()).await;
    // The reverse: an event with a sequencer enters a record that has none.
    let absent = Image::new(fixture).await;
    absent.written(&late, late.claim()).await;
    let sequenced = Worker::new("t3", "m3", "10").at(100_001);
    absent.written(&sequenced, sequenced.claim()).await;
}

pub(crate) async fn no_sequencer_claims_the_record_as_it_was_seen(fixture: &dyn Fixture) {
    for image in Image::in_every_status(fixture).await {
        let rev = image.record().await.rev;
        let worker = |token, rev| Worker::new(token, token, "10").at(20).guarded(Guard::Unchanged { rev });
        let (late, first) = (worker("t2", rev), worker("t3", rev));
        image.refused(&worker("t4", rev - 1), first.claim()).await;
        let record = image.written(&first, first.claim()).await;
        assert_eq!((record.seq, record.rev), (Some(seq("10")), rev + 1));
        image.refused(&late, late.claim()).await;
        // The worker reads the record again, gets the newer revision, and may retry once.
        image.written(&worker("t2", rev + 1), late.claim()).await;
    }
    let none = Image::new(fixture).await;
    let worker = Worker::new("t1", "m1", "10").guarded(Guard::Unchanged { rev: 1 });
    none.refused(&worker, worker.claim()).await;
}
