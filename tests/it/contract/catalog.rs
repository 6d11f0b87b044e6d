//! The contract of `Catalog`: a case for every row of the table of events against records, named after its row.
//!
//! What becomes of the message is the worker's business; here stand the record, the condition and the write.

use std::sync::Arc;
use std::time::Duration;

use darkroom::clock::Timestamp;
use darkroom::ports::{Catalog, ErrorKind};
use darkroom::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, PublishedThumbnail, Reason, SCHEMA,
    Sequencer, SourceId, Status, Transition,
};
use futures_util::future::join_all;

use super::Fixture;

/// Calls `$each!` with the port's name and all cases.
macro_rules! for_each_catalog_case {
    ($each:ident) => {
        $each! { catalog:
            an_upload_asked_for_makes_a_record_and_only_one,
            an_event_without_a_record_claims_and_creates_it,
            an_event_claims_a_record_that_waits_for_its_upload,
            a_newer_sequencer_preempts_any_status_and_any_lease,
            an_older_sequencer_changes_nothing,
            the_same_sequencer_of_a_final_image_is_a_duplicate,
            the_same_sequencer_by_another_message_waits_for_a_live_lease,
            the_same_sequencer_by_another_message_takes_over_a_lease_that_is_over,
            the_same_sequencer_by_another_message_takes_over_a_released_claim,
            the_same_message_takes_over_its_own_dead_claim,
            the_same_message_fails_its_own_dead_claim_as_killed,
            the_same_message_retries_what_it_released,
            the_same_message_leaves_a_failed_image_alone,
            a_redrive_takes_a_failed_image_up_again,
            the_same_sequencer_with_another_source_is_refused,
            the_same_bytes_with_a_newer_sequencer_are_a_new_version,
            no_sequencer_and_no_record_claims,
            no_sequencer_keeps_out_of_a_record_that_came_meanwhile,
            no_sequencer_claims_the_record_as_it_was_seen,
            an_object_that_is_gone_fails_the_image,
            an_object_that_is_gone_leaves_older_and_final_records_alone,
            a_header_that_says_no_rejects_the_image,
            corrupt_found_while_rendering_rejects_what_is_held,
            delivered_thumbnails_are_published_by_the_holder,
            delivered_thumbnails_of_a_superseded_claim_are_not_published,
            a_counted_failure_releases_the_claim,
            a_counted_failure_on_the_last_receive_fails_the_image,
            a_dead_letter_seen_by_sweep_fails_the_image_as_killed,
            sweep_deletes_an_upload_that_never_came_unless_it_changed,
            a_repeated_write_recognises_itself,
            published_thumbnails_stay_until_new_ones_are_published,
            of_many_claims_at_once_one_is_written,
            of_many_records_at_once_one_is_created,
            fields_of_other_builds_are_kept,
            a_record_of_a_newer_schema_admits_nothing,
            a_scan_gives_every_record,
            delete_may_be_repeated,
        }
    };
}
pub(crate) use for_each_catalog_case;

/// A point in time, `seconds` after the first event.
fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_900_000_000_000).plus(Duration::from_secs(seconds))
}

/// Seconds that a claim keeps other messages out.
const LEASE_SECS: u64 = 120;

fn seq(text: &str) -> Sequencer {
    Sequencer::parse(text).unwrap()
}

fn src(text: &str) -> SourceId {
    SourceId::new(Some(text), "")
}

fn original() -> Original {
    Original { content_type: "image/jpeg".to_owned(), width: 4000, height: 3000, bytes: 3_456_789 }
}

fn published(version: &str) -> Change {
    let thumbnail =
        |size: &str, side| PublishedThumbnail { size: size.to_owned(), width: side, height: side, bytes: 99 };
    Change::Publish(Published {
        version: version.to_owned(),
        content_type: "image/jpeg".to_owned(),
        at: at(30),
        thumbnails: vec![thumbnail("small", 100), thumbnail("medium", 500), thumbnail("large", 1000)],
    })
}

fn rejected(reason: Reason) -> Change {
    Change::Reject { reason, src: Some(src("v1")), detail: "it is a text".to_owned() }
}

fn failed(reason: Reason) -> Change {
    Change::Fail { reason, src: Some(src("v1")), deaths: 0, error: "it did not work".to_owned() }
}

fn released() -> Change {
    Change::Release { error: "the disk was full".to_owned() }
}

/// The attempts of one message at one event.
#[derive(Clone)]
struct Worker {
    attempt: Attempt,
    guard: Guard,
    at: u64,
}

impl Worker {
    /// An attempt at the upload `sequencer`, whose source is `v1`, brought by `message`.
    fn new(token: &str, message: &str, sequencer: &str) -> Self {
        let attempt = Attempt { token: token.to_owned(), message: message.to_owned() };
        Self { attempt, guard: Guard::Enter { seq: seq(sequencer), src: Some(src("v1")) }, at: 10 }
    }

    fn at(self, at: u64) -> Self {
        Self { at, ..self }
    }

    fn guarded(self, guard: Guard) -> Self {
        Self { guard, ..self }
    }

    fn holding(&self) -> Self {
        self.clone().guarded(Guard::Hold)
    }

    fn claim(&self) -> Change {
        self.claim_after_deaths(0)
    }

    fn claim_after_deaths(&self, deaths: u32) -> Change {
        Change::Claim { src: src("v1"), original: original(), lease_until: at(self.at + LEASE_SECS), deaths }
    }
}

/// One image in a fresh catalog.
struct Image {
    catalog: Arc<dyn Catalog>,
    id: ImageId,
}

impl Image {
    async fn new(fixture: &dyn Fixture) -> Self {
        Self { catalog: fixture.catalog().await, id: ImageId::parse("cat").unwrap() }
    }

    fn blank(&self) -> ImageRecord {
        ImageRecord::waiting_for_upload(self.id.clone(), "uploads/cat".to_owned(), at(0), at(3600))
    }

    async fn look(&self) -> Option<ImageRecord> {
        self.catalog.look(&self.id).await.unwrap()
    }

    async fn record(&self) -> ImageRecord {
        self.look().await.expect("there is a record")
    }

    fn transition(&self, worker: &Worker, change: Change) -> Transition {
        Transition {
            id: self.id.clone(),
            key: "uploads/cat".to_owned(),
            attempt: worker.attempt.clone(),
            guard: worker.guard.clone(),
            change,
            at: at(worker.at),
        }
    }

    /// Expects the write to happen, exactly as the transition's own rules say it. Returns the record as it is then.
    async fn written(&self, worker: &Worker, change: Change) -> ImageRecord {
        let transition = self.transition(worker, change);
        let before = self.look().await;
        let applied = self.catalog.apply(&transition).await.unwrap();
        assert_eq!(applied, Applied::Written { before: before.clone() });
        let after = self.record().await;
        assert_eq!(after, transition.apply_to(before));
        after
    }

    /// Expects the write to be refused and nothing to change.
    async fn refused(&self, worker: &Worker, change: Change) {
        let before = self.look().await;
        let applied = self.catalog.apply(&self.transition(worker, change)).await.unwrap();
        assert_eq!(applied, Applied::Refused { current: before.clone() });
        assert_eq!(self.look().await, before);
    }

    /// Claims the upload `10` by the message `m1`, ten seconds in.
    async fn claimed(fixture: &dyn Fixture) -> (Self, Worker) {
        let image = Self::new(fixture).await;
        let worker = Worker::new("t1", "m1", "10");
        image.written(&worker, worker.claim()).await;
        (image, worker)
    }

    /// The same, brought to where `change` leaves it.
    async fn brought_to(fixture: &dyn Fixture, change: Change) -> Self {
        let (image, worker) = Self::claimed(fixture).await;
        image.written(&worker.holding(), change).await;
        image
    }

    /// Images of the upload `10` in every status that it can come to.
    async fn in_every_status(fixture: &dyn Fixture) -> Vec<Self> {
        let mut images = vec![Self::claimed(fixture).await.0];
        for change in [published("a"), rejected(Reason::Corrupt), failed(Reason::Internal), released()] {
            images.push(Self::brought_to(fixture, change).await);
        }
        images
    }
}

pub async fn an_upload_asked_for_makes_a_record_and_only_one(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    assert_eq!(image.look().await, None);
    image.catalog.create(&image.blank()).await.unwrap();
    let record = image.record().await;
    assert_eq!((record.status, record.rev, record.ttl), (Status::WaitingForUpload, 1, Some(at(3600))));
    assert_eq!(record, image.blank());
    let again = ImageRecord { key: "another".to_owned(), ..image.blank() };
    assert_eq!(image.catalog.create(&again).await.unwrap_err().kind, ErrorKind::AlreadyExists);
    assert_eq!(image.record().await, image.blank());
}

pub async fn an_event_without_a_record_claims_and_creates_it(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let record = image.record().await;
    assert_eq!((record.status, record.rev), (Status::WaitingForThumbnails, 1));
    assert_eq!((record.key.as_str(), record.created_at), ("uploads/cat", at(10)));
    assert_eq!((record.seq, record.lease_until), (Some(seq("10")), Some(at(10 + LEASE_SECS))));
}

pub async fn an_event_claims_a_record_that_waits_for_its_upload(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    let worker = Worker::new("t1", "m1", "10");
    let record = image.written(&worker, worker.claim()).await;
    assert_eq!((record.status, record.rev, record.ttl), (Status::WaitingForThumbnails, 2, None));
    assert_eq!((record.created_at, record.updated_at), (at(0), at(10)));
}

pub async fn a_newer_sequencer_preempts_any_status_and_any_lease(fixture: &dyn Fixture) {
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

pub async fn an_older_sequencer_changes_nothing(fixture: &dyn Fixture) {
    for image in Image::in_every_status(fixture).await {
        // Sequencers compare as text once they are padded: 0F stands before 10, however late it comes.
        let older = Worker::new("t2", "m2", "0F").at(100_000);
        for change in [older.claim(), rejected(Reason::Corrupt), failed(Reason::Internal)] {
            image.refused(&older, change).await;
        }
    }
}

pub async fn the_same_sequencer_of_a_final_image_is_a_duplicate(fixture: &dyn Fixture) {
    for change in [published("a"), rejected(Reason::Corrupt)] {
        let image = Image::brought_to(fixture, change).await;
        for message in ["m1", "m2"] {
            let duplicate = Worker::new("t2", message, "10").at(100_000);
            image.refused(&duplicate, duplicate.claim()).await;
        }
    }
}

pub async fn the_same_sequencer_by_another_message_waits_for_a_live_lease(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let duplicate = Worker::new("t2", "m2", "10").at(10 + LEASE_SECS - 1);
    for change in [duplicate.claim(), rejected(Reason::Corrupt), failed(Reason::Internal)] {
        image.refused(&duplicate, change).await;
    }
}

pub async fn the_same_sequencer_by_another_message_takes_over_a_lease_that_is_over(fixture: &dyn Fixture) {
    let (image, first) = Image::claimed(fixture).await;
    let duplicate = Worker::new("t2", "m2", "10").at(10 + LEASE_SECS);
    let record = image.written(&duplicate, duplicate.claim_after_deaths(1)).await;
    assert_eq!((record.claim.as_deref(), record.message.as_deref(), record.deaths), (Some("t2"), Some("m2"), 1));
    image.refused(&first.at(200).holding(), published("a")).await;
    image.written(&duplicate.at(201).holding(), published("b")).await;
}

pub async fn the_same_sequencer_by_another_message_takes_over_a_released_claim(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, released()).await;
    assert_eq!(image.record().await.lease_until, None);
    let duplicate = Worker::new("t2", "m2", "10").at(11);
    image.written(&duplicate, duplicate.claim()).await;
}

pub async fn the_same_message_takes_over_its_own_dead_claim(fixture: &dyn Fixture) {
    let (image, first) = Image::claimed(fixture).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let record = image.written(&again, again.claim_after_deaths(1)).await;
    assert_eq!((record.deaths, record.claim.as_deref()), (1, Some("t2")));
    image.refused(&first.at(12).holding(), published("a")).await;
}

pub async fn the_same_message_fails_its_own_dead_claim_as_killed(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let killed = Change::Fail { reason: Reason::Killed, src: None, deaths: 5, error: "killed five times".to_owned() };
    let record = image.written(&again, killed).await;
    assert_eq!((record.status, record.reason, record.deaths), (Status::Failed, Some(Reason::Killed), 5));
    assert_eq!(record.lease_until, None);
}

pub async fn the_same_message_retries_what_it_released(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, released()).await;
    let again = Worker::new("t2", "m1", "10").at(11);
    let record = image.written(&again, again.claim()).await;
    assert_eq!((record.deaths, record.last_error), (0, None));
}

pub async fn the_same_message_leaves_a_failed_image_alone(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, failed(Reason::Internal)).await;
    let again = Worker::new("t2", "m1", "10").at(100_000);
    for change in [again.claim(), failed(Reason::Unavailable)] {
        image.refused(&again, change).await;
    }
}

pub async fn a_redrive_takes_a_failed_image_up_again(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, failed(Reason::Internal)).await;
    let redriven = Worker::new("t2", "m2", "10").at(100_000);
    let record = image.written(&redriven, redriven.claim()).await;
    assert_eq!((record.status, record.reason, record.deaths), (Status::WaitingForThumbnails, None, 0));
    assert_eq!(record.last_error, None);
}

pub async fn the_same_sequencer_with_another_source_is_refused(fixture: &dyn Fixture) {
    for change in [released(), failed(Reason::Internal)] {
        let image = Image::brought_to(fixture, change).await;
        let elsewhere = Guard::Enter { seq: seq("10"), src: Some(src("v2")) };
        let overwritten = Worker::new("t2", "m2", "10").at(20).guarded(elsewhere);
        image.refused(&overwritten, overwritten.claim()).await;
        // What comes next is the way of events without a sequencer.
        let seen = Guard::Seen { rev: image.record().await.rev };
        let record = image.written(&overwritten.clone().guarded(seen), overwritten.claim()).await;
        assert_eq!(record.seq, Some(seq("10")));
    }
}

pub async fn the_same_bytes_with_a_newer_sequencer_are_a_new_version(fixture: &dyn Fixture) {
    let image = Image::brought_to(fixture, published("a")).await;
    // The source is the same too, as an ETag is in a bucket without versions.
    let again = Worker::new("t2", "m2", "11").at(40);
    image.written(&again, again.claim()).await;
    image.written(&again.holding(), published("b")).await;
}

pub async fn no_sequencer_and_no_record_claims(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let worker = Worker::new("t1", "m1", "10").guarded(Guard::Absent);
    let record = image.written(&worker, worker.claim()).await;
    assert_eq!((record.status, record.seq), (Status::WaitingForThumbnails, None));
}

pub async fn no_sequencer_keeps_out_of_a_record_that_came_meanwhile(fixture: &dyn Fixture) {
    let late = Worker::new("t2", "m2", "10").at(100_000).guarded(Guard::Absent);
    for image in Image::in_every_status(fixture).await {
        image.refused(&late, late.claim()).await;
    }
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    image.refused(&late, late.claim()).await;
    // The other way round: an event with a sequencer enters a record that has none.
    let absent = Image::new(fixture).await;
    absent.written(&late, late.claim()).await;
    let sequenced = Worker::new("t3", "m3", "10").at(100_001);
    absent.written(&sequenced, sequenced.claim()).await;
}

pub async fn no_sequencer_claims_the_record_as_it_was_seen(fixture: &dyn Fixture) {
    for image in Image::in_every_status(fixture).await {
        let rev = image.record().await.rev;
        let worker = |token, rev| Worker::new(token, token, "10").at(20).guarded(Guard::Seen { rev });
        let (late, first) = (worker("t2", rev), worker("t3", rev));
        image.refused(&worker("t4", rev - 1), first.claim()).await;
        let record = image.written(&first, first.claim()).await;
        assert_eq!((record.seq, record.rev), (Some(seq("10")), rev + 1));
        image.refused(&late, late.claim()).await;
        // It looks again, sees the newer revision, and may try once more.
        image.written(&worker("t2", rev + 1), late.claim()).await;
    }
    let none = Image::new(fixture).await;
    let worker = Worker::new("t1", "m1", "10").guarded(Guard::Seen { rev: 1 });
    none.refused(&worker, worker.claim()).await;
}

pub async fn an_object_that_is_gone_fails_the_image(fixture: &dyn Fixture) {
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

pub async fn an_object_that_is_gone_leaves_older_and_final_records_alone(fixture: &dyn Fixture) {
    let gone = Change::Fail { reason: Reason::SourceMissing, src: None, deaths: 0, error: "gone".to_owned() };
    for (sequencer, change) in [("0F", released()), ("10", published("a")), ("10", rejected(Reason::Empty))] {
        let image = Image::brought_to(fixture, change).await;
        let guard = Guard::Enter { seq: seq(sequencer), src: None };
        image.refused(&Worker::new("t2", "m2", sequencer).at(100_000).guarded(guard), gone.clone()).await;
    }
}

pub async fn a_header_that_says_no_rejects_the_image(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    let worker = Worker::new("t1", "m1", "10");
    let record = image.written(&worker, rejected(Reason::UnsupportedType)).await;
    assert_eq!((record.status, record.reason), (Status::InvalidContentType, Some(Reason::UnsupportedType)));
    assert_eq!((record.ttl, record.original, record.src), (None, None, Some(src("v1"))));
    assert_eq!(record.last_error.as_deref(), Some("it is a text"));
}

pub async fn corrupt_found_while_rendering_rejects_what_is_held(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    image.refused(&Worker::new("t2", "m1", "10").holding(), rejected(Reason::Corrupt)).await;
    let record = image.written(&worker.at(11).holding(), rejected(Reason::Corrupt)).await;
    assert_eq!((record.status, record.lease_until), (Status::InvalidContentType, None));
}

pub async fn delivered_thumbnails_are_published_by_the_holder(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    let record = image.written(&worker.at(12).holding(), published("a")).await;
    assert_eq!((record.status, record.lease_until, record.deaths), (Status::Published, None, 0));
    assert_eq!((record.claim.as_deref(), record.original), (Some("t1"), Some(original())));
    let published = record.published.unwrap();
    assert_eq!((published.version.as_str(), published.thumbnails.len()), ("a", 3));
}

pub async fn delivered_thumbnails_of_a_superseded_claim_are_not_published(fixture: &dyn Fixture) {
    let (image, older) = Image::claimed(fixture).await;
    let newer = Worker::new("t2", "m2", "11").at(11);
    image.written(&newer, newer.claim()).await;
    image.refused(&older.at(12).holding(), published("old")).await;
    image.written(&newer.at(13).holding(), published("new")).await;
    image.refused(&older.at(14).holding(), published("old")).await;
    let none = Image::new(fixture).await;
    none.refused(&older.holding(), published("old")).await;
}

pub async fn a_counted_failure_releases_the_claim(fixture: &dyn Fixture) {
    let (image, worker) = Image::claimed(fixture).await;
    image.refused(&Worker::new("t2", "m1", "10").holding(), released()).await;
    let record = image.written(&worker.at(11).holding(), released()).await;
    assert_eq!((record.status, record.lease_until), (Status::WaitingForThumbnails, None));
    assert_eq!((record.last_error.as_deref(), record.rev), (Some("the disk was full"), 2));
}

pub async fn a_counted_failure_on_the_last_receive_fails_the_image(fixture: &dyn Fixture) {
    let (held, worker) = Image::claimed(fixture).await;
    let before_a_claim = Image::new(fixture).await;
    for (image, worker) in [(held, worker.holding()), (before_a_claim, worker.clone())] {
        let record = image.written(&worker.at(11), failed(Reason::Unavailable)).await;
        assert_eq!((record.status, record.reason), (Status::Failed, Some(Reason::Unavailable)));
        assert_eq!((record.lease_until, record.last_error.as_deref()), (None, Some("it did not work")));
    }
}

pub async fn a_dead_letter_seen_by_sweep_fails_the_image_as_killed(fixture: &dyn Fixture) {
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

pub async fn sweep_deletes_an_upload_that_never_came_unless_it_changed(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    image.catalog.create(&image.blank()).await.unwrap();
    let worker = Worker::new("t1", "m1", "10");
    image.written(&worker, worker.claim()).await;
    let stale = image.catalog.delete(&image.id, Some(1)).await;
    assert_eq!(stale.unwrap_err().kind, ErrorKind::Precondition);
    assert_eq!(image.record().await.rev, 2);
    image.catalog.delete(&image.id, Some(2)).await.unwrap();
    assert_eq!(image.look().await, None);
}

pub async fn a_repeated_write_recognises_itself(fixture: &dyn Fixture) {
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
    let seen = Worker::new("t3", "m3", "10").guarded(Guard::Seen { rev: 2 });
    for _ in 0..2 {
        other.written(&seen, seen.claim()).await;
    }
}

pub async fn published_thumbnails_stay_until_new_ones_are_published(fixture: &dyn Fixture) {
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

pub async fn of_many_claims_at_once_one_is_written(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let transitions: Vec<_> = (0..16)
        .map(|number| {
            let worker = Worker::new(&format!("t{number}"), &format!("m{number}"), "10");
            image.transition(&worker, worker.claim())
        })
        .collect();
    let applied = join_all(transitions.iter().map(|transition| image.catalog.apply(transition))).await;
    let written: Vec<_> = (0..16).filter(|n| matches!(applied[*n], Ok(Applied::Written { .. }))).collect();
    assert_eq!(written.len(), 1, "{applied:?}");
    let record = image.record().await;
    assert_eq!((record.claim, record.rev), (Some(format!("t{}", written[0])), 1));
    for refused in applied.into_iter().map(Result::unwrap).filter(|applied| matches!(applied, Applied::Refused { .. }))
    {
        assert_eq!(refused, Applied::Refused { current: image.look().await });
    }
}

pub async fn of_many_records_at_once_one_is_created(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let records: Vec<_> = (0..16).map(|number| ImageRecord { key: number.to_string(), ..image.blank() }).collect();
    let created = join_all(records.iter().map(|record| image.catalog.create(record))).await;
    let ok: Vec<_> = (0..16).filter(|number| created[*number].is_ok()).collect();
    assert_eq!(ok.len(), 1);
    assert_eq!(image.record().await, records[ok[0]]);
}

pub async fn fields_of_other_builds_are_kept(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let mut record = image.blank();
    let other = serde_json::json!({ "note": "käse", "nested": { "list": [1, true, null, "x"] } });
    record.other = other.as_object().unwrap().clone();
    image.catalog.create(&record).await.unwrap();
    assert_eq!(image.record().await, record);
    let worker = Worker::new("t1", "m1", "10");
    assert_eq!(image.written(&worker, worker.claim()).await.other, record.other);
}

pub async fn a_record_of_a_newer_schema_admits_nothing(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let record = ImageRecord { v: SCHEMA + 1, ..image.blank() };
    image.catalog.create(&record).await.unwrap();
    assert!(image.record().await.is_of_a_newer_schema());
    let worker = Worker::new("t1", "m1", "10");
    for guard in [worker.guard.clone(), Guard::Absent, Guard::Seen { rev: 1 }, Guard::Hold] {
        image.refused(&worker.clone().guarded(guard), worker.claim()).await;
    }
}

pub async fn a_scan_gives_every_record(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    assert!(image.catalog.scan(None).await.unwrap().records.is_empty());
    let mut expected = Vec::new();
    for number in 0..25 {
        let id = ImageId::parse(&format!("image-{number:02}")).unwrap();
        let record = ImageRecord { id, ..image.blank() };
        image.catalog.create(&record).await.unwrap();
        expected.push(record);
    }
    let mut scanned = Vec::new();
    let mut next = None;
    loop {
        let page = image.catalog.scan(next.as_deref()).await.unwrap();
        scanned.extend(page.records);
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    scanned.sort_by(|one, two| one.id.cmp(&two.id));
    assert_eq!(scanned, expected);
}

pub async fn delete_may_be_repeated(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    for rev in [None, None, Some(1)] {
        image.catalog.delete(&image.id, rev).await.unwrap();
        assert_eq!(image.look().await, None);
    }
}
