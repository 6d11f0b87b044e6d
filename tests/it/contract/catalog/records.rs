//! Whole records: creation, scans, deletion, concurrent writers, and records of other builds.

use darkroom::ports::ErrorKind;
use darkroom::record::{Applied, Guard, ImageId, ImageRecord, Reason, SCHEMA, Status};
use futures_util::future::join_all;

use super::image::{Image, Worker, at, rejected};
use crate::contract::Fixture;

pub(crate) async fn an_upload_asked_for_makes_a_record_and_only_one(fixture: &dyn Fixture) {
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

pub(crate) async fn sweep_deletes_an_upload_that_never_came_unless_it_changed(fixture: &dyn Fixture) {
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

pub(crate) async fn of_many_claims_at_once_one_is_written(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let transitions: Vec<_> = (0..16)
        .map(|number| {
            let worker = Worker::new(&format!("t{number}"), &format!("m{number}"), "10");
            image.transition(&worker, worker.claim())
        })
        .collect();
    let applied = join_all(transitions.iter().map(|transition| image.catalog.update(transition))).await;
    let written: Vec<_> = (0..16).filter(|n| matches!(applied[*n], Ok(Applied::Written { .. }))).collect();
    assert_eq!(written.len(), 1, "{applied:?}");
    let record = image.record().await;
    assert_eq!((record.claim, record.rev), (Some(format!("t{}", written[0])), 1));
    for refused in applied.into_iter().map(Result::unwrap).filter(|applied| matches!(applied, Applied::Refused { .. }))
    {
        assert_eq!(refused, Applied::Refused { current: image.look().await });
    }
}

pub(crate) async fn of_many_records_at_once_one_is_created(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let records: Vec<_> = (0..16).map(|number| ImageRecord { key: number.to_string(), ..image.blank() }).collect();
    let created = join_all(records.iter().map(|record| image.catalog.create(record))).await;
    let ok: Vec<_> = (0..16).filter(|number| created[*number].is_ok()).collect();
    assert_eq!(ok.len(), 1);
    assert_eq!(image.record().await, records[ok[0]]);
}

pub(crate) async fn fields_of_other_builds_are_kept(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let mut record = image.blank();
    let other = serde_json::json!({ "note": "käse", "nested": { "list": [1, true, null, "x"] } });
    record.other = other.as_object().unwrap().clone();
    image.catalog.create(&record).await.unwrap();
    assert_eq!(image.record().await, record);
    let worker = Worker::new("t1", "m1", "10");
    assert_eq!(image.written(&worker, worker.claim()).await.other, record.other);
}

pub(crate) async fn a_record_of_a_newer_schema_admits_nothing(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let record = ImageRecord { v: SCHEMA + 1, ..image.blank() };
    image.catalog.create(&record).await.unwrap();
    assert!(image.record().await.is_of_a_newer_schema());
    let worker = Worker::new("t1", "m1", "10");
    for guard in [worker.guard.clone(), Guard::Absent, Guard::Unchanged { rev: 1 }, Guard::Hold] {
        image.refused(&worker.guarded(guard), worker.claim()).await;
    }
}

pub(crate) async fn a_reason_that_older_builds_do_not_know_is_left_to_newer_ones(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    for (sequencer, reason, schema) in
        [("10", Reason::Corrupt, 1), ("11", Reason::TooMuchWork, 2), ("12", Reason::Empty, 1)]
    {
        let worker = Worker::new(&format!("t{sequencer}"), "m1", sequencer);
        let record = image.written(&worker, rejected(reason)).await;
        assert_eq!((record.reason, record.v), (Some(reason), schema));
    }
    // A newer upload of the key uses no new features of the record again.
    let worker = Worker::new("t13", "m1", "13");
    image.written(&worker, rejected(Reason::TooMuchWork)).await;
    let worker = Worker::new("t14", "m1", "14");
    assert_eq!(image.written(&worker, worker.claim()).await.v, 1);
}

pub(crate) async fn a_scan_gives_every_record(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    assert!(image.catalog.scan(None).await.unwrap().records.is_empty());
    let mut expected = Vec::new();
    for number in 0..25 {
        let id = ImageId::parse(&format!("image-{number:02}")).unwrap();
        let record = ImageRecord { id, ..image.blank() };
        image.catalog.create(&record).await.unwrap();
        expected.push(record);
    }
    let mut scanned: Vec<_> = pages(&image).await.concat();
    scanned.sort_by(|one, two| one.id.cmp(&two.id));
    assert_eq!(scanned, expected);
}

async fn pages(image: &Image) -> Vec<Vec<ImageRecord>> {
    let (mut pages, mut next) = (Vec::new(), None);
    loop {
        let page = image.catalog.scan(next.as_deref()).await.unwrap();
        pages.push(page.records);
        next = page.next;
        if next.is_none() {
            return pages;
        }
    }
}

pub(crate) async fn a_scan_goes_on_after_a_page_of_a_thousand(fixture: &dyn Fixture) {
    let image = Image::new(fixture).await;
    let record = |number| ImageRecord { id: ImageId::parse(&format!("image-{number:04}")).unwrap(), ..image.blank() };
    let records: Vec<_> = (0..1001).map(record).collect();
    for some in records[..999].chunks(50) {
        let created = join_all(some.iter().map(|record| image.catalog.create(record))).await;
        assert!(created.iter().all(Result::is_ok), "{created:?}");
    }
    for count in [999, 1000, 1001] {
        if count > 999 {
            image.catalog.create(&records[count - 1]).await.unwrap();
        }
        let pages = pages(&image).await;
        assert!(pages.iter().all(|page| page.len() <= 1000), "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
        let mut scanned = pages.concat();
        scanned.sort_by(|one, two| one.id.cmp(&two.id));
        assert!(scanned == records[..count], "{count} records, {} scanned", scanned.len());
    }
}

pub(crate) async fn delete_may_be_repeated(fixture: &dyn Fixture) {
    let (image, _) = Image::claimed(fixture).await;
    for rev in [None, None, Some(1)] {
        image.catalog.delete(&image.id, rev).await.unwrap();
        assert_eq!(image.look().await, None);
    }
}
