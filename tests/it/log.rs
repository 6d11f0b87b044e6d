//! The log: a worker's lines about each message, in both formats, as an operator reads them.

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use darkroom::config::LogFormat;
use darkroom::event::{self, ObjectCreated};
use darkroom::ports::ErrorKind;
use darkroom::telemetry;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::EnvFilter;

use crate::images;
use crate::world::{BUCKET, Call, Options, When, World};

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

    /// The lines that contain `text`, as `grep` prints them.
    fn grep(&self, text: &str) -> Vec<String> {
        let written = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        written.lines().filter(|line| line.contains(text)).map(str::to_owned).collect()
    }

    /// The lines of a JSON log whose field `field` is `value`.
    fn with_field(&self, field: &str, value: &str) -> Vec<Value> {
        let lines = self.grep("").into_iter().map(|line| serde_json::from_str::<Value>(&line).unwrap());
        lines.filter(|line| line[field] == value).collect()
    }
}

/// The fields that a message's settled line must have.
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

/// Every outcome of a message whose lease holds.
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

/// Settled lines name images and objects: a `grep` for the id alone finds every line about an image.
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
        world.faults.fail_many(Call::UploadsGet, 1, 3, ErrorKind::Damaged, When::Before);
        world.upload("unlucky", &images::jpeg(64, 48)).await;
        world.run_until_idle().await;
        world.finish_with_dead_letters(1).await;

        for outcome in &OUTCOMES {
            outcome.expect_in(&log, format);
        }
        assert_eq!(log.grep("unlucky").len(), 3 + 3, "a failure and a settled line for each receive");
        assert!(log.grep("unlucky").iter().any(|line| line.contains("given up") && line.contains("objects.get")));
    }
}

/// A worker that receives a message after it was asked to stop.
async fn give_back(world: &mut World) {
    world.faults.fail(Call::QueueReceive, 1, ErrorKind::Unavailable, When::Late(Duration::from_secs(1)));
    let receiving = world.faults.reached(Call::QueueReceive, 1);
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

/// A key is untrusted input: it can neither start a new line nor add a field.
#[tokio::test(start_paused = true)]
async fn a_key_with_line_breaks_stays_on_its_line() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::begin(format, "info");
        let world = World::new().await;
        let key = "elsewhere/\nINFO settled outcome=\"published\"".to_owned();
        let (bucket, at) = (BUCKET.to_owned(), Some(world.clock.now()));
        let (is_forced, doubts) = (false, event::Doubts::default());
        let forged =
            ObjectCreated { bucket, key, size: None, version_id: None, sequencer: None, at, is_forced, doubts };
        world.send_event(&forged).await;
        world.run_until_idle().await;
        world.finish().await;
        // The warning about the prefix, and the settled line.
        assert_eq!(log.grep("elsewhere/").len(), 2);
        assert_eq!(log.grep("outcome=\"published\""), Vec::<String>::new());
    }
}

/// A message whose lease is lost is not settled, but its line names the image and the object too. So does the line of a
/// message that could not be settled.
#[tokio::test(start_paused = true)]
async fn a_lost_lease_and_a_failed_deletion_name_image_and_object() {
    const SLOW: Duration = Duration::from_secs(20);
    let log = Log::begin(LogFormat::Json, "warn");
    let mut world = World::idle(Options { visibility: Duration::from_secs(5), ..Options::default() });
    world.upload("cat", &images::jpeg(64, 48)).await;
    world.faults.fail_many(Call::ThumbnailsPut, 1, 3, ErrorKind::Unavailable, When::Late(SLOW));
    world.faults.fail_many(Call::QueueExtend, 1, 3, ErrorKind::Unavailable, When::Before);
    world.faults.fail(Call::QueueDelete, 1, ErrorKind::Unavailable, When::Before);
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

/// A body that is not an event, an event of another bucket, and one message with two such records.
fn unusable_messages(created: &ObjectCreated) -> [(String, &'static str, u64); 3] {
    let foreign = ObjectCreated { bucket: "somebody-elses".to_owned(), ..created.clone() };
    let reason = "an event of bucket \"somebody-elses\", while uploads are expected in \"photos\"";
    [
        ("this is no event".to_owned(), "not an upload event: not JSON: expected ident at line 1 column 2", 1),
        (event::notification(&foreign, "etag"), reason, 1),
        (together(&[&foreign, &foreign]), reason, 2),
    ]
}

/// For any number of receives there is one ERROR and one dead letter; the receives before the last are DEBUG.
#[tokio::test(start_paused = true)]
async fn an_unusable_message_is_one_error_and_one_dead_letter_on_its_last_receive() {
    for max_receives in [1, 2, 10] {
        let log = Log::begin(LogFormat::Json, "warn,darkroom::worker=debug");
        let counted = PrometheusBuilder::new().build_recorder();
        let _guard = metrics::set_default_local_recorder(&counted);
        let mut world = World::idle(Options { max_receives, ..Options::default() });
        let cat = world.upload_event("cat", &images::jpeg(64, 48)).await;
        let messages = unusable_messages(&cat);
        for (body, ..) in &messages {
            world.send(body).await;
        }
        world.start_worker();
        world.run_until_idle().await;

        let errors = log.with_field("level", "ERROR");
        assert_eq!(errors.len(), messages.len(), "{errors:?}");
        for (_, reason, records) in &messages {
            let is_this = |error: &&Value| error["error"] == *reason && error["records"] == *records;
            assert_eq!(errors.iter().filter(is_this).count(), 1, "{reason}: {errors:?}");
        }
        assert!(errors.iter().all(|error| error["span"]["message.receive_count"] == max_receives), "{errors:?}");
        let before = messages.len() * (max_receives as usize - 1);
        let lines = log.with_field("message", "the message is not an upload event of this bucket");
        assert_eq!(lines.iter().filter(|line| line["level"] == "DEBUG").count(), before);
        let settled = |outcome| {
            let lines = log.with_field("outcome", outcome).into_iter();
            lines.map(|line| line["level"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(settled("dead_lettered"), ["INFO"; 3]);
        assert_eq!(settled("released"), vec!["DEBUG"; before]);

        let count = |outcome| settled_messages(&counted, outcome);
        assert_eq!((count("dead_lettered"), count("released"), count("published")), (3, before, 1));
        world.finish_with_dead_letters(3).await;
    }
}

/// The value of `darkroom_messages_settled_total` for an outcome.
fn settled_messages(counted: &PrometheusRecorder, outcome: &str) -> usize {
    let name = format!("darkroom_messages_settled_total{{outcome=\"{outcome}\"}} ");
    let scrape = counted.handle().render();
    scrape.lines().find_map(|line| line.strip_prefix(&name)).unwrap_or("0").parse().unwrap()
}

/// The worker gives up on the sixth of ten receives, because five workers died; the other four change nothing.
#[tokio::test(start_paused = true)]
async fn an_image_given_up_early_is_one_error_and_one_dead_letter() {
    let log = Log::begin(LogFormat::Json, "info");
    let counted = PrometheusBuilder::new().build_recorder();
    let _guard = metrics::set_default_local_recorder(&counted);
    let mut world = World::idle(Options::default());
    world.upload("cat", &images::jpeg(64, 48)).await;
    for _ in 1..=5 {
        world.faults.fail(Call::CatalogApply, 1, ErrorKind::Unavailable, When::KilledAfter);
        let number = world.start_worker();
        world.wait_for_death(number).await;
    }
    world.start_worker();
    world.run_until_idle().await;
    let errors = log.with_field("level", "ERROR");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!((&errors[0]["message"], &errors[0]["reason"]), (&"given up".into(), &"killed".into()));
    let settled = log.with_field("message", "settled");
    assert_eq!(settled.len(), 1, "{settled:?}");
    assert_eq!((&settled[0]["outcome"], &settled[0]["image.id"]), (&"dead_lettered".into(), &"cat".into()));
    assert_eq!((settled_messages(&counted, "dead_lettered"), settled_messages(&counted, "released")), (1, 4));
    world.finish_with_dead_letters(1).await;
}

/// Workers delete such events. With a wrong prefix, every event is of this kind.
#[tokio::test(start_paused = true)]
async fn a_key_outside_the_prefix_is_warned_about_once() {
    let log = Log::begin(LogFormat::Text, "warn");
    let world = World::new().await;
    for key in ["elsewhere/cat", "elsewhere/dog"] {
        let created = ObjectCreated {
            bucket: BUCKET.to_owned(),
            key: key.to_owned(),
            size: None,
            version_id: None,
            sequencer: None,
            at: None,
            is_forced: false,
            doubts: event::Doubts::default(),
        };
        world.send_event(&created).await;
    }
    world.run_until_idle().await;
    world.finish().await;
    let lines = log.grep("DARKROOM_UPLOAD_PREFIX");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("elsewhere/"), "{lines:?}");
}
