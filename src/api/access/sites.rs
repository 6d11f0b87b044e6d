//! Rejects writes from web pages of other sites, which could otherwise act through their visitors' browsers.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::http::{Authorities, Problem, ProblemKind};

/// Browsers set this header. Pages cannot set it.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// Answers 403 to writes from pages of another origin that is not in `origins`.
///
/// Uploads to signed URLs are not checked: the URL is the client's permission, and it permits nothing else.
pub(in crate::api) async fn refuse_other_sites(
    State(origins): State<Arc<[String]>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let writes = writes(request.method(), path.as_ref().map_or("", MatchedPath::as_str));
    if writes && is_foreign(request.uri(), request.headers(), &origins) {
        let detail = "a web page of another origin may not do this; DARKROOM_CORS_ORIGINS names those that may";
        return Problem::new(ProblemKind::CrossSite, detail).into_response();
    }
    next.run(request).await
}

/// Whether a request writes. `GET /upload-url` does: it stores a record.
fn writes(method: &Method, route: &str) -> bool {
    let is_safe = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    !is_safe || route == "/upload-url"
}

/// Whether a request comes from a page of another origin that is not in `allowed`.
fn is_foreign(uri: &Uri, headers: &HeaderMap, allowed: &[String]) -> bool {
    let sites: Vec<&HeaderValue> = headers.get_all(SEC_FETCH_SITE).into_iter().collect();
    let origins: Vec<&HeaderValue> = headers.get_all(header::ORIGIN).into_iter().collect();
    let is_same_origin = !sites.is_empty() && sites.iter().all(|site| *site == "same-origin");
    if is_same_origin || allowed.iter().any(|allowed| allowed == "*") {
        return false;
    }
    if origins.is_empty() {
        return !sites.iter().all(|site| ["same-origin", "same-site", "none"].iter().any(|known| *site == known));
    }
    let own = Authorities::of(uri, headers).unwrap_or_default();
    let is_allowed = |origin: &HeaderValue| {
        origin.to_str().is_ok_and(|origin| allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin)))
    };
    !origins.into_iter().all(|origin| is_allowed(origin) || is_own(origin, &own))
}

/// Whether an origin is the server's own. The scheme is not compared: a proxy may terminate TLS without reporting it.
fn is_own(origin: &HeaderValue, own: &Authorities) -> bool {
    let Some((origin, own)) = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok()).zip(own.effective())
    else {
        return false;
    };
    let (Some(scheme), Some(authority)) = (origin.scheme_str(), origin.authority()) else { return false };
    let default = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return false,
    };
    let port = |port: Option<u16>| port.unwrap_or(default);
    authority.host().eq_ignore_ascii_case(own.host()) && port(authority.port_u16()) == port(own.port_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether a request to `http://images.example:8080` with these headers is foreign.
    fn foreign(headers: &[(&'static str, &str)], allowed: &[&str]) -> bool {
        let own = [("host", "images.example:8080")];
        let headers = own.iter().chain(headers);
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        let allowed: Vec<String> = allowed.iter().map(|origin| (*origin).to_owned()).collect();
        is_foreign(&Uri::from_static("/images"), &headers, &allowed)
    }

    const SITE: &str = "sec-fetch-site";
    const ORIGIN: &str = "origin";

    #[test]
    fn what_a_browser_says_of_another_site_is_believed() {
        for (headers, is_foreign) in [
            (&[][..], false),
            (&[(SITE, "same-origin")], false),
            (&[(SITE, "same-origin"), (ORIGIN, "https://images.example")], false),
            (&[(SITE, "none")], false),
            (&[(SITE, "same-site")], false),
            (&[(SITE, "cross-site")], true),
            (&[(SITE, "")], true),
            (&[(SITE, "same-origin"), (SITE, "cross-site")], true),
            (&[(SITE, "same-site"), (ORIGIN, "http://other.example")], true),
            (&[(SITE, "cross-site"), (ORIGIN, "http://other.example")], true),
            (&[(SITE, "none"), (ORIGIN, "null")], true),
        ] {
            assert_eq!(foreign(headers, &[]), is_foreign, "{headers:?}");
        }
    }

    #[test]
    fn an_origin_is_own_by_host_and_port() {
        for (origin, is_foreign) in [
            ("http://images.example:8080", false),
            ("https://IMAGES.example:8080", false),
            ("http://images.example", true),
            ("https://images.example", true),
            ("http://images.example:8081", true),
            ("http://images.example.evil.example:8080", true),
            ("ftp://images.example:8080", true),
            ("null", true),
            ("", true),
            ("images.example:8080", true),
        ] {
            assert_eq!(foreign(&[(ORIGIN, origin)], &[]), is_foreign, "{origin:?}");
        }
        let of = |origin: &'static str, host: &str| {
            let headers = [(header::HOST, host.parse().unwrap())].into_iter().collect();
            let own = Authorities::of(&Uri::from_static("/"), &headers).unwrap();
            is_own(&HeaderValue::from_static(origin), &own)
        };
        assert!(of("https://a.example", "a.example") && of("https://a.example", "a.example:443"));
        assert!(of("http://a.example:80", "a.example") && !of("http://a.example:443", "a.example"));
        assert!(of("http://[::1]:80", "[::1]") && !of("http://[::2]:80", "[::1]"));
    }

    #[test]
    fn a_named_origin_may_write_and_another_may_not() {
        let named = ["https://shop.example"];
        assert!(!foreign(&[(SITE, "cross-site"), (ORIGIN, "https://shop.example")], &named));
        assert!(foreign(&[(SITE, "cross-site"), (ORIGIN, "https://evil.example")], &named));
        assert!(foreign(&[(ORIGIN, "https://shop.example"), (ORIGIN, "https://evil.example")], &named));
        assert!(foreign(&[(SITE, "cross-site")], &named), "a picture or a link says no origin");
        assert!(!foreign(&[(SITE, "cross-site")], &["*"]));
        assert!(!foreign(&[(ORIGIN, "null")], &["*"]));
    }

    #[test]
    fn what_stores_something_writes() {
        for (method, route, expected) in [
            (Method::POST, "/images", true),
            (Method::GET, "/images", false),
            (Method::HEAD, "/images/{id}", false),
            (Method::DELETE, "/images/{id}", true),
            (Method::GET, "/upload-url", true),
            (Method::HEAD, "/upload-url", true),
            (Method::OPTIONS, "/images", false),
        ] {
            assert_eq!(writes(&method, route), expected, "{method} {route}");
        }
    }
}
