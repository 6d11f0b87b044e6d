//! CORS: which other origins may call a listener.

use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The header with the SHA-256 of an upload in base64, as S3 names it.
pub(crate) const CHECKSUM_SHA256: &str = "x-amz-checksum-sha256";

/// How long browsers may cache a preflight response.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// Allows these origins to call the API, and to send a token if `has_tokens`. `*` allows all. `None` without origins.
pub(crate) fn cors(origins: &[String], has_tokens: bool) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    let mut headers = vec![header::CONTENT_TYPE, header::IF_NONE_MATCH, HeaderName::from_static(CHECKSUM_SHA256)];
    headers.extend(has_tokens.then_some(header::AUTHORIZATION));
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers(headers)
            .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER])
            .max_age(CORS_MAX_AGE),
    )
}
