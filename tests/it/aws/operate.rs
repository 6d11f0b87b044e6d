//! The operator's commands over AWS's protocol, as an operator types them.

use std::process::Output;
use std::sync::Arc;
use std::time::Duration;

use darkroom::backends::aws::{DynamoCatalog, S3Store, SqsQueue};
use darkroom::clock::{Clock, SystemClock, Timestamp};
use darkroom::operate::OperatorContext;
use darkroom::operate::sweep::{self, SweepOptions, SweepReport};
use darkroom::ports::{Catalog as _, ObjectStore, Ports, Queue as _};
use darkroom::recipe::Recipe;
use darkroom::record::{ImageId, ImageRecord, Status};
use serde_json::Value;

use super::account::ministack;
use super::deployment::{Deployment, PREFIX, Plan};
use crate::images;
use crate::process;

async fn run(deployment: &Deployment, arguments: &[&str]) -> Output {
    deployment.command(arguments, &[]).output().await.unwrap()
}

/// Runs a command that must succeed; returns what it prints.
async fn printed(deployment: &Deployment, arguments: &[&str]) -> String {
    let output = run(deployment, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn dead_letters_are_listed_shown_redriven_and_dropped() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let cat = deployment.put("cat", &images::jpeg(64, 48)).await;
    deployment.dead_letters.send(&deployment.event_of("cat")).await.unwrap();
    for n in 0..25 {
        deployment.dead_letters.send(&format!("nonsense {n}")).await.unwrap();
    }
    let list = printed(&deployment, &["dlq", "list", "--json"]).await;
    let rows: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.iter().filter(|row| row["reason"] == "unreadable").count(), 25, "{list}");
    assert_eq!(rows.iter().filter(|row| row["reason"] == "unfinished").count(), 1, "{list}");
    let shown = printed(&deployment, &["dlq", "show", cat.as_str()]).await;
    assert!(shown.contains("record      none") && shown.contains("redrive it"), "{shown}");

    let worker = deployment.start("worker", &[]).await;
    let redriven = printed(&deployment, &["dlq", "redrive"]).await;
    assert_eq!(redriven, "redriven 1, left 25\n");
    deployment.expect(&cat, Status::Published).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 25);

    let unasked = run(&deployment, &["dlq", "drop"]).await;
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let dropped = printed(&deployment, &["dlq", "drop", "--yes", "--reason", "unreadable"]).await;
    assert!(dropped.ends_with("dropped 25\n"), "{dropped}");
    assert_eq!(printed(&deployment, &["dlq", "list"]).await, "no dead letters\n");
    worker.stop().await;
}

#[tokio::test]
async fn images_are_listed_and_shown() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    assert_eq!(printed(&deployment, &["images", "list"]).await, "no images\n");
    let now = SystemClock.now();
    for name in ["cat", "dog"] {
        let id = ImageId::parse(name).unwrap();
        let record = ImageRecord::waiting_for_upload(id, format!("{PREFIX}{name}"), now, now);
        deployment.catalog.create(&record).await.unwrap();
    }
    let waiting = ["images", "list", "--json", "--status", "waiting_for_upload", "--since", "1h"];
    let list = printed(&deployment, &waiting).await;
    let mut keys: Vec<String> = list
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned())
        .collect();
    keys.sort();
    assert_eq!(keys, ["uploads/cat", "uploads/dog"]);
    assert_eq!(printed(&deployment, &["images", "list", "--status", "published"]).await, "no images\n");
    // The command needs neither the queue nor the dead letters.
    let settings = [("DARKROOM_QUEUE_URL", ""), ("DARKROOM_DLQ_URL", "")];
    let shown = deployment.command(&["images", "show", "cat"], &settings).output().await.unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("status      waiting_for_upload\n"), "{shown:?}");
    assert_eq!(run(&deployment, &["images", "show", "cow"]).await.status.code(), Some(1));
}

#[tokio::test]
async fn a_sweep_repairs_what_got_lost() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let past = Timestamp::from_millis(1_700_000_000_000);
    for name in ["lost", "never"] {
        let id = ImageId::parse(name).unwrap();
        let record = ImageRecord::waiting_for_upload(id, format!("{PREFIX}{name}"), past, past);
        deployment.catalog.create(&record).await.unwrap();
    }
    let lost = deployment.put("lost", &images::jpeg(64, 48)).await;
    let dead = deployment.put("dead", &images::jpeg(48, 64)).await;
    deployment.dead_letters.send(&deployment.event_of("dead")).await.unwrap();

    let would = printed(&deployment, &["sweep", "--dry-run"]).await;
    let done = printed(&deployment, &["sweep"]).await;
    let counts = |report: &str| -> Vec<String> {
        report.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
    };
    assert_eq!(counts(would.strip_prefix("dry run: nothing is changed\n").unwrap()), counts(&done), "{would}");
    assert_eq!(counts(&done), ["2", "1", "1", "0", "0", "1", "0", "0", "0", "0", "0", "0", "0"], "{done}");
    assert_eq!(deployment.record(&ImageId::parse("never").unwrap()).await, None);
    deployment.expect(&dead, Status::Failed).await;

    let worker = deployment.start("worker", &[]).await;
    deployment.expect(&lost, Status::Published).await;
    assert_eq!(printed(&deployment, &["dlq", "redrive", "--reason", "killed"]).await, "redriven 1, left 0\n");
    deployment.expect(&dead, Status::Published).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}

/// A clock that runs ahead of the system's: an emulator's objects are always new, and the test needs old ones.
#[derive(Debug)]
struct Ahead(Duration);

impl Clock for Ahead {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(self.0)
    }
}

/// An operator of the deployment whose clock runs ahead.
pub(super) fn operator(deployment: &Deployment, ahead: Duration) -> OperatorContext {
    let clients = &deployment.account.clients;
    let store: Arc<dyn ObjectStore> = Arc::new(S3Store::new(clients.s3.clone(), deployment.bucket.clone()));
    let queue = |setting| SqsQueue::new(clients.sqs.clone(), deployment.setting(setting).to_owned());
    let table = deployment.setting("DARKROOM_TABLE").to_owned();
    OperatorContext {
        ports: Ports {
            queue: Arc::new(queue("DARKROOM_QUEUE_URL")),
            dead_letters: Arc::new(queue("DARKROOM_DLQ_URL")),
            uploads: store.clone(),
            thumbnails: store,
            catalog: Arc::new(DynamoCatalog::new(clients.dynamodb.clone(), table)),
        },
        clock: Arc::new(Ahead(ahead)),
        bucket: deployment.bucket.clone(),
        prefix: PREFIX.to_owned(),
        recipe: Recipe::default(),
    }
}

#[tokio::test]
async fn what_is_superseded_is_removed_with_all_its_versions() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let worker = deployment.start("worker", &[]).await;
    let now = SystemClock.now();
    let by_api = ImageRecord::waiting_for_upload(ImageId::parse("cat").unwrap(), format!("{PREFIX}cat"), now, now);
    deployment.catalog.create(&by_api).await.unwrap();
    let cat = deployment.put("cat", &images::jpeg(64, 48)).await;
    let first = deployment.expect(&cat, Status::Published).await.published.unwrap().version;
    deployment.put("cat", &images::jpeg(48, 64)).await;
    process::until("the second upload is published", async || {
        let published = deployment.record(&cat).await.unwrap().published.unwrap();
        published.version != first
    })
    .await;
    let dog = deployment.put("dog", &images::jpeg(64, 48)).await;
    deployment.expect(&dog, Status::Published).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;

    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    for (ahead, removed) in [(Duration::ZERO, 0), (Duration::from_hours(25), 3), (Duration::from_hours(25), 0)] {
        let mut report = SweepReport::default();
        sweep::sweep(&operator(&deployment, ahead), SweepOptions::default(), &mut report).await.unwrap();
        assert_eq!((report.records, report.thumbnails_removed), (2, removed), "{ahead:?}");
    }
    let left = store.list("thumbnails/", None).await.unwrap();
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|object| !object.key.contains(&first)), "{left:?}");
    let versions = deployment.account.clients.s3.list_object_versions().bucket(&deployment.bucket);
    let versions = versions.prefix(format!("thumbnails/cat/{first}/")).send().await.unwrap();
    assert!(versions.versions().is_empty() && versions.delete_markers().is_empty(), "{versions:?}");

    let options = SweepOptions { delete_originals_after: Some(Duration::from_hours(1)), ..SweepOptions::default() };
    for removed in [1, 0] {
        let mut report = SweepReport::default();
        sweep::sweep(&operator(&deployment, Duration::from_hours(25)), options, &mut report).await.unwrap();
        assert_eq!(report.originals_removed, removed, "{report}");
    }
    let originals = store.list_versions(PREFIX, None).await.unwrap().versions;
    let current: Vec<_> = originals.iter().map(|it| (&*it.key, it.is_current)).collect();
    assert_eq!(current, [("uploads/cat", true), ("uploads/dog", true)]);
    assert_eq!(deployment.record(&cat).await.unwrap().src.as_ref(), Some(&originals[0].src));
}

/// A bucket with objects from before darkroom's installation.
#[tokio::test]
async fn a_backfill_publishes_what_was_there_before() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let mut ids = Vec::new();
    for n in 0..30 {
        ids.push(deployment.put(&format!("old/{n:02} photo.jpg"), &images::jpeg(64, 48)).await);
    }
    deployment.put("old/readme.txt", b"a text").await;
    let would = printed(&deployment, &["backfill", "--dry-run", "--prefix", "uploads/old/"]).await;
    assert!(would.contains("\nwould enqueue 31 of 31 up to "), "{would}");
    let misused = run(&deployment, &["backfill", "--prefix", "elsewhere/"]).await;
    assert_eq!(misused.status.code(), Some(2), "{misused:?}");

    let worker = deployment.start("worker", &[]).await;
    let done = printed(&deployment, &["backfill", "--wait", "--max-queue", "10"]).await;
    assert!(done.starts_with("enqueued 31 of 31 up to uploads/old/readme.txt\n"), "{done}");
    assert!(done.contains(&format!("  {:39}30\n", "published")), "{done}");
    assert!(done.contains(&format!("  {:39}1\n", "invalid_content_type: unsupported_type")), "{done}");
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    let again = printed(&deployment, &["backfill"]).await;
    assert!(again.contains("enqueued                                 0\n"), "{again}");
    let rev = deployment.record(&ids[0]).await.unwrap().rev;
    printed(&deployment, &["backfill", "--force", "--wait", "--prefix", "uploads/old/00"]).await;
    assert!(deployment.expect(&ids[0], Status::Published).await.rev > rev);
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}
