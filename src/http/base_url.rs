//! The base URL under which the client reached this server. It makes URLs in responses absolute.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use super::authority::unusable;
use super::{Authorities, Problem};

/// Scheme, authority and base path, such as `https://images.example:8443/photos`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

/// The base path of a request's server. An extension of every request.
#[derive(Clone, Debug)]
pub(crate) struct RequestBase(pub(crate) Arc<str>);

impl BaseUrl {
    /// Returns an absolute `url` unchanged, and resolves a path against this server.
    pub(crate) fn absolute(&self, url: String) -> String {
        if url.starts_with('/') { format!("{}{url}", self.0) } else { url }
    }

    /// The base URL from the request's `Host`. A trusted proxy reports whether the scheme was `https`.
    fn of(uri: &Uri, headers: &HeaderMap, base_path: &str) -> Result<Self, Problem> {
        let authorities = Authorities::of(uri, headers)?;
        let authority = authorities.effective().ok_or_else(unusable)?;
        let forwarded = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
        let is_https = forwarded.is_some_and(|list| list.split(',').next().unwrap_or("").trim() == "https");
        let scheme = if is_https { "https" } else { "http" };
        Ok(Self(format!("{scheme}://{authority}{base_path}")))
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let base_path = parts.extensions.get().map_or("", |RequestBase(path)| path);
        Self::of(&parts.uri, &parts.headers, base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absolute(headers: &[(&'static str, &str)], path: &str) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        BaseUrl::of(&Uri::from_static("/images"), &headers, path).ok().map(|base| base.absolute("/x?y".to_owned()))
    }

    #[test]
    fn paths_become_absolute_from_the_host_and_the_proxy() {
        for (headers, expected) in [
            (&[("host", "127.0.0.1:8080")][..], Some("http://127.0.0.1:8080/x?y")),
            (&[("host", "[::1]:8080")], Some("http://[::1]:8080/x?y")),
            (&[("host", "a.example"), ("x-forwarded-proto", "https")], Some("https://a.example/x?y")),
            (&[("host", "a.example"), ("x-forwarded-proto", "https, http")], Some("https://a.example/x?y")),
            (&[("host", "a.example"), ("x-forwarded-proto", "javascript")], Some("http://a.example/x?y")),
            (&[("host", "user@a.example")], None),
            (&[("host", "a b")], None),
            (&[("host", "")], None),
            (&[], None),
        ] {
            assert_eq!(absolute(headers, "").as_deref(), expected, "{headers:?}");
        }
        assert_eq!(absolute(&[("host", "a.example")], "/photos").as_deref(), Some("http://a.example/photos/x?y"));
    }

    #[test]
    fn absolute_urls_stay_as_they_are() {
        let base = BaseUrl("http://here".to_owned());
        assert_eq!(base.absolute("https://bucket.example/key".to_owned()), "https://bucket.example/key");
    }
}
