//! Dead letters: listed, explained, redriven and dropped, while messages arrive and calls fail.

use std::io;
use std::time::Duration;

use darkroom::event::ObjectCreated;
use darkroom::operate::dead_letters::{self, DropOptions, Filter, RedriveOptions, Redriven, show};
use darkroom::operate::progress::Progress;
use darkroom::operate::{OperateError, OperatorContext};
use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, ImageRecord, Reason};
use tokio::time::Instant;

use super::{HIDDEN, after_a_bad_day, listed, of_cause, seen};
use crate::images;
use crate::world::{Call, Faults, Options, PREFIX, When, World};

const ALL: RedriveOptions = RedriveOptions { rate: 1000, is_dry_run: false, as_json: false };

async fn redrive(world: &World, filter: &Filter, options: RedriveOptions) -> (Redriven, String) {
    let mut out = Vec::new();
    let done = dead_letters::redrive(&seen(world), filter, options, &mut Progress::on(None), &mut out).await;
    (done.unwrap(), String::from_utf8(out).unwrap())
}

/// Drops the dead letters that match the filter, with this answer to the confirmation.
async fn drop(world: &World, filter: &Filter, answer: bool) -> (u64, String) {
    let mut out = Vec::new();
    let dropped = dead_letters::drop(&seen(world), filter, DropOptions::default(), &mut |_| Ok(answer), &mut out).await;
    (dropped.unwrap(), String::from_utf8(out).unwrap())
}

/// Expects that all dead letters are visible immediately.
async fn expect_visible(world: &World, count: u64) {
    let depth = world.ports.dead_letters.attributes().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (count, 0));
}

#[tokio::test(start_paused = true)]
async fn a_list_describes_each_dead_letter() {
    let (world, _) = after_a_bad_day(&["cat"], 1).await;
    tokio::time::sleep(Duration::from_secs(7200)).await;
    let rows = listed(&seen(&world), &Filter::default()).await;
    assert_eq!(rows.len(), 2);
    let cat = rows.iter().find(|row| row["reason"] == "unavailable").unwrap();
    assert_eq!(cat["keys"][0], format!("{PREFIX}cat"));
    assert!(cat["error"].as_str().unwrap().contains("objects.get"), "{cat}");
    assert!(cat["receiveCount"].as_u64().unwrap() >= 2, "{cat}");
    assert!((7200..7300).contains(&cat["ageSeconds"].as_u64().unwrap()), "{cat}");
    let nonsense = rows.iter().find(|row| row["reason"] == "unreadable").unwrap();
    assert!(nonsense["error"].as_str().unwrap().contains("not JSON"), "{nonsense}");
    // The next command sees them too.
    expect_visible(&world, 2).await;

    let mut text = Vec::new();
    dead_letters::list(&seen(&world), &Filter::default(), false, &mut text).await.unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.lines().any(|line| line.contains("  2h ") && line.ends_with("unavailable     uploads/cat")), "{text}");
    world.finish_with_dead_letters(2).await;
}

#[tokio::test(start_paused = true)]
async fn filters_choose_by_reason_key_age_and_id() {
    let (world, ids) = after_a_bad_day(&["cat", "cow", "dog"], 2).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    world.ports.dead_letters.send("later nonsense").await.unwrap();
    let under = |prefix: &str| Filter { key_prefix: Some(format!("{PREFIX}{prefix}")), ..Filter::default() };
    let age = Duration::from_secs(300);
    for (filter, count) in [
        (Filter::default(), 6),
        (of_cause("unavailable"), 3),
        (of_cause("unreadable"), 3),
        (of_cause("killed"), 0),
        (under("c"), 2),
        (under("d"), 1),
        (under("e"), 0),
        (Filter { older_than: Some(age), ..Filter::default() }, 5),
        (Filter { newer_than: Some(age), ..Filter::default() }, 1),
        (Filter { older_than: Some(age), ..of_cause("unreadable") }, 2),
        (Filter { ids: vec![ids[0].to_string()], ..Filter::default() }, 1),
    ] {
        assert_eq!(listed(&seen(&world), &filter).await.len(), count, "{filter:?}");
    }
    world.finish_with_dead_letters(6).await;
}

#[tokio::test(start_paused = true)]
async fn show_reports_the_record_the_error_and_the_advice() {
    let (world, ids) = after_a_bad_day(&["cat", "dog"], 0).await;
    let message = listed(&seen(&world), &Filter { ids: vec![ids[0].to_string()], ..Filter::default() }).await[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for id in [&*message, ids[0].as_str()] {
        let mut out = Vec::new();
        show(&seen(&world), id, false, &mut out).await.unwrap();
        let out = String::from_utf8(out).unwrap();
        for part in
            [&*message, "unavailable: a service", "redrive it", "objects.get: damaged", "\"status\": \"failed\"", "Put"]
        {
            assert!(out.contains(part), "{part} is missing: {out}");
        }
        assert!(!out.contains("uploads/dog"), "{out}");
    }
    let missing = show(&seen(&world), "nobody", false, &mut io::sink()).await.unwrap_err();
    assert!(matches!(missing, OperateError::NoSuchLetter(id) if id == "nobody"));
    world.finish_with_dead_letters(2).await;
}

/// The cause of a dead letter depends on its image's record: no verdict, another message's verdict, another bucket.
#[tokio::test(start_paused = true)]
async fn causes_follow_the_records() {
    let mut world = World::idle(Options::default());
    let event = world.upload_event("cat", &images::jpeg(32, 24)).await;
    let cause = async |world: &World| listed(&seen(world), &Filter::default()).await[0]["reason"].clone();
    world.ports.dead_letters.send(&darkroom::event::notification(&event, "")).await.unwrap();
    assert_eq!(cause(&world).await, "unfinished");
    world.start_worker();
    world.run_until_idle().await;
    assert_eq!(cause(&world).await, "settled");
    world.upload_event("cat", &images::jpeg(24, 32)).await;
    world.run_until_idle().await;
    assert_eq!(cause(&world).await, "settled", "superseded");
    drop(&world, &Filter::default(), true).await;
    let foreign = darkroom::event::ObjectCreated { bucket: "elsewhere".to_owned(), ..event };
    world.ports.dead_letters.send(&darkroom::event::notification(&foreign, "")).await.unwrap();
    assert_eq!(cause(&world).await, "other_bucket");
    world.finish_with_dead_letters(1).await;
}

/// An image that waits for this upload shows that the setting is wrong; a key alone proves nothing.
#[tokio::test(start_paused = true)]
async fn events_of_another_bucket_are_distinguished_by_whether_an_image_waits_for_them() {
    let mut world = World::idle(Options::default());
    let published = world.upload_event("cat", &images::jpeg(32, 24)).await;
    world.start_worker();
    world.run_until_idle().await;
    let key = format!("{PREFIX}0123456789abcdefghjkmnpqrs");
    let id = ImageId::of_key(PREFIX, &key).unwrap();
    let (now, ttl) = (world.clock.now(), world.clock.now().plus(HIDDEN));
    let waiting = ImageRecord::waiting_for_upload(id.clone(), key.clone(), now, ttl);
    world.ports.catalog.create(&waiting).await.unwrap();
    let unknown = format!("{PREFIX}never/seen.jpg");
    for key in [&key, &published.key, &unknown] {
        let foreign = ObjectCreated { bucket: "elsewhere".to_owned(), key: key.clone(), ..published.clone() };
        world.ports.dead_letters.send(&darkroom::event::notification(&foreign, "")).await.unwrap();
    }

    let context = seen(&world);
    let rows = listed(&context, &of_cause("wrong_bucket")).await;
    assert_eq!((rows.len(), &rows[0]["keys"][0]), (1, &key.clone().into()), "{rows:?}");
    assert_eq!(rows[0]["error"], "an event of bucket \"elsewhere\"");
    assert_eq!(listed(&context, &of_cause("other_bucket")).await.len(), 2);
    let mut out = Vec::new();
    show(&context, rows[0]["id"].as_str().unwrap(), false, &mut out).await.unwrap();
    let out = String::from_utf8(out).unwrap();
    for part in ["elsewhere; DARKROOM_UPLOAD_BUCKET is photos", "set DARKROOM_UPLOAD_BUCKET to the event's bucket"] {
        assert!(out.contains(part), "{part} is missing: {out}");
    }
    assert_eq!(redrive(&world, &Filter::default(), ALL).await.0, Redriven { redriven: 0, left: 3 });

    // With the right setting this event is an ordinary one, and so are the other events of that bucket.
    let right = OperatorContext { bucket: "elsewhere".to_owned(), ..context };
    assert_eq!(listed(&right, &of_cause("unfinished")).await.len(), 2);
    world.finish_with_dead_letters(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_publishes_what_an_outage_failed_and_leaves_nonsense_alone() {
    let (world, ids) = after_a_bad_day(&["cat", "cow", "dog"], 2).await;
    let (would, report) = redrive(&world, &Filter::default(), RedriveOptions { is_dry_run: true, ..ALL }).await;
    assert_eq!(would, Redriven { redriven: 3, left: 2 });
    assert_eq!(report.matches("would redrive  ").count(), 3, "{report}");
    world.expect_failed(&ids[0], Reason::Unavailable).await;
    expect_visible(&world, 5).await;

    let only = Filter { key_prefix: Some(format!("{PREFIX}c")), ..Filter::default() };
    assert_eq!(redrive(&world, &only, ALL).await.0, Redriven { redriven: 2, left: 3 });
    world.run_until_idle().await;
    world.expect_published(&ids[0]).await;
    world.expect_published(&ids[1]).await;
    world.expect_failed(&ids[2], Reason::Unavailable).await;
    let (done, report) = redrive(&world, &Filter::default(), ALL).await;
    assert_eq!((done, &*report), (Redriven { redriven: 1, left: 2 }, "redriven 1, left 2\n"));
    world.run_until_idle().await;
    world.expect_published(&ids[2]).await;
    expect_visible(&world, 2).await;
    world.finish_with_dead_letters(2).await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_an_unknown_id_names_it_and_sends_nothing() {
    let (world, ids) = after_a_bad_day(&["cat"], 2).await;
    for is_dry_run in [true, false] {
        let filter = Filter { ids: vec![ids[0].to_string(), "nobody".to_owned()], ..Filter::default() };
        let (mut out, options) = (Vec::new(), RedriveOptions { is_dry_run, ..ALL });
        let mut progress = Progress::on(None);
        let error = dead_letters::redrive(&seen(&world), &filter, options, &mut progress, &mut out).await.unwrap_err();
        assert!(matches!(error, OperateError::NoSuchLetter(id) if id == "nobody"));
        assert!(out.is_empty());
        expect_visible(&world, 3).await;
    }
    let filter = Filter { ids: vec![ids[0].to_string()], ..Filter::default() };
    assert_eq!(redrive(&world, &filter, ALL).await.0, Redriven { redriven: 1, left: 2 });
    world.run_until_idle().await;
    world.finish_with_dead_letters(2).await;
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_of_dead_letters_is_no_error() {
    let world = World::new().await;
    assert!(listed(&seen(&world), &Filter::default()).await.is_empty());
    assert_eq!(redrive(&world, &Filter::default(), ALL).await.0, Redriven::default());
    assert_eq!(drop(&world, &Filter::default(), true).await, (0, "nothing to drop\n".to_owned()));
    world.finish().await;
}

/// A redrive sends first and then deletes: if it dies at any call, each message is in at least one of the two queues.
#[tokio::test(start_paused = true)]
async fn a_redrive_that_is_killed_loses_nothing() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    for (n, when) in [(1, When::KilledBefore), (1, When::KilledAfter), (7, When::KilledAfter), (12, When::KilledAfter)]
    {
        let (world, ids) = after_a_bad_day(&names, 0).await;
        let faults = Faults::default();
        faults.fail(Call::QueueSend, n, ErrorKind::Unavailable, when);
        let context = world.context(&faults);
        let (all, mut progress, mut out) = (Filter::default(), Progress::on(None), io::sink());
        tokio::select! {
            ended = dead_letters::redrive(&context, &all, ALL, &mut progress, &mut out) => {
                panic!("it was to be killed: {ended:?}")
            }
            () = faults.severed() => {}
        }
        tokio::time::sleep(HIDDEN).await;
        redrive(&world, &Filter::default(), ALL).await;
        world.run_until_idle().await;
        for id in &ids {
            world.expect_published(id).await;
        }
        world.finish().await;
    }
}

/// A failing call ends the redrive; the next redrive does not repeat the messages that this one sent.
#[tokio::test(start_paused = true)]
async fn a_redrive_that_fails_half_way_is_simply_repeated() {
    let (world, ids) = after_a_bad_day(&["cat", "cow", "dog"], 0).await;
    let faults = Faults::default();
    faults.fail(Call::QueueSend, 2, ErrorKind::Throttled, When::Before);
    let (mut progress, mut out) = (Progress::on(None), Vec::new());
    let failed = dead_letters::redrive(&world.context(&faults), &Filter::default(), ALL, &mut progress, &mut out)
        .await
        .unwrap_err();
    assert!(matches!(failed, OperateError::Port(error) if error.kind == ErrorKind::Throttled));
    assert_eq!(String::from_utf8(out).unwrap(), "redriven 1, left 0\n");
    expect_visible(&world, 2).await;
    assert_eq!(redrive(&world, &Filter::default(), ALL).await.0.redriven, 2);
    world.run_until_idle().await;
    for id in &ids {
        world.expect_published(id).await;
    }
    world.finish().await;
}

/// An unreadable message becomes a dead letter again within a second of its redrive, while the redrive still runs.
#[tokio::test(start_paused = true)]
async fn what_comes_back_does_not_keep_a_redrive_running() {
    let (world, _) = after_a_bad_day(&[], 30).await;
    let slowly = RedriveOptions { rate: 1, is_dry_run: false, as_json: false };
    let (done, _) = redrive(&world, &of_cause("unreadable"), slowly).await;
    assert_eq!(done.redriven, 30);
    world.run_until_idle().await;
    world.finish_with_dead_letters(30).await;
}

#[tokio::test(start_paused = true)]
async fn a_redrive_keeps_to_its_rate_and_shows_its_progress_on_a_terminal_alone() {
    let world = World::idle(Options::default());
    for _ in 0..101 {
        world.ports.dead_letters.send("nonsense").await.unwrap();
    }
    let started = Instant::now();
    let (mut terminal, mut out) = (Vec::new(), Vec::new());
    let mut progress = Progress::on(Some(&mut terminal));
    let options = RedriveOptions { rate: 10, is_dry_run: false, as_json: false };
    dead_letters::redrive(&seen(&world), &of_cause("unreadable"), options, &mut progress, &mut out).await.unwrap();
    std::mem::drop(progress);
    let took = started.elapsed().as_secs_f64();
    assert!((10.0..13.0).contains(&took), "{took}");
    assert_eq!(String::from_utf8(out).unwrap(), "redriven 101, left 0\n");
    let terminal = String::from_utf8(terminal).unwrap();
    assert!(terminal.contains("redriven 51 of about 101, about 5s left"), "{terminal:?}");
    assert!(terminal.ends_with("\r\x1b[K"), "{terminal:?}");
    while let messages @ [_, ..] = &world.ports.queue.receive(10, Duration::ZERO, HIDDEN).await.unwrap()[..] {
        for message in messages {
            world.ports.queue.delete(std::slice::from_ref(&message.receipt)).await.remove(0).unwrap();
        }
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn drop_asks_and_deletes_what_it_showed_and_nothing_else() {
    let (world, ids) = after_a_bad_day(&["cat"], 3).await;
    let (dropped, report) = drop(&world, &of_cause("unreadable"), false).await;
    assert_eq!((dropped, report.matches("to drop  ").count()), (0, 3), "{report}");
    expect_visible(&world, 4).await;

    // Another dead letter arrives before the operator answers the question.
    let mut out = Vec::new();
    let database = world.ports.dead_letters.clone();
    let mut asked = String::new();
    let mut confirm = |question: &str| {
        question.clone_into(&mut asked);
        let database = database.clone();
        let sending = tokio::spawn(async move { database.send("more nonsense").await.unwrap() });
        std::mem::drop(sending);
        Ok(true)
    };
    let dropped =
        dead_letters::drop(&seen(&world), &of_cause("unreadable"), DropOptions::default(), &mut confirm, &mut out)
            .await
            .unwrap();
    let report = String::from_utf8(out).unwrap();
    assert_eq!((dropped, report.matches("dropped  ").count()), (3, 3), "{report}");
    assert_eq!(asked, "drop 3 dead letters for good?");
    assert_eq!(listed(&seen(&world), &of_cause("unreadable")).await.len(), 1);
    world.expect_failed(&ids[0], Reason::Unavailable).await;
    world.finish_with_dead_letters(2).await;
}

#[tokio::test(start_paused = true)]
async fn thousands_of_dead_letters_are_listed_and_dropped() {
    let world = World::idle(Options::default());
    for _ in 0..2000 {
        world.ports.dead_letters.send("nonsense").await.unwrap();
    }
    assert_eq!(listed(&seen(&world), &Filter::default()).await.len(), 2000);
    expect_visible(&world, 2000).await;
    assert_eq!(drop(&world, &Filter::default(), true).await.0, 2000);
    world.finish().await;
}

/// For an image without a record, the command identifies the dead letter by its key.
#[tokio::test(start_paused = true)]
async fn a_dead_letter_without_a_record_is_found_by_its_images_id() {
    let world = World::idle(Options::default());
    let event = world.upload_event("cat", &images::jpeg(32, 24)).await;
    world.ports.dead_letters.send(&darkroom::event::notification(&event, "")).await.unwrap();
    let id = ImageId::of_key(PREFIX, &event.key).unwrap();
    let mut out = Vec::new();
    show(&seen(&world), id.as_str(), false, &mut out).await.unwrap();
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("record      none") && out.contains("unfinished"), "{out}");
    drop(&world, &Filter::default(), true).await;
    let mut workers = world;
    workers.start_worker();
    workers.run_until_idle().await;
    workers.finish().await;
}
