//! Runs the examples of docs/OPERATIONS.md in a shell.

use std::path::Path;
use std::sync::Arc;

use darkroom::backends::local::LocalBackend;
use darkroom::clock::SystemClock;
use darkroom::config::LocalConfig;
use darkroom::ports::Ports;

use super::{run, text_of};
use crate::images;
use crate::one_machine::Site;

const DOCUMENT: &str = "docs/OPERATIONS.md";

fn ports(dir: &Path) -> Ports {
    let config = LocalConfig::new(dir.to_owned());
    LocalBackend::open(&config, "darkroom", "uploads/", "darkroom", Arc::new(SystemClock)).unwrap().ports()
}

#[tokio::test]
async fn a_token_is_made_and_used_as_operations_says() {
    let site = Site::new();
    let api = site.address().to_owned();
    // The document runs a process in a second terminal. Here it runs in the background, and the client waits for it.
    let script = text_of(DOCUMENT, "Access control", "sh")
        .replace(
            " darkroom local\n",
            &format!(
                " darkroom local &\ntrap 'kill %1; wait' EXIT\n\
                 until curl -s http://{api}/ >/dev/null; do sleep 0.1; done\n"
            ),
        )
        .replace("127.0.0.1:8080", &api);
    assert!(script.contains("trap"), "darkroom is started: {script}");
    let data = site.data().display().to_string();
    let environment = [("DARKROOM_DIR", &*data), ("DARKROOM_LISTEN", &*api), ("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0")];
    let printed = run(&script, site.dir.path(), &environment).await;
    assert!(printed.contains("\"uploadUrl\":"), "{printed}");
}

#[tokio::test]
async fn dead_letters_are_looked_after_as_operations_says() {
    let dir = tempfile::tempdir().unwrap();
    let dead_letters = ports(dir.path()).dead_letters;
    let id = dead_letters.send("nonsense").await.unwrap();
    // There is no terminal, so the command cannot ask for confirmation.
    let script = text_of(DOCUMENT, "Dead letters", "sh")
        .replace("show ID ", &format!("show {id} "))
        .replace("drop --reason unreadable ", "drop --reason unreadable --yes ");
    assert!(script.contains(&id) && script.contains("--yes"), "{script}");
    let data = dir.path().display().to_string();
    let printed = run(&script, dir.path(), &[("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", &data)]).await;
    for line in ["redriven 0", "dropped 1"] {
        assert!(printed.contains(line), "{line:?} is missing:\n{printed}");
    }
    assert_eq!(dead_letters.attributes().await.unwrap().visible, 0);
}

#[tokio::test]
async fn objects_are_backfilled_as_operations_says() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let published = site.upload(&images::jpeg(64, 48)).await;
    site.expect_published(&published).await;
    let uploads = ports(&site.data()).uploads;
    let put = async |key: &str| uploads.put(key, images::jpeg(64, 48).into(), "", "no-store").await.unwrap();
    put("uploads/2024/x").await;
    put("uploads/2024/y").await;
    let script = text_of(DOCUMENT, "Backfilling", "sh");
    let data = site.data().display().to_string();
    let environment = [("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", &*data)];
    let printed = run(&script, site.dir.path(), &environment).await;
    assert!(printed.contains("up to uploads/2024/y"), "{printed}");
    let is_published = "SELECT count(*) FROM images WHERE status = 'published' AND key LIKE 'uploads/2024/%'";
    crate::process::until("all are published", async || site.count(is_published) == 2).await;
    darkroom.stop().await;
}

#[tokio::test]
async fn a_backup_is_made_and_restored_as_operations_says() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let published = site.upload(&images::jpeg(64, 48)).await;
    site.expect_published(&published).await;
    darkroom.stop().await;
    let data = site.data().display().to_string();
    let script = text_of(DOCUMENT, "The data directory", "sh");
    let environment = [("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", &*data)];
    let printed = run(&script, site.dir.path(), &environment).await;
    assert!(printed.contains("directory  ok"), "{printed}");
    assert!(!printed.contains("changed its mode"), "the backup kept the modes: {printed}");
    let restored = site.dir.path().join("restored");
    let key = |dir: &Path| std::fs::read(dir.join("signing.key")).unwrap();
    assert_eq!(key(&restored), key(&site.data()));
    let id = darkroom::record::ImageId::parse(&published).unwrap();
    let record = ports(&restored).catalog.get(&id).await.unwrap().unwrap();
    assert_eq!(record.status, darkroom::record::Status::Published);
    assert!(ports(&restored).uploads.get(&record.key, None, 1 << 20).await.is_ok());
}

#[tokio::test]
async fn images_are_listed_as_operations_says() {
    let dir = tempfile::tempdir().unwrap();
    let now = darkroom::clock::Clock::now(&SystemClock);
    let id = darkroom::record::ImageId::parse("cat").unwrap();
    let record = darkroom::record::ImageRecord::waiting_for_upload(id, "uploads/cat".to_owned(), now, now);
    ports(dir.path()).catalog.create(&record).await.unwrap();
    let script = text_of(DOCUMENT, "Images", "sh").replace("show ID", "show cat");
    let data = dir.path().display().to_string();
    let printed = run(&script, dir.path(), &[("DARKROOM_BACKEND", "local"), ("DARKROOM_DIR", &data)]).await;
    for line in ["cat  ", "no images\n", "{\"id\":\"cat\"", "key         uploads/cat\n"] {
        assert!(printed.contains(line), "{line:?} is missing:\n{printed}");
    }
}
