//! One image in a fresh catalog, and the attempts of workers to process it.

use std::sync::Arc;
use std::time::Duration;

use darkroom::clock::Timestamp;
use darkroom::ports::Catalog;
use darkroom::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, PublishedThumbnail, Reason, Sequencer,
    SourceId, Transition,
};

use crate::contract::Fixture;

/// A point in time, `seconds` after the first event.
pub(super) fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_900_000_000_000).plus(Duration::from_secs(seconds))
}

/// How long, in seconds, a claim excludes other messages.
pub(super) const LEASE_SECS: u64 = 120;

pub(super) fn seq(text: &str) -> Sequencer {
    Sequencer::parse(text).unwrap()
}

pub(super) fn src(text: &str) -> SourceId {
    SourceId::new(Some(text), "")
}

pub(super) fn original() -> Original {
    Original { content_type: "image/jpeg".to_owned(), width: 4000, height: 3000, bytes: 3_456_789 }
}

pub(super) fn published(version: &str) -> Change {
    let thumbnail =
        |size: &str, side| PublishedThumbnail { size: size.to_owned(), width: side, height: side, bytes: 99 };
    Change::Publish(Published {
        version: version.to_owned(),
        content_type: "image/jpeg".to_owned(),
        at: at(30),
        thumbnails: vec![thumbnail("small", 100), thumbnail("medium", 500), thumbnail("large", 1000)],
    })
}

pub(super) fn rejected(reason: Reason) -> Change {
    Change::Reject { reason, src: Some(src("v1")), detail: "it is a text".to_owned(), kind: None }
}

pub(super) fn failed(reason: Reason) -> Change {
    Change::Fail { reason, src: Some(src("v1")), deaths: 0, error: "it did not work".to_owned() }
}

pub(super) fn released() -> Change {
    Change::Release { error: "the disk was full".to_owned() }
}

/// The attempts of one message at one event.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) attempt: Attempt,
    pub(super) guard: Guard,
    pub(super) at: u64,
}

impl Worker {
    /// An attempt of `message` at the upload `sequencer`, with source `v1`.
    pub(super) fn new(token: &str, message: &str, sequencer: &str) -> Self {
        let attempt = Attempt { token: token.to_owned(), message: message.to_owned() };
        Self { attempt, guard: Guard::Enter { seq: seq(sequencer), src: Some(src("v1")) }, at: 10 }
    }

    pub(super) fn at(&self, at: u64) -> Self {
        Self { at, ..self.clone() }
    }

    pub(super) fn guarded(&self, guard: Guard) -> Self {
        Self { guard, ..self.clone() }
    }

    pub(super) fn holding(&self) -> Self {
        self.guarded(Guard::Hold)
    }

    pub(super) fn claim(&self) -> Change {
        self.claim_after_deaths(0)
    }

    pub(super) fn claim_after_deaths(&self, deaths: u32) -> Change {
        Change::Claim { src: src("v1"), original: original(), lease_until: at(self.at + LEASE_SECS), deaths }
    }
}

pub(super) struct Image {
    pub(super) catalog: Arc<dyn Catalog>,
    pub(super) id: ImageId,
}

impl Image {
    pub(super) async fn new(fixture: &dyn Fixture) -> Self {
        Self { catalog: fixture.catalog().await, id: ImageId::parse("cat").unwrap() }
    }

    pub(super) fn blank(&self) -> ImageRecord {
        ImageRecord::waiting_for_upload(self.id.clone(), "uploads/cat".to_owned(), at(0), at(3600))
    }

    pub(super) async fn look(&self) -> Option<ImageRecord> {
        self.catalog.get(&self.id).await.unwrap()
    }

    pub(super) async fn record(&self) -> ImageRecord {
        self.look().await.expect("there is a record")
    }

    pub(super) fn transition(&self, worker: &Worker, change: Change) -> Transition {
        Transition {
            id: self.id.clone(),
            key: "uploads/cat".to_owned(),
            attempt: worker.attempt.clone(),
            guard: worker.guard.clone(),
            change,
            at: at(worker.at),
        }
    }

    /// Expects the write to succeed with the result that the transition's own rules give; returns the new record.
    pub(super) async fn written(&self, worker: &Worker, change: Change) -> ImageRecord {
        let transition = self.transition(worker, change);
        let before = self.look().await;
        let applied = self.catalog.update(&transition).await.unwrap();
        assert_eq!(applied, Applied::Written { before: before.clone() });
        let after = self.record().await;
        assert_eq!(after, transition.apply_to(before));
        after
    }

    /// Expects the catalog to refuse the write and change nothing.
    pub(super) async fn refused(&self, worker: &Worker, change: Change) {
        let before = self.look().await;
        let applied = self.catalog.update(&self.transition(worker, change)).await.unwrap();
        assert_eq!(applied, Applied::Refused { current: before.clone() });
        assert_eq!(self.look().await, before);
    }

    /// Claims the upload `10` by the message `m1`, ten seconds in.
    pub(super) async fn claimed(fixture: &dyn Fixture) -> (Self, Worker) {
        let image = Self::new(fixture).await;
        let worker = Worker::new("t1", "m1", "10");
        image.written(&worker, worker.claim()).await;
        (image, worker)
    }

    /// Like [`Image::claimed`], and then applies `change`.
    pub(super) async fn brought_to(fixture: &dyn Fixture, change: Change) -> Self {
        let (image, worker) = Self::claimed(fixture).await;
        image.written(&worker.holding(), change).await;
        image
    }

    /// Images of the upload `10`, one in each status that it can have.
    pub(super) async fn in_every_status(fixture: &dyn Fixture) -> Vec<Self> {
        let mut images = vec![Self::claimed(fixture).await.0];
        for change in [published("a"), rejected(Reason::Corrupt), failed(Reason::Internal), released()] {
            images.push(Self::brought_to(fixture, change).await);
        }
        images
    }
}
