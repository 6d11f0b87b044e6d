//! The middleware around every route: access checks, a time limit, metrics, CORS, and `nosniff`.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request};
use axum::http::header::X_CONTENT_TYPE_OPTIONS;
use axum::http::{HeaderValue, Method, Uri};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_http::set_header::SetResponseHeaderLayer;

use super::access::{AccessSettings, drop_untrusted, refuse_other_sites, require_token};
use super::{ApiSettings, MAX_WAIT};
use crate::config::BasePath;
use crate::http::{HostRules, MAX_BODY_BYTES, ObjectRoutes, Problem, ProblemKind, RequestBase, cors, only_for_hosts};
use crate::metrics::{self, ListenerName, StatusClass};

/// The time limit for a whole response.
const ANSWER_TIMEOUT: Duration = MAX_WAIT.saturating_add(Duration::from_secs(10));

/// Wraps the API's routes in all layers. The routes of objects need fewer: a signed URL is the permission, and public
/// thumbnails need none.
pub(super) fn around(routes: Router, objects: Option<ObjectRoutes>, settings: &ApiSettings) -> Router {
    let AccessSettings { hosts, public_host, proxies, tokens } = settings.access.clone();
    let origins: Arc<[String]> = settings.cors_origins.clone().into();
    let cors = cors(&origins, !tokens.is_empty());
    let routes = routes
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::new(tokens), require_token))
        .layer(from_fn_with_state(origins, refuse_other_sites))
        .layer(from_fn(limit_time))
        .layer(from_fn(measure));
    let ObjectRoutes { signed, public } = objects.unwrap_or_default();
    let proxies = Arc::new(proxies);
    let around_all = |routes: Router, hosts: HostRules| {
        let routes = routes.layer(nosniff());
        // A page of another origin that can request an upload URL must be able to use it.
        let routes = match &cors {
            Some(cors) => routes.layer(cors.clone()),
            None => routes,
        };
        let routes = routes.layer(from_fn_with_state(proxies.clone(), drop_untrusted));
        only_for_hosts(routes, hosts, ListenerName::Api)
    };
    let public = around_all(public, hosts.clone().with(public_host));
    below(&settings.base_path, around_all(routes.merge(signed), hosts).merge(public))
}

/// Serves the routes below a base path, and also without it: some proxies remove the path, others keep it.
fn below(base: &BasePath, routes: Router) -> Router {
    let base = base.clone();
    let extension = RequestBase(base.as_str().into());
    let without_base = move |mut request: Request| {
        if let Some(uri) = strip(&base, request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(extension.clone());
        request
    };
    // A layer of the router itself would run after a route is chosen.
    Router::new().fallback_service(routes.map_request(without_base))
}

/// The URI without the base path. `None` outside it.
fn strip(base: &BasePath, uri: &Uri) -> Option<Uri> {
    let rest = base.strip(uri.path())?;
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{rest}{query}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

fn nosniff() -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

/// Answers 503 when the handler takes too long.
async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("there was no answer within {} s", ANSWER_TIMEOUT.as_secs());
            Problem::new(ProblemKind::Unavailable, detail).into_response()
        }
    }
}

/// How long `?wait=` or `?until=` delayed a response. Stored as an extension of the response.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeldBack(pub(super) Duration);

/// Counts each answered request and records its duration.
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

/// The kind of a request, from its method and route.
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
