//! Serves thumbnails at the public URL without a signature, like a CDN in front of a bucket.

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;

use super::objects::LocalBucket;
use super::refusal;
use super::routes::send;
use crate::http::Problem;
use crate::ports::Operation;
use crate::recipe::{CACHE_CONTROL, THUMBNAIL_PREFIX};

/// The routes of all thumbnails: under the path of `public_url`, and at the root for a proxy that strips that path.
pub(super) fn router(bucket: Arc<LocalBucket>, public_url: &str) -> Router {
    let path = path_of(public_url);
    let places = if path.is_empty() { vec![path] } else { vec![String::new(), path] };
    let router = places.into_iter().fold(Router::new(), |router, place| {
        router.route(&format!("{place}/{THUMBNAIL_PREFIX}{{*name}}"), get(thumbnail).fallback(other_method))
    });
    router.with_state(bucket)
}

/// The path of an absolute URL without a trailing slash. The settings reject characters that are special to the router.
fn path_of(url: &str) -> String {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.find('/').map_or("", |start| &after_scheme[start..]).to_owned()
}

async fn thumbnail(
    State(bucket): State<Arc<LocalBucket>>,
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path(name) = name.map_err(|_| refusal::not_found())?;
    let key = format!("{THUMBNAIL_PREFIX}{name}");
    let row = bucket.find(Operation::ObjectsGet, &key).await.map_err(|error| refusal::of_port(&error))?;
    send(&bucket, &row, &headers, CACHE_CONTROL).await
}

async fn other_method() -> Problem {
    refusal::method_not_allowed("a thumbnail takes GET and HEAD")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_of_a_url_begins_behind_its_host() {
        for (url, path) in [
            ("https://images.example", ""),
            ("https://images.example:8443", ""),
            ("https://images.example/t", "/t"),
            ("http://images.example/a/b", "/a/b"),
        ] {
            assert_eq!(path_of(url), path, "{url}");
        }
    }
}
