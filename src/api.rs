//! The HTTP API: presigned uploads out, the status of every image, and the upload page.

mod access;
mod budget;
mod delete;
mod images;
mod middleware;
mod off;
mod openapi;
mod page;
mod port_errors;
mod uploads;
mod view;
mod wait;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::config::Config;
use crate::http;
use crate::ports::{Catalog, ObjectStore, Ports};
use crate::recipe::Size;

pub use access::{AccessSettings, TrustedProxies};

/// Longest that an answer is held back by `?wait=`.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The rules of the API, as the settings say.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// What every upload's key begins with.
    pub upload_prefix: String,
    /// Where thumbnails are served from, without a slash at the end; unset: presigned.
    pub public_url: Option<String>,
    /// The sizes of the thumbnails, from small to large.
    pub sizes: Vec<Size>,
    /// Largest upload in bytes.
    pub max_bytes: u64,
    /// How long an upload URL works.
    pub upload_url_expiry: Duration,
    /// Whether `GET /upload-url` exists.
    pub has_plain_uploads: bool,
    /// Whether `POST /images` is refused unless it states `contentLength`.
    pub requires_content_length: bool,
    /// Whether `DELETE /images/{id}` exists: anyone who reaches the API may then delete.
    pub may_delete: bool,
    /// Web origins that may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Who may ask what.
    pub access: AccessSettings,
    /// Longest wait: [`MAX_WAIT`] as a process, zero where an idle request costs money.
    pub max_wait: Duration,
}

impl From<&Config> for ApiSettings {
    fn from(config: &Config) -> Self {
        Self {
            upload_prefix: config.upload_prefix.clone(),
            public_url: config.public_url.clone(),
            sizes: config.recipe.sizes.clone(),
            max_bytes: config.max_bytes,
            upload_url_expiry: config.upload_url_expiry,
            has_plain_uploads: config.plain_uploads,
            requires_content_length: config.require_content_length,
            may_delete: config.allow_delete,
            cors_origins: config.cors_origins.clone(),
            access: AccessSettings::from(config),
            max_wait: if config.on_lambda { Duration::ZERO } else { MAX_WAIT },
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

/// The API, and beside it the routes of signed addresses where the backend has its own.
pub fn router(state: ApiState, objects: Option<Router>) -> Router {
    let state = budget::limit_calls(state);
    let settings = state.settings.clone();
    let routes = endpoints(&state.settings).into_iter().chain(page::routes());
    let routes = routes
        .fold(Router::new(), |router, (path, route)| router.route(path, route))
        .fallback(off::no_such_path)
        .method_not_allowed_fallback(off::method_not_allowed)
        .with_state(Arc::new(state));
    middleware::around(routes, objects, &settings)
}

/// The paths that `openapi.json` describes.
pub fn described_paths(settings: &ApiSettings) -> Vec<&'static str> {
    endpoints(settings).into_iter().map(|(path, _)| path).collect()
}

/// What a client's code may call.
fn endpoints(settings: &ApiSettings) -> Vec<(&'static str, MethodRouter<Arc<ApiState>>)> {
    let image = get(images::show);
    let image = if settings.may_delete { image.delete(delete::delete) } else { image };
    let mut endpoints = vec![
        ("/images", post(uploads::create).get(images::find)),
        ("/images/{id}", image),
        ("/images/{id}/{size}", get(images::redirect)),
        ("/openapi.json", get(openapi::document)),
        ("/livez", get(http::livez)),
    ];
    if settings.has_plain_uploads {
        endpoints.push(("/upload-url", get(uploads::create_plain)));
    }
    endpoints
}
