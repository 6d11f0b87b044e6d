//! The HTTP API: upload URLs, the status of each image, and the upload page.

mod access;
mod call_limit;
mod delete;
mod images;
mod middleware;
mod no_route;
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
use crate::config::{BasePath, Config, PublicUrl};
use crate::http::{self, ObjectRoutes};
use crate::ports::{Catalog, ObjectStore, Ports};
use crate::recipe::Size;

pub use access::{AccessSettings, TrustedProxies};
pub(crate) use uploads::sign_once;

/// The longest time that `?wait=` can delay a response.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The API's settings.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The prefix of every upload's key.
    pub upload_prefix: String,
    /// The path under which a proxy serves the API.
    pub base_path: BasePath,
    /// The base URL of thumbnails. When unset, the API presigns their URLs.
    pub public_url: Option<PublicUrl>,
    /// The thumbnail sizes, in ascending order.
    pub sizes: Vec<Size>,
    /// The largest upload, in bytes.
    pub max_bytes: u64,
    /// How long an upload URL is valid.
    pub upload_url_expiry: Duration,
    /// Whether `GET /upload-url` exists.
    pub has_plain_uploads: bool,
    /// Whether `POST /images` is refused unless it states `contentLength`.
    pub requires_content_length: bool,
    /// Whether `POST /images` is refused unless it states `checksumSha256`.
    pub requires_checksum: bool,
    /// Whether `DELETE /images/{id}` exists. If it does, any client that can reach the API can delete images.
    pub may_delete: bool,
    /// Web origins that may call the API from a browser.
    pub cors_origins: Vec<String>,
    /// Access rules.
    pub access: AccessSettings,
    /// The longest wait: [`MAX_WAIT`] in a process, zero where an idle request costs money.
    pub max_wait: Duration,
}

impl From<&Config> for ApiSettings {
    fn from(config: &Config) -> Self {
        Self {
            upload_prefix: config.upload_prefix.clone(),
            base_path: config.base_path.clone(),
            public_url: config.public_url.clone(),
            sizes: config.recipe.sizes.clone(),
            max_bytes: config.max_bytes,
            upload_url_expiry: config.upload_url_expiry,
            has_plain_uploads: config.plain_uploads,
            requires_content_length: config.require_content_length,
            requires_checksum: config.require_checksum,
            may_delete: config.allow_delete,
            cors_origins: config.cors_origins.clone(),
            access: AccessSettings::from(config),
            max_wait: if config.on_lambda { Duration::ZERO } else { MAX_WAIT },
        }
    }
}

/// The state that the API's handlers share.
pub struct ApiState {
    /// The image records.
    pub catalog: Arc<dyn Catalog>,
    /// The bucket for uploads.
    pub uploads: Arc<dyn ObjectStore>,
    /// The bucket for thumbnails.
    pub thumbnails: Arc<dyn ObjectStore>,
    /// The settings.
    pub settings: ApiSettings,
    /// The clock for stored times.
    pub clock: SharedClock,
    /// When it is cancelled, waiting requests are answered immediately.
    pub shutdown: CancellationToken,
}

impl ApiState {
    /// Takes the ports that the API needs.
    pub fn new(ports: &Ports, settings: ApiSettings, clock: SharedClock, shutdown: CancellationToken) -> Self {
        let Ports { catalog, uploads, thumbnails, .. } = ports.clone();
        Self { catalog, uploads, thumbnails, settings, clock, shutdown }
    }
}

/// The API's routes, and the routes of objects where the backend serves them itself.
pub fn router(state: ApiState, objects: Option<ObjectRoutes>) -> Router {
    let state = call_limit::limit_calls(state);
    let settings = state.settings.clone();
    let routes = endpoints(&state.settings).into_iter().chain(page::routes());
    let routes = routes
        .fold(Router::new(), |router, (path, route)| router.route(path, route))
        .fallback(no_route::no_such_path)
        .method_not_allowed_fallback(no_route::method_not_allowed)
        .with_state(Arc::new(state));
    middleware::around(routes, objects, &settings)
}

/// The paths that `openapi.json` describes.
pub fn described_paths(settings: &ApiSettings) -> Vec<&'static str> {
    endpoints(settings).into_iter().map(|(path, _)| path).collect()
}

/// The routes for client code.
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
