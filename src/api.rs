//! The HTTP API: presigned uploads out, the status of every image, and the admin listener.

mod address;
mod health;
mod images;
mod layers;
mod problem;
mod serve;
mod uploads;
mod view;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::ports::{Catalog, ObjectStore, Ports};

pub use health::{Latch, Readiness, admin_router};
pub use layers::cors;
pub use problem::{Problem, ProblemKind};
pub use serve::serve;

/// Longest that an answer is held back by `?wait=`.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The rules of the API, as the settings say.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// What every upload's key begins with.
    pub upload_prefix: String,
    /// Where thumbnails are served from, without a slash at the end; unset: presigned.
    pub public_url: Option<String>,
    /// Largest upload in bytes.
    pub max_bytes: u64,
    /// How long an upload URL works.
    pub upload_url_expiry: Duration,
    /// Whether `GET /upload-url` exists.
    pub has_plain_uploads: bool,
    /// Web origins that may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Longest wait: [`MAX_WAIT`] as a process, zero where an idle request costs money.
    pub max_wait: Duration,
}

impl From<&Config> for ApiSettings {
    fn from(config: &Config) -> Self {
        Self {
            upload_prefix: config.upload_prefix.clone(),
            public_url: config.public_url.clone(),
            max_bytes: config.max_bytes,
            upload_url_expiry: config.upload_url_expiry,
            has_plain_uploads: config.plain_uploads,
            cors_origins: config.cors_origins.clone(),
            max_wait: MAX_WAIT,
        }
    }
}

/// All that the API works with.
pub struct ApiState {
    /// The images' records.
    pub catalog: Arc<dyn Catalog>,
    /// The bucket that uploads land in.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket that thumbnails are in.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The rules.
    pub settings: ApiSettings,
    /// Where stored times come from.
    pub clock: SharedClock,
    /// Once cancelled, requests that wait are answered at once.
    pub shutdown: CancellationToken,
}

impl ApiState {
    /// The API's share of the ports.
    pub fn new(ports: &Ports, settings: ApiSettings, clock: SharedClock, shutdown: CancellationToken) -> Self {
        let Ports { catalog, uploads, thumbnails, .. } = ports.clone();
        Self { catalog, uploads, thumbnails, settings, clock, shutdown }
    }
}

/// The routes that anyone may call.
pub fn router(state: ApiState) -> Router {
    let mut routes = Router::new()
        .route("/images", post(uploads::create).get(images::find))
        .route("/images/{id}", get(images::show))
        .route("/images/{id}/{size}", get(images::redirect));
    if state.settings.has_plain_uploads {
        routes = routes.route("/upload-url", get(uploads::create_plain));
    }
    let origins = state.settings.cors_origins.clone();
    let routes = routes
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(Arc::new(state));
    layers::around(routes, &origins)
}
