//! Serves thumbnails at the public URL without a signature, like a CDN in front of a bucket.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::objects::LocalBucket;
use super::problems;
use super::routes::send;
use crate::config::{BasePath, PublicUrl};
use crate::http::Problem;
use crate::ports::Operation;
use crate::recipe::{CACHE_CONTROL, THUMBNAIL_PREFIX};

/// The routes of all thumbnails: under the path of `public_url`, with and without the base path of the API, which the
/// API removes; and at the root for a proxy that strips the whole path.
pub(super) fn router(bucket: Arc<LocalBucket>, public_url: &PublicUrl, base_path: &BasePath) -> Router {
    // The settings reject characters that are special to the router.
    let path = public_url.path();
    let below_base = base_path.strip(path).unwrap_or(path).trim_end_matches('/');
    let places = BTreeSet::from(["", path, below_base]);
    let router = places.into_iter().fold(Router::new(), |router, place| {
        router.route(&format!("{place}/{THUMBNAIL_PREFIX}{{*name}}"), get(thumbnail).fallback(other_method))
    });
    router.with_state(bucket)
}

async fn thumbnail(
    State(bucket): State<Arc<LocalBucket>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| problems::not_found())?;
    let key = format!("{THUMBNAIL_PREFIX}{name}");
    let row = bucket.find(Operation::ObjectsGet, &key).await.map_err(|error| problems::of_port(&error))?;
    send(&bucket, &row, &headers, CACHE_CONTROL).await
}

async fn other_method() -> Problem {
    problems::method_not_allowed("a thumbnail takes GET and HEAD")
}
