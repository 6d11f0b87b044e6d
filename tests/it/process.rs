//! The real binary as a user runs it: uploads over HTTP, killed, stopped, started again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::images;

/// How long anything may take before a test gives up: far beyond what it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `darkroom local`; killed when it is dropped.
struct Darkroom {
    child: Child,
    api: String,
    admin: String,
    http: reqwest::Client,
}

impl Darkroom {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_darkroom"))
            .args(["local", "--listen", "127.0.0.1:0", "--dir"])
            .arg(dir)
            .env("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0")
            .env("DARKROOM_VISIBILITY_TIMEOUT", "2s")
            .env("NO_COLOR", "1")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let (sender, addresses) = mpsc::channel();
        // The log is read to its end, so that the process never waits for a full pipe.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                if let Some(at) = line.find("http://") {
                    let address = line[at..]
                        .split_whitespace()
                        .next()
                        .unwrap()
                        .trim_end_matches("/metrics")
                        .trim_end_matches('/');
                    // Nobody listens any more once both addresses are known.
                    let _ = sender.send(address.to_owned());
                }
                eprintln!("    {line}");
            }
        });
        let mut next = || addresses.recv_timeout(PATIENCE).expect("the process says where it listens");
        let (admin, api) = (next(), next());
        Self { child, api, admin, http: reqwest::Client::new() }
    }

    /// Asks for an upload URL and puts the bytes there; returns the image's id.
    async fn upload(&self, bytes: &[u8]) -> reqwest::Result<String> {
        let answer: Value = self.http.post(format!("{}/images", self.api)).send().await?.json().await?;
        let mut put = self.http.put(answer["uploadUrl"].as_str().unwrap());
        for (name, value) in answer["uploadHeaders"].as_object().unwrap() {
            put = put.header(name, value.as_str().unwrap());
        }
        put.body(bytes.to_vec()).send().await?.error_for_status()?;
        Ok(answer["id"].as_str().unwrap().to_owned())
    }

    async fn status(&self, id: &str) -> Value {
        let url = format!("{}/images/{id}?wait=5s", self.api);
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    async fn wait_for_published(&self, id: &str) -> Value {
        let started = Instant::now();
        loop {
            let image = self.status(id).await;
            if image["status"] == "published" {
                return image;
            }
            assert!(started.elapsed() < PATIENCE, "{id} is still {image}");
        }
    }

    /// The value of a metric's only series, or of the one with these labels.
    async fn metric(&self, series: &str) -> f64 {
        let url = format!("{}/metrics", self.admin);
        let scrape = self.http.get(url).send().await.unwrap().text().await.unwrap();
        let line = scrape.lines().find(|line| line.split_whitespace().next() == Some(series));
        line.unwrap_or_else(|| panic!("no {series} in\n{scrape}")).split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then the exit code.
    fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("the process does not end");
    }
}

impl Drop for Darkroom {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_photograph_is_published_and_its_thumbnails_can_be_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let darkroom = Darkroom::start(dir.path());
    let id = darkroom.upload(&images::jpeg_12mp()).await.unwrap();
    let image = darkroom.wait_for_published(&id).await;
    for (size, side) in [("small", 100), ("medium", 500), ("large", 1000)] {
        let thumbnail = &image["thumbnails"][size];
        let (width, height) = (thumbnail["width"].as_u64().unwrap(), thumbnail["height"].as_u64().unwrap());
        assert_eq!(width.max(height), side);
        let answer = darkroom.http.get(format!("{}/images/{id}/{size}", darkroom.api)).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "image/jpeg");
        let bytes = answer.bytes().await.unwrap();
        let decoded = image::load_from_memory(&bytes).unwrap();
        assert_eq!((u64::from(decoded.width()), u64::from(decoded.height())), (width, height));
    }
    assert_eq!(darkroom.metric(r#"darkroom_messages_settled_total{outcome="published"}"#).await, 1.0);
    assert!(darkroom.terminate().success());
}

#[tokio::test]
async fn the_plainest_client_is_served_too() {
    let dir = tempfile::tempdir().unwrap();
    let darkroom = Darkroom::start(dir.path());
    let answer = darkroom.http.get(format!("{}/upload-url", darkroom.api)).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let put = darkroom.http.put(answer["uploadUrl"].as_str().unwrap());
    let put = put.header("content-type", "application/x-www-form-urlencoded").body(images::jpeg(1200, 900));
    assert!(put.send().await.unwrap().status().is_success());
    darkroom.wait_for_published(answer["id"].as_str().unwrap()).await;
}

#[tokio::test]
async fn killed_in_the_middle_of_fifty_uploads_it_publishes_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let photograph = images::jpeg(1000, 750);
    let darkroom = Darkroom::start(dir.path());
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(darkroom.upload(&photograph).await.unwrap());
    }
    darkroom.kill();
    let darkroom = Darkroom::start(dir.path());
    for id in &ids {
        darkroom.wait_for_published(id).await;
    }
    assert_eq!(darkroom.metric(r#"darkroom_messages_settled_total{outcome="dead_lettered"}"#).await, 0.0);
    assert!(darkroom.terminate().success());
}

#[tokio::test]
async fn terminated_with_fifty_in_the_queue_it_ends_in_order_and_goes_on_later() {
    let dir = tempfile::tempdir().unwrap();
    let photograph = images::jpeg(1000, 750);
    let darkroom = Darkroom::start(dir.path());
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(darkroom.upload(&photograph).await.unwrap());
    }
    assert_eq!(darkroom.terminate().code(), Some(0));
    let darkroom = Darkroom::start(dir.path());
    for id in &ids {
        darkroom.wait_for_published(id).await;
    }
    assert_eq!(darkroom.metric(r#"darkroom_messages_settled_total{outcome="dead_lettered"}"#).await, 0.0);
}
