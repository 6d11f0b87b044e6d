//! Promises of the local backend beyond the ports: uploads with their events, sharing, recovery, clear refusals.

mod access;
mod opening;
mod outcomes;
mod recovery;
mod routes;
mod sharing;
mod small;
mod space;
mod uploads;
mod used_keys;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use darkroom::backends::local::{LocalBackend, OpenError, UploadLimits};
use darkroom::clock::{SharedClock, SystemClock, Timestamp, TokioClock};
use darkroom::config::LocalConfig;
use darkroom::event::{self, Event, ObjectCreated};
use darkroom::ports::Ports;
use darkroom::ports::objects::{Fetched, UploadOptions};
use tempfile::TempDir;
use tower::ServiceExt;

const BUCKET: &str = "photos";
const MAX_BYTES: u64 = 1000;
/// Bytes per second.
const MIN_RATE: u64 = 10;
/// The database row holds a thumbnail of up to this size; a larger one is in a file.
const IN_ROW_BYTES: usize = 262_144;
static LARGE: [u8; IN_ROW_BYTES + 1] = [b'x'; IN_ROW_BYTES + 1];
const ONE_MINUTE: Duration = Duration::from_secs(60);

/// One process's view of a directory.
struct Backend {
    ports: Ports,
    router: Router,
}

impl Backend {
    fn open(dir: &Path, clock: SharedClock) -> Result<Self, OpenError> {
        let config = LocalConfig { max_receives: 3, ..LocalConfig::new(dir.to_owned()) };
        let backend = LocalBackend::open(&config, BUCKET, "uploads/", BUCKET, clock)?;
        Ok(Self {
            ports: backend.ports(),
            router: backend.router(UploadLimits { max_bytes: MAX_BYTES, min_rate: MIN_RATE }),
        })
    }

    /// A backend with the system's clock.
    fn open_now(dir: &Path) -> Result<Self, OpenError> {
        Self::open(dir, Arc::new(SystemClock))
    }

    async fn put(&self, key: &str, bytes: &'static [u8]) {
        self.ports.uploads.put(key, Bytes::from_static(bytes), "image/png", "no-store").await.unwrap();
    }

    async fn get(&self, key: &str, version: Option<&str>) -> Option<Bytes> {
        match self.ports.uploads.get(key, version, u64::MAX).await {
            Ok(Fetched::Whole(_, bytes)) => Some(bytes),
            other => {
                assert_eq!(other.unwrap_err().kind, darkroom::ports::ErrorKind::NotFound);
                None
            }
        }
    }

    /// Receives and deletes every message, in the order in which they were sent.
    async fn events(&self) -> Vec<ObjectCreated> {
        let mut events = Vec::new();
        loop {
            let messages = self.ports.queue.receive(10, Duration::ZERO, ONE_MINUTE).await.unwrap();
            if messages.is_empty() {
                events.sort_by(|one: &ObjectCreated, two| one.sequencer.cmp(&two.sequencer));
                return events;
            }
            for message in messages {
                let [Event::Created(created)] = &event::parse(&message.body).unwrap()[..] else {
                    panic!("{} is not one event", message.body)
                };
                events.push(created.clone());
                self.ports.queue.delete(&[message.receipt]).await.remove(0).unwrap();
            }
        }
    }

    async fn sign_upload(&self, key: &str) -> String {
        let options = UploadOptions { expires_in: ONE_MINUTE, ..UploadOptions::default() };
        self.ports.uploads.sign_upload(key, &options).await.unwrap().url
    }

    async fn fetch(&self, request: Request<Body>) -> Response<Bytes> {
        let (head, body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        Response::from_parts(head, axum::body::to_bytes(body, usize::MAX).await.unwrap())
    }
}

/// A backend in a directory of its own, with a paused clock.
struct Place {
    dir: TempDir,
    clock: SharedClock,
    backend: Backend,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(TokioClock::starting_at(Timestamp::from_millis(1_800_000_000_000)));
        let backend = Backend::open(dir.path(), clock.clone()).unwrap();
        Self { dir, clock, backend }
    }

    /// Opens the directory again, as another process does.
    fn open_again(&self) -> Backend {
        Backend::open(self.dir.path(), self.clock.clone()).unwrap()
    }

    fn objects(&self) -> Vec<PathBuf> {
        files_below(&self.dir.path().join("objects"))
    }

    /// Files that are still being written, of all processes.
    fn incoming(&self) -> Vec<PathBuf> {
        let mut files = files_below(&self.dir.path().join("incoming"));
        files.retain(|file| file.file_name().unwrap() != "lock");
        files
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
