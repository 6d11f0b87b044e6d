//! Every error that is answered, as RFC 9457 problem details.

mod kind;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

pub use kind::ProblemKind;

/// How soon a client may try again after an outage, in seconds.
const RETRY_AFTER_SECS: u64 = 5;

/// An error as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which problem it is.
    pub kind: ProblemKind,
    /// What is wrong this time, and with which value.
    pub detail: String,
}

impl Problem {
    /// A problem of that kind.
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
