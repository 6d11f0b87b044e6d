//! `darkroom images`: on a world with images of several statuses, and as a user types it.

use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use darkroom::backends::local::LocalBackend;
use darkroom::clock::{Clock as _, SystemClock, Timestamp};
use darkroom::config::LocalConfig;
use darkroom::operate::OperateError;
use darkroom::operate::images::{ListOptions, Since, list, show};
use darkroom::ports::Catalog;
use darkroom::record::{ImageId, ImageRecord, Reason, Status};
use serde_json::Value;

use super::command::{darkroom, printed};
use super::seen;
use crate::images;
use crate::world::{Call, Options, World};

/// Records on one page of a scan.
const PAGE: usize = 1000;

fn json_lines(out: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(out).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn ids(rows: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = rows.iter().map(|row| row["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// The images that these options list.
async fn listed(world: &World, statuses: &[Status], since: Option<Since>) -> Vec<Value> {
    let mut out = Vec::new();
    let options = ListOptions { statuses: statuses.to_vec(), since, as_json: true };
    let count = list(&seen(world), &options, &mut out).await.unwrap();
    let rows = json_lines(&out);
    assert_eq!(rows.len() as u64, count);
    rows
}

#[tokio::test(start_paused = true)]
async fn images_are_listed_by_status_and_time_and_shown_with_all_that_is_known() {
    let mut world = World::idle(Options::default());
    world.start_worker();
    let cat = world.upload("cat", &images::jpeg(640, 480)).await;
    let text = world.upload("text", b"no image").await;
    world.run_until_idle().await;
    tokio::time::sleep(Duration::from_hours(2)).await;
    world.upload("late", &images::jpeg(64, 48)).await;
    world.run_until_idle().await;

    let all = listed(&world, &[], None).await;
    let record_of_text = world.record(&text).await;
    assert_eq!(ids(&all), ["cat", "late", "text"]);
    let refused = listed(&world, &[Status::InvalidContentType, Status::Failed], None).await;
    assert_eq!((ids(&refused), refused[0]["reason"].as_str()), (vec!["text"], Some("unsupported_type")));
    let hour = Some(Since::Ago(Duration::from_hours(1)));
    assert_eq!(ids(&listed(&world, &[], hour).await), ["late"]);
    assert_eq!(listed(&world, &[Status::Failed], hour).await, Vec::<Value>::new());
    let first = Some(Since::At(world.record(&cat).await.updated_at));
    assert!(ids(&listed(&world, &[], first).await).contains(&"cat"));

    let mut out = Vec::new();
    show(&seen(&world), &cat, true, &mut out).await.unwrap();
    let shown = &json_lines(&out)[0];
    assert_eq!((&shown["status"], &shown["original"]["width"]), (&"published".into(), &640.into()));
    assert_eq!(shown["published"]["thumbnails"].as_array().unwrap().len(), 3);
    assert_eq!(all.iter().find(|row| row["id"] == "cat"), Some(shown), "list and show print the same object");

    let mut out = Vec::new();
    show(&seen(&world), &cat, false, &mut out).await.unwrap();
    let text_of_cat = String::from_utf8(out).unwrap();
    for part in
        ["key         uploads/cat\n", "status      published\n", "image/jpeg, 640 x 480 pixels", "thumbnails/cat/"]
    {
        assert!(text_of_cat.contains(part), "{part:?}: {text_of_cat}");
    }
    let mut out = Vec::new();
    show(&seen(&world), &text, false, &mut out).await.unwrap();
    let text_of_text = String::from_utf8(out).unwrap();
    assert!(
        text_of_text.contains("status      invalid_content_type: unsupported_type\ndetail      the file is neither")
    );
    assert_eq!(refused[0]["detail"].as_str(), record_of_text.detail());
    let missing = show(&seen(&world), &ImageId::parse("dog").unwrap(), false, &mut io::sink()).await.unwrap_err();
    assert!(matches!(missing, OperateError::NoSuchImage(_)), "{missing}");
    world.finish().await;
}

/// A writer that fails after a number of bytes.
struct Closed(usize);

impl Write for Closed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn fill(catalog: &dyn Catalog, count: usize) {
    let now = Timestamp::from_millis(1_800_000_000_000);
    let records = (0..count).map(|number| {
        let id = ImageId::parse(&format!("image-{number:04}")).unwrap();
        let key = format!("uploads/{id}");
        ImageRecord::waiting_for_upload(id, key, now, now)
    });
    let records: Vec<_> = records.collect();
    futures_util::future::try_join_all(records.iter().map(|record| catalog.create(record))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_list_is_printed_page_by_page() {
    let world = World::idle(Options::default());
    fill(&*world.ports.catalog, PAGE + 1).await;
    world.faults.fail_many(Call::CatalogScan, 2, 10, darkroom::ports::ErrorKind::Damaged, crate::world::When::Before);
    let mut out = Vec::new();
    let options = ListOptions { as_json: true, ..ListOptions::default() };
    let context = world.context(&world.faults);
    list(&context, &options, &mut out).await.unwrap_err();
    assert_eq!(json_lines(&out).len(), PAGE, "the first page was printed before the second was read");
    world.faults.heal();
    list(&context, &options, &mut Closed(1000)).await.unwrap_err();
    assert_eq!(listed(&world, &[], None).await.len(), PAGE + 1);
    world.finish().await;
}

#[tokio::test]
async fn images_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = LocalConfig::new(dir.path().to_owned());
    let backend = LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap();
    let run = |arguments: &[&str]| darkroom(dir.path(), &[&["images"], arguments].concat());
    let none = run(&["list"]);
    assert_eq!((none.status.code(), &*printed(&none)), (Some(0), "no images\n"));
    assert_eq!(printed(&run(&["list", "--json"])), "");

    let catalog = backend.ports().catalog;
    let now = SystemClock.now();
    let mut cat = ImageRecord::waiting_for_upload(ImageId::parse("cat").unwrap(), "uploads/cat".to_owned(), now, now);
    (cat.status, cat.reason, cat.last_error) =
        (Status::Failed, Some(Reason::Internal), Some("a\u{1b}fault".to_owned()));
    catalog.create(&cat).await.unwrap();
    let list = printed(&run(&["list", "--status", "failed", "--status", "published", "--since", "1h"]));
    let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    let updated = cat.updated_at.to_string();
    assert_eq!(lines[0], ["ID", "STATUS", "REASON", "UPDATED", "KEY"]);
    assert_eq!(lines[1..], [["cat", "failed", "internal", &updated, "uploads/cat"]]);
    assert_eq!(printed(&run(&["list", "--status", "published"])), "no images\n");
    assert_eq!(printed(&run(&["list", "--since", "2999-01-01"])), "no images\n");
    let row = json_lines(&run(&["list", "--json"]).stdout);
    assert_eq!((row.len(), &row[0]["reason"], &row[0]["error"]), (1, &"internal".into(), &"a\u{1b}fault".into()));
    assert_eq!(json_lines(&run(&["show", "cat", "--json"]).stdout), row);
    let shown = printed(&run(&["show", "cat"]));
    assert!(shown.contains("status      failed: internal\n") && shown.contains(r"a\u{1b}fault"), "{shown}");

    let missing = run(&["show", "dog"]);
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no image \"dog\" in the catalog"));
    for (wrong, says) in [
        (&["list", "--status", "done"][..], "there is no such status; there are waiting_for_upload"),
        (&["list", "--since", "2"], "must be an age such as 2h"),
        (&["show", "a/b"], "an image id has 1 to 64 characters"),
        (&["show"], "<ID>"),
        (&[], "list"),
    ] {
        let misused = run(wrong);
        assert_eq!(misused.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&misused.stderr).contains(says), "{misused:?}");
    }
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_ends_a_list_without_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let config = LocalConfig::new(dir.path().to_owned());
    let backend = LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap();
    fill(&*backend.ports().catalog, 3 * PAGE).await;
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.args(["images", "list"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).env_clear();
    let mut child = command.env("DARKROOM_BACKEND", "local").env("DARKROOM_DIR", dir.path()).spawn().unwrap();
    // Three pages do not fit into a pipe without a reader.
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), &*String::from_utf8_lossy(&ended.stderr)), (Some(0), ""));
}
