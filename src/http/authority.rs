//! The host and port of a request, from its target and its `Host` header.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

use super::{Problem, ProblemKind};

/// The authorities of a request: from its absolute target, and from its `Host` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authorities {
    target: Option<Authority>,
    host: Option<Authority>,
}

impl Authorities {
    /// The authorities of a request. Both are optional.
    ///
    /// # Errors
    /// When there is more than one `Host` header, or it cannot be parsed.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = match (hosts.next(), hosts.next()) {
            (None, _) => None,
            // Some probes send an empty `Host` header. It counts as absent.
            (Some(host), None) if host.is_empty() => None,
            (Some(host), None) => Some(host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(unusable)?),
            (Some(_), Some(_)) => {
                return Err(Problem::new(ProblemKind::BadRequest, "the request has more than one Host header"));
            }
        };
        let authorities = Self { target: uri.authority().cloned(), host };
        // No served address has user information.
        if authorities.all().any(|authority| authority.as_str().contains('@')) {
            return Err(unusable());
        }
        Ok(authorities)
    }

    /// The authorities that are present.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Authority> {
        self.target.iter().chain(&self.host)
    }

    /// The effective authority: RFC 9112 prefers the target to the header.
    pub(crate) fn effective(&self) -> Option<&Authority> {
        self.all().next()
    }
}

/// The response to a request without a usable host.
pub(super) fn unusable() -> Problem {
    Problem::new(ProblemKind::BadRequest, "the request has no usable Host header")
}
