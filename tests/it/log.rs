//! The log: what a worker writes about each message, in both formats, as an operator reads it.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkroom::config::LogFormat;
use darkroom::event::{self, ObjectCreated};
use darkroom::ports::ErrorKind;
use darkroom::telemetry;
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

use crate::images;
use crate::world::{BUCKET, Options, When, World};

/// The log of this test's thread, in which all tasks of a paused world run.
struct Log {
    written: Written,
    _guard: DefaultGuard,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Logs as darkroom does with `RUST_LOG` set to `filter`.
    fn begin(format: LogFormat, filter: &str) -> Self {
        let written = Written::default();
        let writer = written.clone();
        let lines = telemetry::lines(format, EnvFilter::new(filter), false, move || writer.clone());
        Self { written, _guard: tracing::subscriber::set_default(lines) }
    }

    /// The lines that hold `text`: what `grep` prints.
    fn grep(&self, text: &str) -> Vec<String> {
        let written = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        written.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// The lines whose field `field` is `value`, of a log in JSON.
    fn with_field(&self, field: &str, value: &str) -> Vec<Value> {
        let lines = self.grep("").into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        lines.filter(|line| line[field] == value).collect()
    }
}

/// What the settled line of a message must say.
struct Settled<'a> {
    outcome: &'a str,
    ids: Option<&'a str>,
    keys: &'a str,
}

impl Settled<'_> {
    fn expect_in(&self, log: &Log, format: LogFormat) {
        let Self { outcome, ids, keys } = self;
        let is_there = match format {
            LogFormat::Text => {
                let ids = ids.map(|ids| format!("image.id={ids} ")).unwrap_or_default();
                let line = format!("settled outcome=\"{outcome}\" {ids}object.key=\"{keys}\"");
                log.grep(&line).iter().any(|found| found.ends_with(&line))
            }
            LogFormat::Json => log.with_field("message", "settled").iter().any(|line| {
                line["outcome"] == *outcome && line["object.key"] == *keys && line["image.id"].as_str() == *ids
            }),
        };
        assert!(is_there, "no {outcome} of {ids:?}, {keys}:\n{}", log.grep("settled").join("\n"));
    }
}

/// Everything that a message can come to while its lease holds.
const OUTCOMES: [Settled<'_>; 11] = [
    Settled { outcome: "released", ids: Some("cat"), keys: "uploads/cat" },
    Settled { outcome: "published", ids: Some("cat"), keys: "uploads/cat" },
    Settled { outcome: "rejected", ids: Some("text"), keys: "uploads/text" },
    Settled { outcome: "source_missing", ids: Some("gone"), keys: "uploads/gone" },
    Settled { outcome: "duplicate", ids: Some("cat"), keys: "uploads/cat" },
    Settled { outcome: "superseded", ids: Some("cat"), keys: "uploads/cat" },
    Settled { outcome: "ignored", ids: None, keys: "uploads/folder/" },
    Settled { outcome: "ignored", ids: None, keys: "elsewhere/cat" },
    Settled { outcome: "retried", ids: Some("unlucky"), keys: "uploads/unlucky" },
    Settled { outcome: "dead_lettered", ids: Some("unlucky"), keys: "uploads/unlucky" },
    Settled { outcome: "duplicate", ids: Some("cat,text"), keys: "uploads/cat, uploads/text" },
];

/// Settled lines name images and objects: with the id alone, `grep` finds an image's whole life.
#[tokio::test(start_paused = true)]
async fn the_settled_line_names_image_and_object_for_every_outcome() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::begin(format, "info");
        let mut world = World::idle(Options { max_receives: 3, ..Options::default() });
        let cat = world.upload_event("cat", &images::jpeg(64, 48)).await;
        give_back(&mut world).await;
        let text = world.upload_event("text", b"a text").await;
        world.upload("gone", b"soon gone").await;
        world.ports.uploads.delete("uploads/gone").await.unwrap();
        world.start_worker();
        world.run_until_idle().await;

        world.send_event(&cat).await;
        world.send(&together(&[&cat, &text])).await;
        world.run_until_idle().await;
        world.upload("cat", &images::jpeg(48, 64)).await;
        world.run_until_idle().await;
        world.send_event(&cat).await;
        for key in ["uploads/folder/", "elsewhere/cat"] {
            world.send_event(&ObjectCreated { key: key.to_owned(), size: Some(0), ..cat.clone() }).await;
        }
        world.run_until_idle().await;
        world.faults.fail_many("uploads.get", 1, 3, ErrorKind::Damaged, When::Before);
        world.upload("unlucky", &images::jpeg(64, 48)).await;
        world.run_until_idle().await;
        world.finish_with_dead_letters(1).await;

        for outcome in &OUTCOMES {
            outcome.expect_in(&log, format);
        }
        assert_eq!(log.grep("unlucky").len(), 3 + 3, "a failure and a settled line for each receive");
        assert!(log.grep("unlucky").iter().any(|line| line.contains("given up") && line.contains("uploads.get")));
    }
}

/// A worker that receives a message after it was asked to stop.
async fn give_back(world: &mut World) {
    world.faults.fail("queue.receive", 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(1)));
    let receiving = world.faults.reached("queue.receive", 1);
    let worker = world.start_worker();
    receiving.cancelled().await;
    world.stop_worker(worker).await;
}

/// One message with the events of several objects.
fn together(created: &[&ObjectCreated]) -> String {
    let records: Vec<Value> = created
        .iter()
        .map(|created| {
            let mut message: Value = serde_json::from_str(&event::notification(created, "etag")).unwrap();
            message["Records"][0].take()
        })
        .collect();
    serde_json::json!({ "Records": records }).to_string()
}

/// A key comes from outside: it can neither begin a line of its own nor make a field of its own.
#[tokio::test(start_paused = true)]
async fn a_key_with_line_breaks_stays_on_its_line() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::begin(format, "info");
        let world = World::new().await;
        let key = "elsewhere/\nINFO settled outcome=\"published\"".to_owned();
        let (bucket, at) = (BUCKET.to_owned(), Some(world.clock.now()));
        let forged = ObjectCreated { bucket, key, size: None, version_id: None, sequencer: None, at, is_forced: false };
        world.send_event(&forged).await;
        world.run_until_idle().await;
        world.finish().await;
        assert_eq!(log.grep("elsewhere/").len(), 1);
        assert_eq!(log.grep("outcome=\"published\""), Vec::<String>::new());
    }
}

/// A message whose lease is lost is not settled; the line that says so names its image and object all the same, and so
/// does that of a message that could not be settled.
#[tokio::test(start_paused = true)]
async fn a_lost_lease_and_a_failed_deletion_name_image_and_object() {
    const SLOW: Duration = Duration::from_secs(20);
    let log = Log::begin(LogFormat::Json, "warn");
    let mut world = World::idle(Options { visibility: Duration::from_secs(5), ..Options::default() });
    world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail_many("thumbnails.put", 1, 3, ErrorKind::Unavailable, When::Late(SLOW));
    world.faults.fail_many("queue.extend", 1, 3, ErrorKind::Unavailable, When::Before);
    world.faults.fail("queue.delete", 1, ErrorKind::Unavailable, When::Before);
    world.start_worker();
    world.start_worker();
    world.run_until_idle().await;
    for text in [
        "the lease is lost: the work is dropped, the message left alone",
        "the message could not be settled and will come again",
    ] {
        let lines = log.with_field("message", text);
        assert!(!lines.is_empty(), "{text}: {:?}", log.grep(""));
        for line in lines {
            assert_eq!((&line["image.id"], &line["object.key"]), (&"cat".into(), &"uploads/cat".into()), "{line}");
        }
    }
    world.finish().await;
}
