//! Host and port that a request addresses, from its target and its `Host` header.

use axum::http::uri::Authority;
use axum::http::{HeaderMap, Uri, header};

use super::{Problem, ProblemKind};

/// What a request says that it addresses: the authority of an absolute target, and of its `Host` header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Authorities {
    target: Option<Authority>,
    host: Option<Authority>,
}

impl Authorities {
    /// The authorities of a request; neither has to be there.
    ///
    /// # Errors
    /// When there are two `Host` headers, or one that cannot be read.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Result<Self, Problem> {
        let mut hosts = headers.get_all(header::HOST).into_iter();
        let host = match (hosts.next(), hosts.next()) {
            (None, _) => None,
            // As good as none: some probes send it.
            (Some(host), None) if host.is_empty() => None,
            (Some(host), None) => Some(host.to_str().ok().and_then(|host| host.parse().ok()).ok_or_else(unusable)?),
            (Some(_), Some(_)) => {
                return Err(Problem::new(ProblemKind::BadRequest, "the request has more than one Host header"));
            }
        };
        let authorities = Self { target: uri.authority().cloned(), host };
        // A user's name before the host is no part of any address that is served.
        if authorities.all().any(|authority| authority.as_str().contains('@')) {
            return Err(unusable());
        }
        Ok(authorities)
    }

    /// Both, where they are there.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Authority> {
        self.target.iter().chain(&self.host)
    }

    /// The one that counts: the target's before the header's, as RFC 9112 says.
    pub(crate) fn effective(&self) -> Option<&Authority> {
        self.all().next()
    }
}

/// The answer to a request that addresses nothing.
pub(super) fn unusable() -> Problem {
    Problem::new(ProblemKind::BadRequest, "the request has no usable Host header")
}
