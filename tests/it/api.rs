//! The HTTP API, called as a client calls it.

mod access;
mod answers;
mod base_path;
mod connections;
mod deletion;
mod description;
mod page;
mod ports;
mod schema;
mod serving;
mod waiting;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use darkroom::api::{AccessSettings, ApiSettings, ApiState, MAX_WAIT, TrustedProxies, router};
use darkroom::clock::{SharedClock, Timestamp, TokioClock};
use darkroom::config::{ApiTokens, BasePath};
use darkroom::http::HostRules;
use darkroom::ports::Catalog;
use darkroom::recipe::Recipe;
use darkroom::record::{
    Applied, Attempt, Change, Guard, ImageId, ImageRecord, Original, Published, PublishedThumbnail, Reason, Sequencer,
    SourceId, Transition,
};
use darkroom_thumbnail::FileKind;
use ports::{Records, Signatures};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The time at which every test starts: the start of a signing window.
const START: Timestamp = Timestamp::from_millis(1_700_000_100_000);

/// Accepts any host without a token. Each test sets what it needs about the connection in front.
fn open_to_all() -> AccessSettings {
    AccessSettings {
        hosts: HostRules::default(),
        public_host: None,
        proxies: TrustedProxies { on_lambda: true, networks: Vec::new() },
        tokens: ApiTokens::default(),
    }
}

/// The default settings of a test.
pub(crate) fn settings() -> ApiSettings {
    ApiSettings {
        upload_prefix: "uploads/".to_owned(),
        base_path: BasePath::default(),
        public_url: None,
        sizes: Recipe::default().sizes,
        max_bytes: 1_000_000,
        upload_url_expiry: Duration::from_mins(5),
        has_plain_uploads: true,
        requires_content_length: false,
        requires_checksum: false,
        may_delete: false,
        cors_origins: Vec::new(),
        access: open_to_all(),
        max_wait: MAX_WAIT,
    }
}

/// An API over ports in memory.
struct Bench {
    records: Arc<Records>,
    clock: SharedClock,
    shutdown: CancellationToken,
    router: Router,
}

impl Bench {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut ApiSettings)) -> Self {
        let mut settings = settings();
        change(&mut settings);
        let clock: SharedClock = Arc::new(TokioClock::starting_at(START));
        let (records, shutdown) = (Arc::new(Records::default()), CancellationToken::new());
        let bucket = Arc::new(Signatures(clock.clone()));
        let state = ApiState {
            catalog: records.clone(),
            uploads: bucket.clone(),
            thumbnails: bucket,
            settings,
            clock: clock.clone(),
            shutdown: shutdown.clone(),
        };
        Self { records, clock, shutdown, router: router(state, None) }
    }

    /// Calls the API without a network.
    async fn call(&self, request: Request<Body>) -> Answer {
        call(&self.router, request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call(get(path)).await
    }

    /// Applies a worker's transition to a record.
    async fn apply(&self, id: &str, guard: Guard, change: Change) {
        let id = ImageId::parse(id).unwrap();
        let attempt = Attempt { token: "attempt".to_owned(), message: "message".to_owned() };
        let key = format!("uploads/{id}");
        let transition = Transition { id, key, attempt, guard, change, at: self.clock.now() };
        assert!(matches!(self.apply_any(&transition).await, Applied::Written { .. }));
    }

    async fn apply_any(&self, transition: &Transition) -> Applied {
        self.records.update(transition).await.unwrap()
    }

    async fn claim(&self, id: &str, seq: &str) {
        let original = Original { content_type: "image/jpeg".to_owned(), width: 4000, height: 3000, bytes: 9 };
        let lease_until = self.clock.now().plus(Duration::from_mins(2));
        let change = Change::Claim { src: SourceId::new(None, seq), original, lease_until, deaths: 0 };
        self.apply(id, enter(seq), change).await;
    }

    async fn publish(&self, id: &str) {
        let thumbnail =
            |size: &str, width, height| PublishedThumbnail { size: size.to_owned(), width, height, bytes: 7 };
        let change = Change::Publish(Published {
            version: "v1".to_owned(),
            content_type: "image/jpeg".to_owned(),
            at: self.clock.now(),
            thumbnails: vec![thumbnail("small", 100, 75), thumbnail("medium", 500, 375), thumbnail("large", 1000, 750)],
        });
        self.apply(id, Guard::Hold, change).await;
    }

    async fn reject(&self, id: &str, seq: &str, reason: Reason) {
        self.apply(id, enter(seq), Change::Reject { reason, src: None, detail: "no".to_owned(), kind: None }).await;
    }

    async fn reject_as(&self, id: &str, seq: &str, kind: FileKind) {
        let (reason, detail) = (Reason::UnsupportedType, "no".to_owned());
        self.apply(id, enter(seq), Change::Reject { reason, src: None, detail, kind: Some(kind) }).await;
    }

    fn waiting_for_upload(&self, id: &str) {
        let now = self.clock.now();
        let id = ImageId::parse(id).unwrap();
        let key = format!("uploads/{id}");
        self.records.put(ImageRecord::waiting_for_upload(id, key, now, now.plus(Duration::from_hours(24))));
    }

    async fn published(&self, id: &str) {
        self.waiting_for_upload(id);
        self.claim(id, "01").await;
        self.publish(id).await;
    }
}

async fn call(router: &Router, request: Request<Body>) -> Answer {
    Answer::of(router.clone().oneshot(request).await.unwrap()).await
}

fn enter(seq: &str) -> Guard {
    Guard::Enter { seq: Sequencer::parse(seq).unwrap(), src: None }
}

fn get(path: &str) -> Request<Body> {
    request("GET", path, Body::empty())
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method(method).uri(path).header("host", "images.example").body(body.into()).unwrap()
}

/// Adds a header to a request.
fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

/// An answer, read to its end.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: axum::http::HeaderMap,
    body: String,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        Self { status: parts.status.as_u16(), headers: parts.headers, body: String::from_utf8(body.to_vec()).unwrap() }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that this is a problem of that kind, and returns its detail.
    #[track_caller]
    fn expect_problem(&self, status: u16, slug: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let problem = self.json();
        assert_eq!(problem["type"], format!("urn:darkroom:problem:{slug}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert!(problem["title"].as_str().is_some_and(|title| !title.is_empty()), "{self:?}");
        problem["detail"].as_str().expect("a detail").to_owned()
    }
}
