//! What every request passes: a time limit, CORS, and headers that keep browsers from guessing.

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::{MAX_WAIT, Problem, ProblemKind, problem};

/// Largest body of a request: a few short JSON fields.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take in all.
const ANSWER_TIMEOUT: Duration = MAX_WAIT.saturating_add(Duration::from_secs(10));

/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// Puts the layers around the API's routes.
pub(super) fn around(routes: Router, cors_origins: &[String]) -> Router {
    let nosniff = SetResponseHeaderLayer::if_not_present(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    let routes = routes.layer(DefaultBodyLimit::max(MAX_BODY_BYTES)).layer(from_fn(limit_time)).layer(nosniff);
    match cors(cors_origins) {
        Some(cors) => routes.layer(cors),
        None => routes,
    }
}

/// Lets web pages of these origins call the API, `*` meaning any; `None` when there are none.
pub fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    Some(
        CorsLayer::new()
            .allow_origin(allowed)
            .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
            .allow_headers([header::CONTENT_TYPE, header::IF_NONE_MATCH])
            .expose_headers([header::ETAG, header::LOCATION, header::RETRY_AFTER])
            .max_age(CORS_MAX_AGE),
    )
}

/// Answers 503 when the answer takes too long.
async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem::took_too_long(ANSWER_TIMEOUT).into_response(),
    }
}

/// The body of a small request.
///
/// # Errors
/// 413 when it is larger than [`MAX_BODY_BYTES`], 408 when it does not arrive in time, 400 when it breaks off.
pub(super) async fn read_body(request: Request) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(ProblemKind::BodyTooLarge, format!("the body may have {MAX_BODY_BYTES} bytes at most")))
        }
        Ok(Err(_)) => Err(Problem::new(ProblemKind::BadRequest, "the body broke off")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(ProblemKind::RequestTimeout, detail))
        }
    }
}
