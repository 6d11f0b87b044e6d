//! DynamoDB and `record::Transition` agree: both judge random transitions of random records.

use std::ops::{Deref, DerefMut};

use darkroom::backends::aws::DynamoCatalog;
use darkroom::clock::Timestamp;
use darkroom::ports::Catalog as _;
use darkroom::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, PublishedThumbnail, Reason,
    RefusedKind, SCHEMA, Sequencer, SourceId, Status, Transition,
};
use darkroom_thumbnail::FileKind;
use futures_util::stream::{StreamExt as _, iter};

use super::account::Account;
use crate::dice::Dice;

/// Number of cases; each writes one record of its own.
const CASES: u64 = 600;

struct RandomCase(Dice);

impl Deref for RandomCase {
    type Target = Dice;

    fn deref(&self) -> &Dice {
        &self.0
    }
}

impl DerefMut for RandomCase {
    fn deref_mut(&mut self) -> &mut Dice {
        &mut self.0
    }
}

impl RandomCase {
    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.roll(3) > 0).then(|| make(self))
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + 1000 * i64::try_from(self.roll(4)).unwrap())
    }

    fn seq(&mut self) -> Sequencer {
        Sequencer::parse(self.pick(&["0A", "0B", "1"])).unwrap()
    }

    fn src(&mut self) -> SourceId {
        SourceId::new(None, self.pick(&["one", "two"]))
    }

    fn name(&mut self, kind: &str) -> String {
        format!("{kind}{}", self.roll(2))
    }

    fn original(&mut self) -> Original {
        Original { content_type: "image/png".to_owned(), width: 4, height: 3, bytes: self.roll(100) as u64 }
    }

    fn published(&mut self) -> Published {
        let small = PublishedThumbnail { size: "small".to_owned(), width: 2, height: 1, bytes: 77 };
        let version = self.name("version");
        Published { version, content_type: "image/png".to_owned(), at: self.time(), thumbnails: vec![small] }
    }

    fn deaths(&mut self) -> u32 {
        u32::try_from(self.roll(5)).unwrap()
    }

    fn record(&mut self, id: &ImageId) -> ImageRecord {
        let (created_at, ttl) = (self.time(), self.time());
        let mut record = ImageRecord::waiting_for_upload(id.clone(), format!("uploads/{id}"), created_at, ttl);
        record.settled_at = self.maybe(Self::time);
        record.v = self.pick(&[SCHEMA, SCHEMA, SCHEMA, SCHEMA, SCHEMA + 1]);
        record.status = self.pick(&[
            Status::WaitingForUpload,
            Status::WaitingForThumbnails,
            Status::WaitingForThumbnails,
            Status::Published,
            Status::InvalidContentType,
            Status::Failed,
            Status::Failed,
        ]);
        record.reason = self.maybe(|dice| dice.pick(&Reason::ALL));
        record.seq = self.maybe(Self::seq);
        record.src = self.maybe(Self::src);
        record.claim = self.maybe(|dice| dice.name("token"));
        record.message = self.maybe(|dice| dice.name("message"));
        record.lease_until = self.maybe(Self::time);
        record.deaths = self.deaths();
        record.rev = 1 + self.roll(3) as u64;
        record.original = self.maybe(Self::original);
        record.published = self.maybe(Self::published);
        record.refused_kind = self.maybe(|dice| RefusedKind { name: dice.name("kind"), at: dice.time() });
        record.last_error = self.maybe(|dice| dice.name("error"));
        record.ttl = self.maybe(Self::time);
        if self.roll(2) == 0 {
            record.other.insert("of another build".to_owned(), serde_json::json!({"kept": [1, "two", null]}));
        }
        record
    }

    fn transition(&mut self, id: &ImageId) -> Transition {
        let guard = match self.roll(6) {
            0 => Guard::Absent,
            1 => Guard::Unchanged { rev: 1 + self.roll(3) as u64 },
            2 => Guard::Hold,
            _ => Guard::Enter { seq: self.seq(), src: self.maybe(Self::src) },
        };
        let change = match self.roll(5) {
            0 => Change::Claim {
                src: self.src(),
                original: self.original(),
                lease_until: self.time(),
                deaths: self.deaths(),
            },
            1 => Change::Reject {
                reason: Reason::UnsupportedType,
                src: self.maybe(Self::src),
                detail: self.name("detail"),
                kind: self.maybe(|dice| dice.pick(&FileKind::ALL)),
            },
            2 => Change::Publish(self.published()),
            3 => Change::Fail {
                reason: Reason::Killed,
                src: self.maybe(Self::src),
                deaths: self.deaths(),
                error: self.name("error"),
            },
            _ => Change::Release { error: self.name("error") },
        };
        let attempt = Attempt { token: self.name("token"), message: self.name("message") };
        Transition { id: id.clone(), key: format!("uploads/{id}"), attempt, guard, change, at: self.time() }
    }
}

/// Applies one transition to one record (or none) in DynamoDB and in `record`; returns whether both admitted it.
async fn compare(catalog: &DynamoCatalog, seed: u64) -> bool {
    let mut dice = RandomCase(Dice::new(seed));
    dice.roll(2);
    let id = ImageId::parse(&format!("case-{seed}")).unwrap();
    let record = (dice.roll(8) > 0).then(|| dice.record(&id));
    let transition = dice.transition(&id);
    if let Some(record) = &record {
        catalog.create(record).await.unwrap();
    }
    let applied = catalog.update(&transition).await.unwrap();
    let stands = catalog.get(&id).await.unwrap();
    if transition.is_admitted_by(record.as_ref()) {
        assert_eq!(applied, Applied::Written { before: record.clone() }, "case {seed}: {transition:?}");
        assert_eq!(stands, Some(transition.apply_to(record)), "case {seed}: {transition:?}");
        true
    } else {
        assert_eq!(applied, Applied::Refused { current: record.clone() }, "case {seed}: {transition:?}");
        assert_eq!(stands, record, "case {seed}");
        false
    }
}

#[tokio::test]
async fn dynamodb_admits_and_writes_what_the_record_says() {
    let Some(account) = Account::for_contracts().await else { return };
    let catalog = DynamoCatalog::new(account.clients.dynamodb.clone(), account.table().await);
    let admitted = iter(0..CASES).map(|seed| compare(&catalog, seed)).buffer_unordered(8);
    let admitted = admitted.filter(|&is| std::future::ready(is)).count().await as u64;
    account.remove_all().await;
    // Both admitted and refused transitions were tried.
    assert!((CASES / 10..CASES * 9 / 10).contains(&admitted), "{admitted} of {CASES} were admitted");
}
