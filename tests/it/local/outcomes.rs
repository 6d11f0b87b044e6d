//! Outcome notifications: each verdict is reported at least once, whatever happens to the file.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use darkroom::backends::local::LocalBackend;
use darkroom::clock::SystemClock;
use darkroom::config::LocalConfig;
use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason};
use serde_json::{Value, json};

use crate::images;
use crate::world::{BUCKET, Call, Options, PREFIX, When, World};

fn world() -> World {
    World::idle(Options { tells_outcomes: true, max_receives: 2, ..Options::default() })
}

fn file(world: &World) -> PathBuf {
    world.dir().join("outcomes.jsonl")
}

/// Waits until the file has this many lines; returns them.
async fn notifications(world: &World, lines: usize) -> Vec<Value> {
    for _ in 0..600 {
        let text = fs::read_to_string(file(world)).unwrap_or_default();
        if text.lines().count() >= lines && text.ends_with('\n') {
            return text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("not sent: {:?}", fs::read_to_string(file(world)));
}

/// Starts another process on the world's directory.
async fn restart(world: &World) {
    let config = LocalConfig { max_receives: 2, tells_outcomes: true, ..LocalConfig::new(world.dir().to_owned()) };
    let backend = LocalBackend::open(&config, BUCKET, PREFIX, BUCKET, Arc::new(SystemClock)).unwrap();
    backend.flush_outcomes().await;
}

#[tokio::test(start_paused = true)]
async fn each_verdict_is_sent_with_its_thumbnails() {
    let mut world = world();
    world.faults.fail_many(Call::UploadsGet, 1, 2, ErrorKind::Damaged, When::Before);
    let worker = world.start_worker();
    let failed = world.upload("failed", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    world.expect_failed(&failed, Reason::Unavailable).await;
    world.upload("text", b"GIF89a").await;
    world.run_until_idle().await;
    let cat = world.upload("cat", &images::jpeg(800, 600)).await;
    world.run_until_idle().await;
    let record = world.expect_published(&cat).await;

    let lines = notifications(&world, 3).await;
    let short = |line: &Value| (line["id"].clone(), line["status"].clone(), line["reason"].clone());
    assert_eq!(
        lines.iter().map(short).collect::<Vec<_>>(),
        [
            (json!("failed"), json!("failed"), json!("unavailable")),
            (json!("text"), json!("invalid_content_type"), json!("unsupported_type")),
            (json!("cat"), json!("published"), Value::Null),
        ]
    );
    assert_eq!(lines[1]["detail"], "the file is a GIF image: send it as a JPEG or PNG");
    assert!([0, 2].iter().all(|line| lines[*line].get("detail").is_none()));
    assert_eq!((&lines[2]["key"], &lines[2]["rev"]), (&json!("uploads/cat"), &json!(record.rev)));
    assert_eq!(lines[2]["at"], record.updated_at.to_string());
    let thumbnails = lines[2]["thumbnails"].as_array().unwrap();
    assert_eq!(thumbnails.len(), 3);
    for thumbnail in thumbnails {
        let info = world.ports.thumbnails.head(thumbnail["key"].as_str().unwrap()).await.unwrap();
        assert_eq!(thumbnail["bytes"], info.bytes);
    }
    assert_eq!((&thumbnails[1]["size"], &thumbnails[1]["width"]), (&json!("medium"), &json!(500)));
    world.stop_worker(worker).await;
    // No report is left over.
    restart(&world).await;
    assert_eq!(notifications(&world, 3).await.len(), 3);
    world.finish_with_dead_letters(1).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_unless_it_is_configured() {
    let world = World::new().await;
    world.upload("cat", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    assert!(!file(&world).exists());
    world.finish().await;
}

/// The worker continues and settles its messages; the next verdict also reports those that could not be reported.
#[tokio::test(start_paused = true)]
async fn a_file_that_cannot_be_written_holds_up_nothing_and_loses_nothing() {
    let mut world = world();
    fs::create_dir(file(&world)).unwrap();
    world.start_worker();
    let cat = world.upload("cat", &images::jpeg(64, 48)).await;
    let dog = world.upload("dog", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    world.expect_published(&cat).await;
    world.expect_published(&dog).await;
    fs::remove_dir(file(&world)).unwrap();
    world.upload("emu", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    let mut ids: Vec<_> =
        notifications(&world, 3).await.iter().map(|line| line["id"].as_str().unwrap().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["cat", "dog", "emu"]);
    world.finish().await;
}

/// If a process dies between the verdict and the file, the next process that starts reports the verdict. It ends a
/// partial line, and writes the report again.
#[tokio::test(start_paused = true)]
async fn what_a_dead_process_could_not_send_is_sent_at_the_next_start() {
    let mut world = world();
    fs::create_dir(file(&world)).unwrap();
    let worker = world.start_worker();
    world.upload("cat", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;
    world.stop_worker(worker).await;
    fs::remove_dir(file(&world)).unwrap();
    fs::write(file(&world), "{\"id\":\"earlier\"}\n{\"id\":\"ca").unwrap();
    restart(&world).await;
    let text = fs::read_to_string(file(&world)).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[..2], ["{\"id\":\"earlier\"}", "{\"id\":\"ca"]);
    assert_eq!(notifications(&world, 3).await[1]["id"], "cat");
    assert_eq!(lines.len(), 3);
    world.finish().await;
}

/// The worker dies after its verdict and before it deletes its message: the verdict was reported, and is not lost.
#[tokio::test(start_paused = true)]
async fn a_verdict_is_sent_although_its_worker_dies_at_once() {
    let mut world = world();
    world.faults.fail(Call::CatalogApply, 2, ErrorKind::Unavailable, When::KilledAfter);
    let worker = world.start_worker();
    world.upload("cat", &images::jpeg(64, 48)).await;
    world.wait_for_death(worker).await;
    assert_eq!(notifications(&world, 1).await[0]["status"], "published");
    world.start_worker();
    world.run_until_idle().await;
    world.expect_published(&ImageId::parse("cat").unwrap()).await;
    world.finish().await;
}

/// The sweep writes verdicts too.
#[tokio::test(start_paused = true)]
async fn a_verdict_of_the_sweep_is_sent() {
    let world = world();
    let event = world.upload_event("cat", &images::jpeg(64, 48)).await;
    let message = world.ports.queue.receive(1, std::time::Duration::ZERO, std::time::Duration::ZERO).await.unwrap();
    world.ports.queue.delete(&[message[0].receipt.clone()]).await.remove(0).unwrap();
    world.ports.dead_letters.send(&darkroom::event::notification(&event, "")).await.unwrap();
    assert_eq!(world.sweep().await.verdicts_written, 1);
    assert_eq!(notifications(&world, 1).await[0]["reason"], "killed");
    world.finish_with_dead_letters(1).await;
}
