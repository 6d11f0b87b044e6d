//! The base URL under which the client reached this server. It makes URLs in responses absolute.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};

use super::authority::unusable;
use super::{Authorities, Problem};

/// Scheme and authority, such as `https://images.example:8443`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BaseUrl(String);

impl BaseUrl {
    /// Returns an absolute `url` unchanged, and resolves a path against this server.
    pub(crate) fn absolute(&self, url: String) -> String {
        if url.starts_with('/') { format!("{}{url}", self.0) } else { url }
    }

    /// The base URL from the request's `Host`. A trusted proxy reports whether the scheme was `https`.
    fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let authorities = Authorities::of(uri, headers)?;
        let authority = authorities.effective().ok_or_else(unusable)?;
        let forwarded = headers.get("x-forwarded-proto").and_then(|proto| proto.to_str().ok());
        let is_https = forwarded.is_some_and(|list| list.split(',').next().unwrap_or("").trim() == "https");
        Ok(Self(format!("{}://{authority}", if is_https { "https" } else { "http" })))
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri, &parts.headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn absolute(headers: &[(&'static str, &str)]) -> Option<String> {
        let headers = headers.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
        BaseUrl::of(&Uri::from_static("/images"), &headers).ok().map(|base| base.absolute("/x?y".to_owned()))
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
            assert_eq!(absolute(headers).as_deref(), expected, "{headers:?}");
        }
    }

    #[test]
    fn absolute_urls_stay_as_they_are() {
        let base = BaseUrl("http://here".to_owned());
        assert_eq!(base.absolute("https://bucket.example/key".to_owned()), "https://bucket.example/key");
    }
}
