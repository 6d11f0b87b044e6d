//! The real binary on one machine, as a user runs it: uploads over HTTP, kills, several processes, a full disk.

mod access;
mod bucket_names;
mod crowd;
mod data_directory;
mod kills;
mod load;
mod public_url;
mod readme;
mod requests;
mod scrapes;
mod service_manager;
mod sharing;
mod soak;
mod stuck;
mod trouble;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use tokio::process::Command;

use crate::images;
use crate::process::{PATIENCE, Process, free_port};

/// Counts the objects that are stored in files.
const OBJECTS_IN_FILES: &str = "SELECT count(*) FROM objects WHERE content IS NULL";

/// A directory, the addresses of its API and of its first process, and the processes' logs.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    api: String,
    http: reqwest::Client,
    started: AtomicUsize,
}

impl Site {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            api: format!("http://127.0.0.1:{}", free_port()),
            http: reqwest::Client::new(),
            started: AtomicUsize::new(0),
        }
    }

    /// Host and port of the API.
    pub(crate) fn address(&self) -> &str {
        self.api.strip_prefix("http://").unwrap()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// `darkroom {role}` on this directory, with short leases, so that messages of a killed process return soon.
    pub(crate) fn command(&self, role: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        self.set(command.arg(role), &self.data());
        command
    }

    fn set(&self, command: &mut Command, data: &Path) {
        command.env("DARKROOM_BACKEND", "local").env("DARKROOM_DIR", data);
        command.env("DARKROOM_LISTEN", self.api.strip_prefix("http://").unwrap());
        command.env("DARKROOM_VISIBILITY_TIMEOUT", "2s").env("DARKROOM_ALLOW_DELETE", "on").env("NO_COLOR", "1");
    }

    /// Runs a command that starts darkroom, and waits until it is ready.
    pub(crate) async fn run(&self, mut command: Command) -> Process {
        let admin = format!("127.0.0.1:{}", free_port());
        command.env("DARKROOM_ADMIN_LISTEN", &admin);
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.path().join(format!("{number}.log"));
        Process::start(command, &log, format!("http://{admin}"), "/readyz").await
    }

    pub(crate) async fn start(&self, role: &str) -> Process {
        self.run(self.command(role)).await
    }

    /// Asks for an upload URL; returns the image's id and the URL.
    async fn invite(&self) -> reqwest::Result<(String, String)> {
        let answer = self.http.post(format!("{}/images", self.api)).send().await?.error_for_status()?;
        let answer: Value = answer.json().await?;
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Ok((text("id"), text("uploadUrl")))
    }

    async fn put(&self, url: &str, bytes: &[u8]) -> reqwest::Result<reqwest::Response> {
        self.http.put(url).header("if-none-match", "*").body(bytes.to_vec()).send().await
    }

    /// Uploads and expects success at the first attempt; returns the image's id.
    pub(crate) async fn upload(&self, bytes: &[u8]) -> String {
        let (id, url) = self.invite().await.unwrap();
        self.put(&url, bytes).await.unwrap().error_for_status().unwrap();
        id
    }

    async fn upload_many(&self, count: usize) -> Vec<String> {
        let photograph = images::jpeg(1000, 750);
        let mut ids = Vec::new();
        for _ in 0..count {
            ids.push(self.upload(&photograph).await);
        }
        ids
    }

    /// Uploads as a client that retries until it succeeds. A 412 means that an earlier attempt stored the object.
    async fn upload_at_last(&self, bytes: &[u8]) -> String {
        let pause = || tokio::time::sleep(Duration::from_millis(20));
        let (id, url) = loop {
            match self.invite().await {
                Ok(invited) => break invited,
                Err(_) => pause().await,
            }
        };
        loop {
            match self.put(&url, bytes).await {
                Ok(answer) if answer.status().is_success() || answer.status() == 412 => return id,
                Ok(answer) => assert!(answer.status().is_server_error(), "{answer:?}"),
                Err(_) => pause().await,
            }
        }
    }

    /// Waits until the image is published, even if the API fails in between.
    pub(crate) async fn expect_published(&self, id: &str) -> Value {
        let url = format!("{}/images/{id}?wait=5s", self.api);
        let started = Instant::now();
        loop {
            let image: Value = match self.http.get(&url).send().await {
                Ok(answer) => answer.json().await.unwrap_or_default(),
                Err(error) => error.to_string().into(),
            };
            if image["status"] == "published" {
                return image;
            }
            assert!(image["status"] != "failed" && started.elapsed() < PATIENCE, "{id} is {image}");
        }
    }

    /// The result of a database query that returns one number.
    pub(crate) fn count(&self, query: &str) -> usize {
        let database = rusqlite::Connection::open(self.data().join("darkroom.db")).unwrap();
        database.query_row(query, [], |row| row.get(0)).unwrap()
    }

    /// The first column of all rows, as text.
    fn texts(&self, query: &str) -> Vec<String> {
        let database = rusqlite::Connection::open(self.data().join("darkroom.db")).unwrap();
        let mut select = database.prepare(query).unwrap();
        select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Call this after all processes have stopped. Expects this number of published images, each with one original and
    /// three thumbnails, and no other rows or files.
    fn expect_nothing_but(&self, images: usize) {
        assert_eq!(self.count("SELECT count(*) FROM images WHERE status = 'published'"), images);
        assert_eq!(self.count("SELECT count(*) FROM messages"), 0);
        assert_eq!(self.count("SELECT count(*) FROM objects WHERE key LIKE 'uploads/%'"), images);
        assert_eq!(self.count("SELECT count(*) FROM objects WHERE key LIKE 'thumbnails/%'"), 3 * images);
        let files = |folder: &str| std::fs::read_dir(self.data().join(folder)).unwrap().count();
        assert_eq!((files("objects"), files("incoming")), (self.count(OBJECTS_IN_FILES), 0));
    }
}

#[tokio::test]
async fn a_photograph_is_published_and_its_thumbnails_can_be_fetched() {
    let site = Site::new();
    let darkroom = site.start("local").await;
    let id = site.upload(&images::jpeg_12mp()).await;
    let image = site.expect_published(&id).await;
    for (size, side) in [("small", 100), ("medium", 500), ("large", 1000)] {
        let thumbnail = &image["thumbnails"][size];
        let (width, height) = (thumbnail["width"].as_u64().unwrap(), thumbnail["height"].as_u64().unwrap());
        assert_eq!(width.max(height), side);
        let answer = site.http.get(format!("{}/images/{id}/{size}", site.api)).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        let bytes = answer.bytes().await.unwrap();
        let decoded = image::load_from_memory(&bytes).unwrap();
        assert_eq!((u64::from(decoded.width()), u64::from(decoded.height())), (width, height));
    }
    assert_eq!(darkroom.metric("darkroom_messages_settled_total", "outcome=\"published\"").await, 1.0);
    darkroom.stop().await;
    site.expect_nothing_but(1);
}

#[tokio::test]
async fn the_plainest_client_is_served_too() {
    let site = Site::new();
    let _darkroom = site.start("local").await;
    let answer = site.http.get(format!("{}/upload-url", site.api)).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let put = site.http.put(answer["uploadUrl"].as_str().unwrap());
    let put = put.header("content-type", "application/x-www-form-urlencoded").body(images::jpeg(1200, 900));
    assert!(put.send().await.unwrap().status().is_success());
    site.expect_published(answer["id"].as_str().unwrap()).await;
}
