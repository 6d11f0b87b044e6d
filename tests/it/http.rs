//! HTTP rules that the API and the local backend's routes share, tested on one listener that serves both.

mod preconditions;
mod problems;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request};
use bytes::Bytes;
use darkroom::api::{ApiState, router};
use darkroom::backends::local::{LocalBackend, UploadLimits};
use darkroom::clock::{SharedClock, Timestamp, TokioClock};
use darkroom::config::{BasePath, LocalConfig, PublicUrl};
use darkroom::http::ObjectRoutes;
use darkroom::ports::Ports;
use darkroom::ports::objects::UploadOptions;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// Largest upload in bytes.
const MAX_BYTES: u64 = 1000;

const ONE_MINUTE: Duration = Duration::from_secs(60);

/// A thumbnail that exists on every server.
const THUMBNAIL: &str = "thumbnails/cat";

/// The API on a local backend, as `darkroom local` serves it.
struct Server {
    dir: TempDir,
    clock: SharedClock,
    ports: Ports,
    router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Server {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock: SharedClock = Arc::new(TokioClock::starting_at(Timestamp::from_millis(1_800_000_000_000)));
        let config = LocalConfig::new(dir.path().to_owned());
        let backend = LocalBackend::open(&config, "photos", "uploads/", "thumbnails", clock.clone()).unwrap();
        let mut settings = crate::api::settings();
        settings.cors_origins = vec!["https://shop.example".to_owned()];
        let objects = ObjectRoutes {
            signed: backend.router(UploadLimits { max_bytes: MAX_BYTES, min_rate: 1 }),
            public: backend.public_router(&PublicUrl::parse("http://images.example").unwrap(), &BasePath::default()),
        };
        let ports = backend.ports();
        let state = ApiState::new(&ports, settings, clock.clone(), CancellationToken::new());
        let thumbnail = Bytes::from_static(b"picture");
        ports.thumbnails.put(THUMBNAIL, thumbnail, "image/png", "no-cache").await.unwrap();
        Self { dir, clock, ports, router: router(state, Some(objects)) }
    }

    /// Creates an image through the API; returns its path.
    async fn new_image(&self) -> String {
        let answer = self.call("POST", "/images", &[], "").await;
        answer.headers["location"].to_str().unwrap().to_owned()
    }

    async fn sign_download(&self, key: &str) -> String {
        self.ports.thumbnails.sign_download(key, self.clock.now(), ONE_MINUTE).await.unwrap()
    }

    async fn sign_upload(&self, options: UploadOptions) -> String {
        let options = UploadOptions { expires_in: ONE_MINUTE, ..options };
        self.ports.uploads.sign_upload("uploads/cat", &options).await.unwrap().url
    }

    async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "images.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }
}
