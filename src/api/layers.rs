//! What every request passes: the checks of access, a time limit, CORS, and headers that keep browsers from guessing.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::time::Instant;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{check_host, drop_untrusted, refuse_other_sites, require_token};
use super::{ApiSettings, HostRules, MAX_WAIT, Problem, ProblemKind, problem};
use crate::metrics::{self, ListenerName, StatusClass};

/// Largest body of a request: a few short JSON fields.
const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an answer may take in all.
const ANSWER_TIMEOUT: Duration = MAX_WAIT.saturating_add(Duration::from_secs(10));

/// How long a browser may remember what CORS allows.
const CORS_MAX_AGE: Duration = Duration::from_mins(10);

/// Puts the layers around the API's routes and those of signed addresses, which carry their own permission.
pub(super) fn around(routes: Router, objects: Option<Router>, settings: &ApiSettings) -> Router {
    let access = settings.access.clone();
    let origins: Arc<[String]> = settings.cors_origins.clone().into();
    let cors = cors(&origins, !access.tokens.is_empty());
    let nosniff = SetResponseHeaderLayer::if_not_present(
        HeaderName::from_static("x-content-type-options"),
        HeaderValue::from_static("nosniff"),
    );
    let routes = routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::new(access.tokens), require_token))
        .layer(from_fn_with_state(origins, refuse_other_sites))
        .layer(from_fn(limit_time))
        .layer(from_fn(measure))
        .layer(nosniff);
    let routes = match objects {
        Some(objects) => routes.merge(objects),
        None => routes,
    };
    // A page of another origin that may ask for an upload URL may use it too.
    let routes = match cors {
        Some(cors) => routes.layer(cors),
        None => routes,
    };
    let routes = routes.layer(from_fn_with_state(Arc::new(access.proxies), drop_untrusted));
    only_for_hosts(routes, access.hosts, ListenerName::Api)
}

/// Answers only requests for hosts that the rules admit.
pub(super) fn only_for_hosts(routes: Router, hosts: HostRules, listener: ListenerName) -> Router {
    routes.layer(from_fn_with_state((Arc::new(hosts), listener), check_host))
}

/// Lets web pages of these origins call the API, `*` meaning any, and send a token; `None` when there are none.
fn cors(origins: &[String], has_tokens: bool) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| origin.parse().ok()))
    };
    let mut headers = vec![header::CONTENT_TYPE, header::IF_NONE_MATCH];
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

/// Answers 503 when the answer takes too long.
async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => problem::took_too_long(ANSWER_TIMEOUT).into_response(),
    }
}

/// How long `?wait=` or `?until=` held an answer back, as an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldBack(pub(super) Duration);

/// Counts the request once it is answered, and records how long that took.
async fn measure(path: Option<MatchedPath>, request: Request, next: Next) -> Response {
    let asked = asked(request.method(), path.as_ref().map_or("", MatchedPath::as_str));
    let started = Instant::now();
    let response = next.run(request).await;
    let held = response.extensions().get().map_or(Duration::ZERO, |HeldBack(held)| *held);
    let class = match response.status().as_u16() {
        ..300 => StatusClass::Success,
        300..400 => StatusClass::Redirection,
        400..500 => StatusClass::ClientError,
        500.. => StatusClass::ServerError,
    };
    metrics::answered(asked, class, started.elapsed().saturating_sub(held));
    response
}

/// What a request asks for, by its method and its route.
fn asked(method: &Method, route: &str) -> metrics::Request {
    use metrics::Request::{
        CreateImage, CreatePlainUpload, DeleteImage, FindImage, GetDescription, GetImage, GetLiveness, GetThumbnail,
        Other, Page,
    };
    match (method.as_str(), route) {
        ("POST", "/images") => CreateImage,
        ("GET" | "HEAD", "/images") => FindImage,
        ("GET" | "HEAD", "/images/{id}") => GetImage,
        ("DELETE", "/images/{id}") => DeleteImage,
        ("GET" | "HEAD", "/images/{id}/{size}") => GetThumbnail,
        ("GET" | "HEAD", "/upload-url") => CreatePlainUpload,
        ("GET" | "HEAD", "/openapi.json") => GetDescription,
        ("GET" | "HEAD", "/livez") => GetLiveness,
        ("GET" | "HEAD", "/") => Page,
        ("GET" | "HEAD", path) if path.starts_with("/page/") => Page,
        _ => Other,
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_route_is_counted_under_its_own_name() {
        let routes = [
            ("POST", "/images"),
            ("GET", "/images"),
            ("GET", "/images/{id}"),
            ("DELETE", "/images/{id}"),
            ("GET", "/images/{id}/{size}"),
            ("GET", "/upload-url"),
            ("GET", "/openapi.json"),
            ("GET", "/livez"),
            ("GET", "/"),
            ("PATCH", "/"),
        ];
        let names: HashSet<&str> =
            routes.into_iter().map(|(method, route)| asked(&method.parse().unwrap(), route).as_str()).collect();
        assert_eq!(names.len(), metrics::Request::ALL.len());
        assert_eq!(asked(&Method::GET, "/page/page.js"), metrics::Request::Page);
        assert_eq!(asked(&Method::GET, ""), metrics::Request::Other);
    }
}
