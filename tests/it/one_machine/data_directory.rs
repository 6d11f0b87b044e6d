//! The permissions of the files that darkroom creates, with any umask and as any user.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use tokio::process::Command;

use super::Site;
use crate::images;
use crate::skip::skip;

/// A user without privileges, and a group of that user.
const USER: u32 = 65_532;
const GROUP: u32 = 42_424;

/// Kind, mode and group of everything below a directory.
fn listing(dir: &Path) -> Vec<(String, bool, u32, u32)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let found = std::fs::metadata(&path).unwrap();
        all.push((path.display().to_string(), found.is_dir(), found.mode() & 0o7777, found.gid()));
        if found.is_dir() {
            all.extend(listing(&path));
        }
    }
    all
}

#[tokio::test]
async fn whatever_the_umask_what_is_made_is_closed_to_others() {
    for umask in ["000", "022", "077", "777"] {
        let site = Site::new();
        let mut command = Command::new("sh");
        let script = format!("umask {umask} && exec {} local", env!("CARGO_BIN_EXE_darkroom"));
        site.set(command.args(["-c", &script]).env("DARKROOM_OUTCOMES", "on"), &site.data());
        let darkroom = site.run(command).await;
        let id = site.upload(&images::jpeg(64, 48)).await;
        site.expect_published(&id).await;
        crate::process::until("the outcome is written", async || site.data().join("outcomes.jsonl").exists()).await;
        let made = listing(&site.data());
        for file in ["darkroom.db-wal", "outcomes.lock", "signing.key", "lock"] {
            assert!(made.iter().any(|(path, ..)| path.ends_with(file)), "{file} is not among {made:?}");
        }
        for (path, is_dir, mode, _) in &made {
            assert_eq!(*mode, if *is_dir { 0o700 } else { 0o600 }, "{path} has {mode:o} under umask {umask}");
        }
        darkroom.stop().await;
    }
}

/// As in a container with Kubernetes' fsGroup: root owns the volume, and the process is in the volume's group.
#[tokio::test]
async fn a_user_without_rights_works_in_a_volume_of_his_group() {
    let site = Site::new();
    let data = site.data();
    std::fs::create_dir(&data).unwrap();
    if chown(&data, Some(0), Some(GROUP)).is_err() {
        skip("only root can act as another user, which this test needs");
        return;
    }
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o2770)).unwrap();
    let binary = site.dir.path().join("darkroom");
    std::fs::copy(env!("CARGO_BIN_EXE_darkroom"), &binary).unwrap();
    let darkroom = |group: Option<u32>| {
        let mut command = Command::new(&binary);
        site.set(command.args(["dlq", "list"]).uid(USER).gid(GROUP), &data);
        command.envs(group.map(|group| ("DARKROOM_DIR_GROUP", group.to_string())));
        command
    };
    let mut local = Command::new(&binary);
    site.set(local.arg("local").uid(USER).gid(GROUP).env("DARKROOM_DIR_GROUP", GROUP.to_string()), &data);
    site.run(local).await.stop().await;
    let shared = darkroom(Some(GROUP)).output().await.unwrap();
    assert!(shared.status.success(), "{shared:?}");
    for (path, is_dir, mode, gid) in listing(&data) {
        assert_eq!((mode, gid), (if is_dir { 0o2770 } else { 0o660 }, GROUP), "{path} has {mode:o}");
    }
    let refused = darkroom(None).output().await.unwrap();
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains(&format!("chown -R {USER} ")), "{error}");
}
