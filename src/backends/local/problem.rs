//! What the routes answer when they refuse: problem details as RFC 9457 has them.

use std::error::Error;
use std::io;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::failure::NoSpace;
use super::pace::Cut;
use crate::metrics;
use crate::ports::{ErrorKind, PortError};

/// A refusal.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    detail: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into() }
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is no such object")
    }

    pub(super) fn too_large(max_bytes: u64) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, format!("an upload has at most {max_bytes} bytes"))
    }

    pub(super) fn already_uploaded() -> Self {
        Self::new(
            StatusCode::PRECONDITION_FAILED,
            "this address works once, and its object is there already, or was deleted",
        )
    }

    /// The body did not arrive as it has to.
    pub(super) fn cut(cut: &Cut) -> Self {
        match cut {
            Cut::TooSlow { .. } => Self::new(StatusCode::REQUEST_TIMEOUT, format!("{cut}; nothing was stored")),
            Cut::TooLate => Self::new(
                StatusCode::FORBIDDEN,
                "the address has expired while the upload was still arriving; nothing was stored",
            ),
            Cut::BrokenOff(_) => {
                Self::new(StatusCode::BAD_REQUEST, format!("the upload broke off, nothing was stored: {cut}"))
            }
        }
    }

    /// A file could not be read or written.
    pub(super) fn of_file(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::no_space(NoSpace::DiskFull),
            io::ErrorKind::NotFound => Self::not_found(),
            _ => Self::later(error),
        }
    }

    /// A call of the backend failed.
    pub(super) fn of_port(error: &PortError) -> Self {
        match error.kind {
            ErrorKind::NotFound => Self::not_found(),
            ErrorKind::AlreadyExists => Self::already_uploaded(),
            ErrorKind::NoSpace => Self::no_space(NoSpace::of(error)),
            _ => Self::later(error),
        }
    }

    fn no_space(why: NoSpace) -> Self {
        tracing::error!("an upload was refused: {why}");
        metrics::upload_without_space(why.limit());
        Self::new(StatusCode::INSUFFICIENT_STORAGE, "there is no space for more uploads; nothing was stored")
    }

    fn later(error: &(dyn Error + 'static)) -> Self {
        tracing::error!(error, "an object could not be read or stored");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "the object could not be read or stored; try again")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let content_type = HeaderValue::from_static("application/problem+json");
        (self.status, [(header::CONTENT_TYPE, content_type)], problem.to_string()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Operation;

    #[test]
    fn a_full_disk_is_told_to_the_uploader() {
        let of_database = PortError::with_source(ErrorKind::NoSpace, Operation::ObjectsPut, NoSpace::DiskFull);
        let of_file = io::ErrorKind::StorageFull.into();
        for problem in [Problem::of_port(&of_database), Problem::of_file(&of_file)] {
            assert_eq!(problem.status, StatusCode::INSUFFICIENT_STORAGE);
        }
        let other = PortError::new(ErrorKind::Unavailable, Operation::ObjectsPut);
        assert_eq!(Problem::of_port(&other).status, StatusCode::SERVICE_UNAVAILABLE);
    }
}
