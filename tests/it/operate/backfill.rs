//! The backfill: objects from before darkroom's installation, and objects whose events were lost.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use darkroom::operate::OperateError;
use darkroom::operate::backfill::{self, BackfillOptions, BackfillReport};
use darkroom::operate::progress::Progress;
use darkroom::ports::ErrorKind;
use darkroom::recipe::Recipe;
use darkroom::record::{ImageId, Reason, Status};

use super::{HIDDEN, seen};
use crate::images;
use crate::world::{Call, Faults, Options, PREFIX, When, World};

fn all() -> BackfillOptions {
    BackfillOptions {
        prefix: PREFIX.to_owned(),
        start_after: None,
        is_forced: false,
        max_queue: 100_000,
        rate: 1000,
        waits: false,
        is_dry_run: false,
        as_json: false,
    }
}

async fn backfill(world: &World, options: &BackfillOptions) -> BackfillReport {
    let mut report = BackfillReport::default();
    let (mut progress, mut out) = (Progress::on(None), io::sink());
    backfill::backfill(&seen(world), options, &mut progress, &mut out, &mut report).await.unwrap();
    report
}

/// Puts objects, and deletes their events.
async fn put_quietly(world: &World, names: impl IntoIterator<Item = String>, bytes: &[u8]) -> Vec<ImageId> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(world.upload(&name, bytes).await);
    }
    loop {
        let received = world.ports.queue.receive(10, Duration::ZERO, HIDDEN).await.unwrap();
        if received.is_empty() {
            return ids;
        }
        let receipts: Vec<_> = received.into_iter().map(|message| message.receipt).collect();
        world.ports.queue.delete(&receipts).await.into_iter().for_each(|deleted| deleted.unwrap());
    }
}

fn named(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

async fn queued(world: &World) -> u64 {
    let depth = world.ports.queue.attributes().await.unwrap();
    depth.visible + depth.in_flight + depth.delayed
}

#[tokio::test(start_paused = true)]
async fn objects_without_an_event_are_published_once() {
    let mut world = World::idle(Options::default());
    let ids = put_quietly(&world, named(&["a", "b", "deep/c d"]), &images::jpeg(64, 48)).await;
    world.ports.uploads.put(&format!("{PREFIX}deep/"), Bytes::new(), "", "no-store").await.unwrap();
    put_quietly(&world, [], &[]).await;
    let would = backfill(&world, &BackfillOptions { is_dry_run: true, ..all() }).await;
    assert_eq!(queued(&world).await, 0);
    let done = backfill(&world, &all()).await;
    assert_eq!(done, would);
    assert_eq!((done.objects, done.enqueued, done.passed_over), (4, 3, 1));
    assert_eq!(done.last_key.as_deref(), Some("uploads/deep/c d"));
    world.start_worker();
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
    }
    let again = backfill(&world, &all()).await;
    assert_eq!((again.enqueued, again.published), (0, 3));
    assert_eq!(queued(&world).await, 0);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nothing_to_do_is_no_error() {
    let world = World::new().await;
    let done = backfill(&world, &BackfillOptions { waits: true, ..all() }).await;
    assert_eq!((done.objects, done.is_all_well()), (0, true));
    world.finish().await;
}

/// More than one page of the listing; a start key and a longer prefix restrict it.
#[tokio::test(start_paused = true)]
async fn thousands_are_enqueued_each_once() {
    const OBJECTS: usize = 2_300;
    let world = World::idle(Options::default());
    put_quietly(&world, (0..OBJECTS).map(|n| format!("{n:04}")), b"x").await;
    let after = |key: &str| BackfillOptions { start_after: Some(format!("{PREFIX}{key}")), is_dry_run: true, ..all() };
    assert_eq!(backfill(&world, &after("2199")).await.enqueued, 100);
    assert_eq!(backfill(&world, &after("2299")).await.enqueued, 0);
    let under = BackfillOptions { prefix: format!("{PREFIX}12"), is_dry_run: true, ..all() };
    assert_eq!(backfill(&world, &under).await.enqueued, 100);

    let (mut out, mut report) = (Vec::new(), BackfillReport::default());
    backfill::backfill(&seen(&world), &all(), &mut Progress::on(None), &mut out, &mut report).await.unwrap();
    assert_eq!((report.objects, report.enqueued), (OBJECTS as u64, OBJECTS as u64));
    assert_eq!(queued(&world).await, OBJECTS as u64);
    let lines = String::from_utf8(out).unwrap();
    let expected =
        ["1000 of 1000 up to uploads/0999", "2000 of 2000 up to uploads/1999", "2300 of 2300 up to uploads/2299"];
    assert_eq!(lines.lines().map(|line| line.trim_start_matches("enqueued ")).collect::<Vec<_>>(), expected);
    assert_eq!(put_quietly(&world, [], &[]).await.len(), 0);
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_rate_and_the_depth_of_the_queue_are_honoured() {
    const MOST: u64 = 20;
    let mut world = World::idle(Options::default());
    let ids = put_quietly(&world, (0..130).map(|n| format!("{n:03}")), &images::jpeg(16, 12)).await;
    let started = tokio::time::Instant::now();
    backfill(&world, &BackfillOptions { rate: 5, prefix: format!("{PREFIX}00"), ..all() }).await;
    assert!((1750..2500).contains(&started.elapsed().as_millis()), "{:?}", started.elapsed());
    put_quietly(&world, [], &[]).await;

    let context = seen(&world);
    let options = BackfillOptions { max_queue: MOST, ..all() };
    let mut report = BackfillReport::default();
    let (mut progress, mut out) = (Progress::on(None), io::sink());
    let mut filling = Box::pin(backfill::backfill(&context, &options, &mut progress, &mut out, &mut report));
    tokio::select! {
        _ = &mut filling => panic!("nobody drains the queue"),
        () = tokio::time::sleep(Duration::from_secs(600)) => {}
    }
    assert_eq!(queued(&world).await, MOST);
    world.faults.fail_many(Call::ThumbnailsPut, 1, 10_000, ErrorKind::Unavailable, When::Late(Duration::from_secs(1)));
    world.start_worker();
    let mut deepest = 0;
    loop {
        tokio::select! {
            done = &mut filling => break done.unwrap(),
            () = tokio::time::sleep(Duration::from_millis(500)) => deepest = deepest.max(queued(&world).await),
        }
    }
    drop(filling);
    assert!((1..=MOST).contains(&deepest), "{deepest}");
    assert_eq!(report.enqueued, 130);
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
    }
    world.finish().await;
}

/// After a kill at any call, the next backfill continues: it skips images with thumbnails; repeated events do nothing.
#[tokio::test(start_paused = true)]
async fn a_backfill_that_is_killed_is_simply_repeated() {
    for (n, when) in [(1, When::KilledBefore), (1, When::KilledAfter), (7, When::KilledBefore), (12, When::KilledAfter)]
    {
        let mut world = World::idle(Options::default());
        let ids = put_quietly(&world, (0..12).map(|n| format!("{n:02}")), &images::jpeg(32, 24)).await;
        let faults = Faults::default();
        faults.fail(Call::QueueSend, n, ErrorKind::Unavailable, when);
        let (context, options, mut report) = (world.context(&faults), all(), BackfillReport::default());
        let (mut progress, mut out) = (Progress::on(None), io::sink());
        tokio::select! {
            ended = backfill::backfill(&context, &options, &mut progress, &mut out, &mut report) => {
                panic!("it was to be killed: {ended:?}")
            }
            () = faults.severed() => {}
        }
        let sent = n as u64 - u64::from(when == When::KilledBefore);
        assert_eq!(queued(&world).await, sent);
        let half = n % 2 == 0;
        let worker = half.then(|| world.start_worker());
        if half {
            world.run_until_idle().await;
        }
        let again = backfill(&world, &all()).await;
        let expected = if half { (12 - sent, sent) } else { (12, 0) };
        assert_eq!((again.enqueued, again.published), expected, "killed at {n}, {when:?}");
        if worker.is_none() {
            world.start_worker();
        }
        world.run_until_idle().await;
        for id in &ids {
            world.expect_published(id).await;
        }
        let published = world.faults.writes().into_iter().filter(|record| record.status == Status::Published);
        assert_eq!(published.count(), 12, "each once");
        world.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_fails_ends_it_and_the_report_says_where_to_go_on() {
    let world = World::idle(Options::default());
    put_quietly(&world, named(&["a", "b", "c"]), b"x").await;
    let faults = Faults::default();
    faults.fail(Call::QueueSend, 3, ErrorKind::Throttled, When::Before);
    let (mut progress, mut out, mut report) = (Progress::on(None), io::sink(), BackfillReport::default());
    let failed = backfill::backfill(&world.context(&faults), &all(), &mut progress, &mut out, &mut report).await;
    assert!(matches!(failed, Err(OperateError::Port(error)) if error.kind == ErrorKind::Throttled));
    assert_eq!((report.enqueued, report.last_key.as_deref()), (2, Some("uploads/b")));
    let on = BackfillOptions { start_after: report.last_key, ..all() };
    assert_eq!(backfill(&world, &on).await.enqueued, 1);
    put_quietly(&world, [], &[]).await;
    world.finish().await;
}

/// The record decides whether an object is sent, unless the object is a later upload whose event was lost.
#[tokio::test(start_paused = true)]
async fn what_is_decided_is_left_alone_until_it_is_forced_or_replaced() {
    let mut world = World::new().await;
    let cat = world.upload("cat", &images::jpeg(64, 48)).await;
    let text = world.upload("text", b"a text").await;
    world.run_until_idle().await;
    let left = backfill(&world, &all()).await;
    assert_eq!((left.enqueued, left.published, left.refused), (0, 1, 1));
    let other = Recipe { jpeg_quality: 90, ..Recipe::default() };
    let context = darkroom::operate::OperatorContext { recipe: other, ..seen(&world) };
    let mut report = BackfillReport::default();
    backfill::backfill(&context, &all(), &mut Progress::on(None), &mut io::sink(), &mut report).await.unwrap();
    assert_eq!((report.enqueued, report.outdated, report.refused), (0, 1, 1));

    let before = [world.record(&cat).await.rev, world.record(&text).await.rev];
    assert_eq!(backfill(&world, &BackfillOptions { is_forced: true, ..all() }).await.enqueued, 2);
    world.run_until_idle().await;
    let again =
        [world.expect_published(&cat).await.rev, world.expect_rejected(&text, Reason::UnsupportedType).await.rev];
    assert!(again[0] > before[0] && again[1] > before[1], "{before:?}, {again:?}");

    world.stop_worker(0).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    put_quietly(&world, named(&["text"]), &images::jpeg(48, 64)).await;
    let replaced = backfill(&world, &all()).await;
    assert_eq!((replaced.enqueued, replaced.published), (1, 1));
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&text).await;
    world.finish().await;
}

/// A worker is processing one image, and another was deleted: the backfill ignores both.
#[tokio::test(start_paused = true)]
async fn what_is_in_hand_is_left_alone_and_what_failed_is_tried_again() {
    let mut world = World::idle(Options { max_receives: 1, ..Options::default() });
    world.faults.fail(Call::UploadsGet, 1, ErrorKind::Damaged, When::Before);
    let failed = world.upload("failed", &images::jpeg(64, 48)).await;
    world.start_worker();
    world.run_until_idle().await;
    world.expect_failed(&failed, Reason::Unavailable).await;
    world.faults.fail(Call::ThumbnailsPut, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(30)));
    let rendering = world.faults.reached(Call::ThumbnailsPut, 1);
    let busy = world.upload("busy", &images::jpeg(64, 48)).await;
    rendering.cancelled().await;
    let report = backfill(&world, &all()).await;
    assert_eq!((report.enqueued, report.in_hand), (1, 1));
    world.run_until_idle().await;
    world.expect_published(&failed).await;
    world.expect_published(&busy).await;
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn waiting_reports_the_outcome_of_each_image() {
    let mut world = World::idle(Options { max_receives: 2, ..Options::default() });
    put_quietly(&world, named(&["a", "b"]), &images::jpeg(32, 24)).await;
    put_quietly(&world, named(&["gone"]), &images::jpeg(32, 24)).await;
    put_quietly(&world, named(&["text"]), b"a text").await;
    let faults = Faults::default();
    let all_sent = faults.reached(Call::QueueSend, 4);
    let (context, mut report) = (world.context(&faults), BackfillReport::default());
    let options = BackfillOptions { waits: true, ..all() };
    let (mut progress, mut out) = (Progress::on(None), io::sink());
    let work = async {
        all_sent.cancelled().await;
        tokio::time::sleep(Duration::from_secs(20)).await;
        world.ports.uploads.delete(&format!("{PREFIX}gone")).await.unwrap();
        world.start_worker();
    };
    let (ended, ()) = tokio::join!(backfill::backfill(&context, &options, &mut progress, &mut out, &mut report), work);
    ended.unwrap();
    assert!(!report.is_all_well());
    let text = report.table(&options);
    let verdicts = text.split("what became of those enqueued:\n").nth(1).unwrap();
    let expected = [
        ("failed: source_missing", "1"),
        ("invalid_content_type: unsupported_type", "1"),
        ("published", "2"),
        ("without a verdict", "0"),
    ];
    for (line, (fate, count)) in verdicts.lines().zip(expected) {
        assert_eq!((line.trim().trim_end_matches(char::is_numeric).trim_end(), &line[line.len() - 1..]), (fate, count));
    }
    assert_eq!(verdicts.lines().count(), expected.len(), "{verdicts}");
    world.finish().await;
}

/// The messages were lost and the queue is empty, so no further verdict can follow.
#[tokio::test(start_paused = true)]
async fn waiting_ends_when_nothing_more_is_to_be_expected() {
    let world = World::idle(Options::default());
    put_quietly(&world, named(&["a", "b"]), &images::jpeg(32, 24)).await;
    let faults = Faults::default();
    let sent = faults.reached(Call::QueueSend, 2);
    let (context, mut report) = (world.context(&faults), BackfillReport::default());
    let options = BackfillOptions { waits: true, ..all() };
    let (mut progress, mut out) = (Progress::on(None), io::sink());
    let lose = async {
        sent.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        put_quietly(&world, [], &[]).await;
    };
    let (ended, ()) = tokio::join!(backfill::backfill(&context, &options, &mut progress, &mut out, &mut report), lose);
    ended.unwrap();
    let verdicts = report.verdicts.clone().unwrap();
    assert_eq!((verdicts.settled.len(), verdicts.without_verdict, report.is_all_well()), (0, 2, false));
    world.finish().await;
}

/// On a terminal the backfill first counts the objects, and it clears the progress line at the end.
#[tokio::test(start_paused = true)]
async fn progress_has_an_estimate() {
    let world = World::idle(Options::default());
    put_quietly(&world, (0..7).map(|n| n.to_string()), b"x").await;
    let (mut terminal, mut report) = (Vec::new(), BackfillReport::default());
    let options = BackfillOptions { rate: 1, ..all() };
    let mut progress = Progress::on(Some(&mut terminal));
    backfill::backfill(&seen(&world), &options, &mut progress, &mut io::sink(), &mut report).await.unwrap();
    drop(progress);
    let shown = String::from_utf8(terminal).unwrap();
    assert!(shown.contains("objects 4 of about 7, about "), "{shown:?}");
    assert!(shown.ends_with("\r\u{1b}[K"), "{shown:?}");
    put_quietly(&world, [], &[]).await;
    world.finish().await;
}
