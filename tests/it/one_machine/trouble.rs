//! Problems of a user: a port in use, an unusable directory, a full disk.

use std::net::TcpListener;
use std::path::Path;
use std::process::Output;

use reqwest::StatusCode;
use serde_json::Value;
use tokio::process::Command;

use super::Site;
use crate::images;
use crate::skip::skip;

/// Runs `darkroom local`, which must fail to start.
async fn refusal(site: &Site, data: &Path, code: i32) -> Output {
    let mut command = site.command("local");
    let output = command.env("DARKROOM_DIR", data).env("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0").output().await.unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    output
}

fn printed(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let site = Site::new();
    let address = site.api.strip_prefix("http://").unwrap();
    let _taken = TcpListener::bind(address).unwrap();
    let error = printed(&refusal(&site, &site.data(), 1).await);
    assert!(error.contains(address) && error.contains("DARKROOM_LISTEN") && error.contains("in use"), "{error}");
}

#[tokio::test]
async fn a_directory_without_rights_is_named() {
    let site = Site::new();
    // Not even root can create a directory there.
    let error = printed(&refusal(&site, Path::new("/sys/darkroom"), 2).await);
    assert!(error.contains("/sys/darkroom") && error.contains("DARKROOM_DIR"), "{error}");
}

#[tokio::test]
async fn a_damaged_database_and_a_newer_one_are_named_and_left_alone() {
    let site = Site::new();
    let database = site.data().join("darkroom.db");
    std::fs::create_dir(site.data()).unwrap();
    std::fs::write(&database, "this is no database, by any means").unwrap();
    let error = printed(&refusal(&site, &site.data(), 1).await);
    assert!(error.contains(database.to_str().unwrap()), "{error}");
    assert_eq!(std::fs::read(&database).unwrap(), b"this is no database, by any means");

    std::fs::remove_file(&database).unwrap();
    site.start("local").await.stop().await;
    rusqlite::Connection::open(&database).unwrap().pragma_update(None, "user_version", 7).unwrap();
    let error = printed(&refusal(&site, &site.data(), 2).await);
    assert!(error.contains(database.to_str().unwrap()) && error.contains("newer darkroom"), "{error}");
}

/// A darkroom whose directory is a half-full file system of 8 MB, in its own mount namespace.
async fn on_a_small_disk(site: &Site) -> Option<crate::process::Process> {
    let (data, binary) = (site.data(), env!("CARGO_BIN_EXE_darkroom"));
    std::fs::create_dir(&data).unwrap();
    let unshare = ["--mount", "--map-root-user", "sh", "-c"];
    let mount = "mount -t tmpfs -o size=8m,mode=700 none \"$DARKROOM_DIR\"";
    let may = Command::new("unshare").args(unshare).arg(mount).env("DARKROOM_DIR", &data).status().await;
    if !may.is_ok_and(|status| status.success()) {
        skip("this system allows no mount namespace, which the test of a full disk needs");
        return None;
    }
    let mut command = Command::new("unshare");
    site.set(
        command
            .args(unshare)
            // Uploads continue until the disk itself refuses them.
            .env("DARKROOM_MIN_FREE_SPACE", "0B")
            .arg(format!("{mount} && head -c 4M /dev/zero > \"$DARKROOM_DIR/ballast\" && exec {binary} local")),
        &data,
    );
    Some(site.run(command).await)
}

#[tokio::test]
async fn a_full_disk_is_reported_to_the_uploader_and_loses_nothing() {
    let site = Site::new();
    let Some(darkroom) = on_a_small_disk(&site).await else { return };
    let photograph = images::jpeg_12mp();
    let mut ids = Vec::new();
    // Upload more than the disk holds.
    let refused = loop {
        assert!(ids.len() < 100, "100 photographs of {} bytes fit", photograph.len());
        let invited = site.http.post(format!("{}/images", site.api)).send().await.unwrap();
        if !invited.status().is_success() {
            break invited;
        }
        let invited: Value = invited.json().await.unwrap();
        let answer = site.put(invited["uploadUrl"].as_str().unwrap(), &photograph).await.unwrap();
        if !answer.status().is_success() {
            break answer;
        }
        ids.push(invited["id"].as_str().unwrap().to_owned());
    };
    let status = refused.status();
    let problem: Value = refused.json().await.unwrap();
    assert!([StatusCode::INSUFFICIENT_STORAGE, StatusCode::SERVICE_UNAVAILABLE].contains(&status), "{status}");
    assert_eq!(problem["status"], status.as_u16());

    // Acknowledged uploads are published as soon as there is space, and the next upload succeeds.
    let ballast = format!("/proc/{}/root{}/ballast", darkroom.id(), site.data().display());
    std::fs::remove_file(ballast).unwrap();
    for id in &ids {
        site.expect_published(id).await;
    }
    site.upload(&images::jpeg(64, 48)).await;
    let log = darkroom.printed();
    assert!(log.contains("disk") && log.contains("full"), "{log}");
    assert_eq!(darkroom.metric("darkroom_queue_messages", "queue=\"dead_letters\"").await, 0.0);
    assert!(darkroom.metric("darkroom_free_space_bytes", "").await > 0.0);
    darkroom.stop().await;
}
