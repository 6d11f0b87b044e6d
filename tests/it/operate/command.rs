//! `darkroom dlq` as a user types it: its output, the stream, and its exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use darkroom::backends::local::LocalBackend;
use darkroom::clock::{SystemClock, Timestamp};
use darkroom::config::LocalConfig;
use darkroom::event::{self, ObjectCreated};
use darkroom::record::{ImageId, ImageRecord};
use serde_json::{Value, json};

/// Runs `darkroom {arguments}` on a directory, without a terminal.
pub(super) fn darkroom(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    command.env("DARKROOM_BACKEND", "local").env("DARKROOM_DIR", dir).output().unwrap()
}

pub(super) fn printed(output: &Output) -> String {
    assert!(!String::from_utf8_lossy(&output.stderr).contains('\r'), "progress without a terminal: {output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The output of a command with `--json`.
fn json_lines(output: &Output) -> Vec<Value> {
    printed(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn dlq_lists_redrives_and_drops_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = LocalConfig { max_receives: 1, ..LocalConfig::new(dir.path().to_owned()) };
    let backend = LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap();
    let dead_letters = backend.ports().dead_letters;
    let id = dead_letters.send("nonsense").await.unwrap();
    let run = |arguments: &[&str]| darkroom(dir.path(), &[&["dlq"], arguments].concat());

    let list = run(&["list"]);
    assert_eq!(list.status.code(), Some(0), "{list:?}");
    assert!(printed(&list).lines().any(|line| line.starts_with(&id) && line.contains("unreadable")), "{list:?}");
    let row: Value = serde_json::from_str(&printed(&run(&["list", "--json"]))).unwrap();
    assert_eq!(row["id"], id);
    let none = run(&["list", "--reason", "killed"]);
    assert_eq!((none.status.code(), &*printed(&none)), (Some(0), "no dead letters match\n"));

    assert!(printed(&run(&["show", &id])).contains("what to do"));
    let shown: Value = serde_json::from_str(&printed(&run(&["show", &id, "--json"]))).unwrap();
    assert_eq!((&shown["id"], &shown["body"], &shown["objects"]), (&row["id"], &"nonsense".into(), &json!([])));
    assert!(shown["whatToDo"].as_str().unwrap().contains("drop it"), "{shown}");
    let missing = run(&["show", "nobody"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no dead letter \"nobody\""), "{missing:?}");
    for command in [&["drop", "--yes"][..], &["redrive"], &["redrive", "--dry-run"]] {
        let missing = run(&[command, &[&*id, "nobody"]].concat());
        assert_eq!(missing.status.code(), Some(1), "{command:?}");
        assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no dead letter \"nobody\""), "{missing:?}");
    }

    assert_eq!(printed(&run(&["redrive"])), "redriven 0, left 1\n");
    let would = json_lines(&run(&["redrive", &id, "--dry-run", "--json"]));
    assert_eq!((would.len(), &would[0]["action"], &would[0]["id"]), (2, &"would_redrive".into(), &row["id"]));
    assert_eq!(would[1], json!({"dryRun": true, "redriven": 1, "left": 0}));
    assert_eq!(json_lines(&run(&["redrive", "--json"])), [json!({"dryRun": false, "redriven": 0, "left": 1})]);
    assert_eq!(printed(&run(&["redrive", &id])), "redriven 1, left 0\n");
    let dead_again = dead_letters.send("nonsense").await.unwrap();

    let unasked = run(&["drop"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("--yes"), "{unasked:?}");
    let unasked = run(&["drop", "--json"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("not with --json"), "{unasked:?}");
    assert_eq!(run(&["drop", "--yes", "--dry-run"]).status.code(), Some(2));
    let would = printed(&run(&["drop", "--dry-run"]));
    assert_eq!(would, format!("would drop  {dead_again}  unreadable  \nwould drop 1\n"));
    let would = json_lines(&run(&["drop", "--dry-run", "--json"]));
    assert_eq!((&would[0]["action"], &would[0]["id"]), (&"would_drop".into(), &dead_again.clone().into()));
    assert_eq!(would[1..], [json!({"dryRun": true, "dropped": 1})]);
    let dropped = printed(&run(&["drop", "--yes"]));
    assert!(dropped.contains(&format!("dropped  {dead_again}  unreadable")), "{dropped}");
    assert!(dropped.ends_with("dropped 1\n"), "{dropped}");
    assert_eq!(printed(&run(&["list", "--json"])), "");
    assert_eq!(printed(&run(&["list"])), "no dead letters\n");
    assert_eq!(printed(&run(&["drop", "--yes"])), "nothing to drop\n");
    assert_eq!(json_lines(&run(&["drop", "--yes", "--json"])), [json!({"dryRun": false, "dropped": 0})]);
    assert_eq!(printed(&run(&["redrive"])), "redriven 0, left 0\n");
    dead_letters.send("more nonsense").await.unwrap();
    let dropped = json_lines(&run(&["drop", "--yes", "--json"]));
    assert_eq!((dropped.len(), &dropped[0]["action"], &dropped[1]["dropped"]), (2, &"dropped".into(), &1.into()));
    for wrong in [&["list", "--reason", "bad"][..], &["redrive", "--rate", "0"], &["list", "--older-than", "5"], &[]] {
        assert_eq!(run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[tokio::test]
async fn backfill_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = LocalConfig { max_receives: 1, ..LocalConfig::new(dir.path().to_owned()) };
    let backend = LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap();
    let ports = backend.ports();
    assert!(printed(&darkroom(dir.path(), &["backfill"])).ends_with("\nno objects under \"uploads/\"\n"));
    ports.uploads.put("uploads/cat", "no image".into(), "", "no-store").await.unwrap();
    let run = |arguments: &[&str]| darkroom(dir.path(), &[&["backfill"], arguments].concat());

    let would = printed(&run(&["--dry-run"]));
    assert!(would.starts_with("dry run: nothing is changed\nwould enqueue 1 of 1 up to uploads/cat\n"), "{would}");
    assert!(would.lines().any(|line| line.starts_with("would enqueue  ") && line.ends_with(" 1")), "{would}");
    assert!(!would.contains("enqueued") && !would.contains("left alone"), "{would}");
    let would = json_lines(&run(&["--dry-run", "--json"]));
    assert_eq!((would.len(), &would[0]), (2, &would[1]), "the progress of a page, and the report");
    assert_eq!((&would[0]["dryRun"], &would[0]["enqueued"]), (&true.into(), &1.into()));
    assert_eq!(would[0]["lastKey"], "uploads/cat");
    assert_eq!(ports.queue.attributes().await.unwrap().visible, 1);
    let done = run(&["--prefix", "uploads/c", "--start-after", "uploads/ca"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(printed(&done).contains("enqueued                                 1\n"), "{done:?}");
    assert_eq!(ports.queue.attributes().await.unwrap().visible, 2);
    for (wrong, says) in [
        (&["--prefix", "thumbnails/"][..], "must begin with DARKROOM_UPLOAD_PREFIX, \"uploads/\""),
        (&["--prefix", "uploads/b", "--start-after", "uploads/a"], "must begin with the prefix of the objects"),
        (&["--wait", "--dry-run"], "cannot be used with"),
        (&["--max-queue", "0"], "must be a whole number from 1 to 100000"),
    ] {
        let misused = run(wrong);
        assert_eq!(misused.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&misused.stderr).contains(says), "{misused:?}");
    }
}

#[test]
fn the_operators_commands_make_no_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let [missing, empty, file] = ["missing/data", "empty", "file"].map(|name| dir.path().join(name));
    fs::create_dir(&empty).unwrap();
    fs::write(&file, "").unwrap();
    let below = file.join("data");
    for arguments in [
        &["check"][..],
        &["check", "--role", "api"],
        &["dlq", "list"],
        &["dlq", "show", "id"],
        &["dlq", "redrive"],
        &["dlq", "drop", "--yes"],
        &["sweep"],
        &["sweep", "--dry-run"],
        &["backfill"],
        &["backfill", "--dry-run"],
    ] {
        for (path, what) in [
            (&missing, "does not exist"),
            (&empty, "has no darkroom.db"),
            (&file, "is not a directory"),
            (&below, "does not exist"),
        ] {
            let output = darkroom(path, arguments);
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
            let says = format!("darkroom: DARKROOM_DIR: {} {what}", path.display());
            assert!(String::from_utf8_lossy(&output.stderr).contains(&says), "{says:?}: {output:?}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "");
        }
        let mut left: Vec<PathBuf> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        left.sort();
        assert_eq!(left, [&empty, &file].map(Clone::clone), "{arguments:?} made something");
        assert_eq!(fs::read_dir(&empty).unwrap().count(), 0, "{arguments:?} made something");
    }
}

#[test]
fn the_operators_commands_work_on_an_existing_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    drop(LocalBackend::open(
        &LocalConfig::new(dir.path().to_owned()),
        "darkroom",
        "uploads/",
        "darkroom",
        Arc::new(SystemClock),
    ));
    for arguments in [&["check"][..], &["dlq", "list"], &["sweep", "--dry-run"], &["backfill", "--dry-run"]] {
        let output = darkroom(dir.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
}

#[tokio::test]
async fn sweep_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let config = LocalConfig::new(dir.path().to_owned());
    let backend = LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap();
    let run = |arguments: &[&str]| darkroom(dir.path(), &[&["sweep"], arguments].concat());
    let clean = printed(&run(&[]));
    assert!(clean.ends_with("changed meanwhile, left alone            0\nnothing to repair\n"), "{clean}");
    let id = ImageId::parse("cat").unwrap();
    let long_ago = Timestamp::from_millis(0);
    let never_came = ImageRecord::waiting_for_upload(id, "uploads/cat".to_owned(), long_ago, long_ago);
    backend.ports().catalog.create(&never_came).await.unwrap();
    backend.ports().dead_letters.send(&event_of("uploads/dog")).await.unwrap();

    let would = run(&["--dry-run"]);
    let table = printed(&would);
    assert!(
        table.lines().any(|line| line.starts_with("uploads that never came, would forget ") && line.ends_with(" 1"))
    );
    for done in ["forgotten", "enqueued", "removed", "failed", ", left alone", "nothing to repair"] {
        assert!(!table.contains(done), "{table}");
    }
    let log = String::from_utf8_lossy(&would.stderr);
    assert!(log.contains("a dead letter without a verdict: would fail") && !log.contains(": failed"), "{log}");
    let would = json_lines(&run(&["--dry-run", "--json"]));
    assert_eq!((would.len(), &would[0]["dryRun"], &would[0]["uploadsForgotten"]), (1, &true.into(), &1.into()));
    let done = json_lines(&run(&["--json"]));
    assert_eq!((&done[0]["dryRun"], &done[0]["uploadsForgotten"]), (&false.into(), &1.into()));
    assert_eq!(json_lines(&run(&["--json"]))[0]["uploadsForgotten"], 0);
}

fn event_of(key: &str) -> String {
    let created = ObjectCreated {
        bucket: "darkroom".to_owned(),
        key: key.to_owned(),
        size: None,
        version_id: None,
        sequencer: None,
        at: None,
        is_forced: false,
        doubts: event::Doubts::default(),
    };
    event::notification(&created, "")
}
