//! Permissions of the data directory: what a start restricts and refuses, and that the command that it prints fixes it.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use darkroom::backends::local::{LocalBackend, OpenError};
use darkroom::clock::SystemClock;
use darkroom::config::LocalConfig;
use tempfile::TempDir;

use super::{BUCKET, Backend, LARGE, files_below};
use crate::skip::skip;

/// A group and a user to which the user of these tests need not belong.
const GROUP: u32 = 42_424;
const STRANGER: u32 = 42_425;

fn open(dir: &Path, group: Option<u32>) -> Result<LocalBackend, OpenError> {
    let config = LocalConfig { dir_group: group, tells_outcomes: true, ..LocalConfig::new(dir.to_owned()) };
    LocalBackend::open(&config, BUCKET, "uploads/", BUCKET, std::sync::Arc::new(SystemClock))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Everything in a directory, and the directory itself.
fn everything(dir: &Path) -> Vec<PathBuf> {
    let mut all = vec![dir.to_owned()];
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        all.extend(if path.is_dir() { everything(&path) } else { vec![path] });
    }
    all
}

fn loosen(dir: &Path) {
    for path in everything(dir) {
        set_mode(&path, if path.is_dir() { 0o777 } else { 0o666 });
    }
}

#[track_caller]
fn expect_modes(dir: &Path, directories: u32, files: u32) {
    for path in everything(dir) {
        let expected = if path.is_dir() { directories } else { files };
        assert_eq!(mode(&path), expected, "{}: {:o}, not {expected:o}", path.display(), mode(&path));
    }
}

/// Whether the user can change a file's owner. Only root can; other users skip the test, and CI runs as root.
fn may_give_away() -> bool {
    let dir = tempfile::tempdir().unwrap();
    let may = chown(dir.path(), Some(STRANGER), Some(GROUP)).is_ok();
    if !may {
        skip("only root can give files to another user, which this test needs");
    }
    may
}

/// Runs the command that a refusal prints, and expects the directory to be usable afterwards.
#[track_caller]
fn expect_mended(dir: &Path, group: Option<u32>, refused_for: &str) -> String {
    let refusal = open(dir, group).err().unwrap_or_else(|| panic!("{} was opened", dir.display()));
    let (OpenError::Foreign { command, .. } | OpenError::Exposed { command, .. }) = &refusal else {
        panic!("{refusal:?}")
    };
    assert!(command.contains(refused_for), "{refusal}");
    assert!(refusal.to_string().contains(command) && refusal.to_string().contains("DARKROOM_DIR"), "{refusal}");
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    open(dir, group).unwrap();
    command.clone()
}

/// A directory with an upload, a thumbnail in a file, and another process that has it open.
async fn in_use() -> (TempDir, Backend) {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let backend = Backend::open_now(&data).unwrap();
    backend.put("uploads/cat", b"picture").await;
    backend.put("thumbnails/cat/large.png", &LARGE).await;
    fs::write(data.join("outcomes.jsonl"), "").unwrap();
    fs::write(data.join("outcomes.lock"), "").unwrap();
    (dir, backend)
}

#[tokio::test]
async fn what_earlier_builds_left_open_is_closed_at_a_start() {
    let (dir, other) = in_use().await;
    let data = dir.path().join("data");
    for file in ["darkroom.db", "darkroom.db-wal", "darkroom.db-shm", "signing.key", "start.lock", "outcomes.jsonl"] {
        assert!(data.join(file).exists(), "{file}");
    }
    assert_eq!(files_below(&data.join("objects")).len(), 2);
    assert_eq!(files_below(&data.join("incoming")).len(), 2, "a lock, and a thumbnail that is not synced yet");
    loosen(&data);
    let backend = open(&data, None).unwrap();
    expect_modes(&data, 0o700, 0o600);
    drop((backend, other));
}

/// SQLite creates its log again at each first opening.
#[tokio::test]
async fn what_is_made_anew_is_closed_too() {
    let dir = tempfile::tempdir().unwrap();
    for group in [None, may_give_away().then_some(GROUP)] {
        let data = dir.path().join(format!("{group:?}/a/b"));
        let backend = open(&data, group).unwrap();
        let ports = backend.ports();
        let bytes = bytes::Bytes::from_static(&LARGE);
        ports.uploads.put("uploads/cat", bytes, "image/png", "no-store").await.unwrap();
        assert!(data.join("darkroom.db-wal").exists());
        let (directories, files) = if group.is_some() { (0o2770, 0o660) } else { (0o700, 0o600) };
        expect_modes(&data, directories, files);
        let owners = everything(&data).iter().map(|path| fs::metadata(path).unwrap().gid()).collect::<Vec<_>>();
        assert!(group.is_none_or(|group| owners.iter().all(|gid| *gid == group)), "{owners:?}");
    }
}

#[test]
fn a_directory_with_other_files_in_it_is_not_closed_unasked() {
    for (file, mode_before) in [("thesis.txt", 0o755), ("thesis.txt", 0o710)] {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("my data");
        fs::create_dir(&data).unwrap();
        fs::write(data.join(file), "").unwrap();
        set_mode(&data, mode_before);
        let before = everything(&data);
        assert!(matches!(open(&data, None), Err(OpenError::Exposed { .. })));
        assert_eq!((mode(&data), everything(&data)), (mode_before, before), "it is left as it was");
        expect_mended(&data, None, "chmod 700 '");
        assert_eq!(mode(&data), 0o700);
    }
}

/// Such as `/tmp`: to close it would lock everyone else out.
#[test]
fn a_directory_that_all_users_share_is_left_as_it_is() {
    for mode_before in [0o1777, 0o1755] {
        let dir = tempfile::tempdir().unwrap();
        set_mode(dir.path(), mode_before);
        assert!(matches!(open(dir.path(), None), Err(OpenError::SharedDirectory { .. })));
        assert_eq!((mode(dir.path()), everything(dir.path()).len()), (mode_before, 1), "it is left as it was");
    }
}

#[test]
fn an_empty_directory_is_closed_and_so_is_the_root_of_a_new_file_system() {
    for file in [None, Some("lost+found")] {
        let dir = tempfile::tempdir().unwrap();
        if let Some(name) = file {
            fs::create_dir(dir.path().join(name)).unwrap();
            set_mode(&dir.path().join(name), 0o700);
        }
        set_mode(dir.path(), 0o755);
        open(dir.path(), None).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
    }
}

#[tokio::test]
async fn what_another_user_owns_is_refused_wherever_it_is() {
    if !may_give_away() {
        return;
    }
    for name in ["", "objects", "incoming", "darkroom.db", "signing.key", "start.lock", "outcomes.jsonl"] {
        let (dir, other) = in_use().await;
        let data = dir.path().join("data");
        drop(other);
        let path = if name.is_empty() { data.clone() } else { data.join(name) };
        chown(&path, Some(STRANGER), None).unwrap();
        assert!(matches!(open(&data, None), Err(OpenError::Foreign { owner: STRANGER, .. })), "{name}");
        let command = expect_mended(&data, None, "chown ");
        assert!(command.ends_with(path.to_str().unwrap()), "{command}");
        assert_eq!(fs::metadata(&path).unwrap().uid(), fs::metadata(dir.path()).unwrap().uid());
    }
}

#[test]
fn links_are_followed_to_what_they_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let [real, link] = ["real", "link"].map(|name| dir.path().join(name));
    fs::create_dir(&real).unwrap();
    fs::write(real.join("thesis.txt"), "").unwrap();
    set_mode(&real, 0o755);
    symlink(&real, &link).unwrap();
    let command = expect_mended(&link, None, "chmod 700");
    assert!(command.ends_with(real.to_str().unwrap()), "{command}");

    // A key in another place.
    let key = dir.path().join("key");
    fs::rename(real.join("signing.key"), &key).unwrap();
    symlink(&key, real.join("signing.key")).unwrap();
    set_mode(&key, 0o644);
    open(&link, None).unwrap();
    assert_eq!(mode(&key), 0o600);
    if may_give_away() {
        chown(&key, Some(STRANGER), None).unwrap();
        assert!(expect_mended(&link, None, "chown ").ends_with(key.to_str().unwrap()));
    }
}

#[test]
fn a_group_that_is_accepted_shares_the_directory_of_another_user() {
    if !may_give_away() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("volume");
    fs::create_dir(&data).unwrap();
    chown(&data, Some(STRANGER), Some(GROUP)).unwrap();
    // Kubernetes leaves a volume with fsGroup like this, except for access by others.
    set_mode(&data, 0o2770);
    open(&data, Some(GROUP)).unwrap();
    expect_modes(&data, 0o2770, 0o660);
    assert!(matches!(open(&data, None), Err(OpenError::Foreign { .. })));
    assert!(matches!(open(&data, Some(GROUP + 1)), Err(OpenError::Exposed { .. })));
    // Others may enter; the group may not write; new files do not belong to the group.
    for mode in [0o2775, 0o2750, 0o770] {
        set_mode(&data, mode);
        assert!(matches!(open(&data, Some(GROUP)), Err(OpenError::Exposed { .. })), "{mode:o}");
        expect_mended(&data, Some(GROUP), "chmod 2770");
    }
}

#[tokio::test]
async fn a_directory_is_given_to_a_group_with_all_that_is_in_it_and_taken_back() {
    if !may_give_away() {
        return;
    }
    let (dir, other) = in_use().await;
    let data = dir.path().join("data");
    open(&data, Some(GROUP)).unwrap();
    expect_modes(&data, 0o2770, 0o660);
    open(&data, None).unwrap();
    expect_modes(&data, 0o700, 0o600);
    drop(other);
}
