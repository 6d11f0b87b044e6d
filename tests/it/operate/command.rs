//! `darkroom dlq` as a user types it: what it prints, where, and its exit codes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use darkroom::backends::local::LocalBackend;
use darkroom::clock::SystemClock;
use darkroom::config::LocalConfig;

/// `darkroom {arguments}` on a directory, with nobody at a terminal.
pub(super) fn darkroom(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
    command.args(arguments).stdin(Stdio::null()).env_clear();
    command.env("DARKROOM_BACKEND", "local").env("DARKROOM_DIR", dir).output().unwrap()
}

pub(super) fn printed(output: &Output) -> String {
    assert!(!String::from_utf8_lossy(&output.stderr).contains('\r'), "progress without a terminal: {output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
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
    let row: serde_json::Value = serde_json::from_str(&printed(&run(&["list", "--json"]))).unwrap();
    assert_eq!(row["id"], id);
    let none = run(&["list", "--reason", "killed"]);
    assert_eq!((none.status.code(), &*printed(&none)), (Some(0), ""));

    assert!(printed(&run(&["show", &id])).contains("what to do"));
    let missing = run(&["show", "nobody"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no dead letter \"nobody\""), "{missing:?}");

    assert_eq!(printed(&run(&["redrive"])), "redriven 0, left 1\n");
    assert_eq!(printed(&run(&["redrive", &id])), "redriven 1, left 0\n");
    let dead_again = dead_letters.send("nonsense").await.unwrap();

    let unasked = run(&["drop"]);
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    assert!(String::from_utf8_lossy(&unasked.stderr).contains("--yes"), "{unasked:?}");
    let dropped = printed(&run(&["drop", "--yes"]));
    assert!(dropped.contains(&format!("dropped  {dead_again}  unreadable")), "{dropped}");
    assert!(dropped.ends_with("dropped 1\n"), "{dropped}");
    assert_eq!(printed(&run(&["list", "--json"])), "");
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
    ports.uploads.put("uploads/cat", "no image".into(), "", "no-store").await.unwrap();
    let run = |arguments: &[&str]| darkroom(dir.path(), &[&["backfill"], arguments].concat());

    let would = printed(&run(&["--dry-run"]));
    assert!(would.starts_with("dry run: nothing is changed\nenqueued 1 of 1 up to uploads/cat\n"), "{would}");
    assert_eq!(ports.queue.attributes().await.unwrap().visible, 1);
    let done = run(&["--prefix", "uploads/c", "--start-after", "uploads/ca"]);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert!(printed(&done).contains("enqueued                                 1\n"), "{done:?}");
    assert_eq!(ports.queue.attributes().await.unwrap().visible, 2);
    for (wrong, says) in [
        (&["--prefix", "thumbnails/"][..], "must begin with DARKROOM_UPLOAD_PREFIX, \"uploads/\""),
        (&["--prefix", "uploads/b", "--start-after", "uploads/a"], "must begin with the prefix of the objects"),
        (&["--wait", "--dry-run"], "cannot be used with"),
        (&["--max-queue", "0"], "0 is not in 1..=100000"),
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
