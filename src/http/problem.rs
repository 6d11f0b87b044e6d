//! Error responses as RFC 9457 problem details.

mod kind;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub use kind::ProblemKind;

/// `Retry-After` after an outage, in seconds.
const RETRY_AFTER_SECS: u64 = 5;

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// What is wrong with this request, including the invalid value.
    pub detail: String,
}

impl Problem {
    /// Makes a problem of this kind.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.kind.status();
        let body = json!({
            "type": self.kind.uri(),
            "title": self.kind.title(),
            "status": status.as_u16(),
            "detail": self.detail,
        });
        let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body.to_string()).into_response();
        let (name, value) = match self.kind {
            ProblemKind::Unavailable => (header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECS)),
            ProblemKind::Unauthorized => (header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
            _ => return response,
        };
        response.headers_mut().insert(name, value);
        response
    }
}
