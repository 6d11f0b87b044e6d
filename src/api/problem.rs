//! Every error that the API answers with, as RFC 9457 problem details.

use std::error::Error;
use std::time::Duration;

use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::ports::{ErrorKind, PortError};

/// How soon a client may try again after an outage, in seconds.
const RETRY_AFTER_SECS: u64 = 5;

/// What went wrong, as a client's code may tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request makes no sense as it stands.
    BadRequest,
    /// The text in the path cannot be an image's id.
    InvalidId,
    /// The server asks for a token, and the request has none that it knows.
    Unauthorized,
    /// The request comes from a web page of another origin.
    CrossSite,
    /// The request is for a host that this server does not answer for.
    Misdirected,
    /// There is no such image.
    UnknownImage,
    /// The image has no such thumbnail, or none yet.
    NoThumbnail,
    /// There is nothing under this path.
    NoSuchPath,
    /// The path exists and the method does not.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The request's body is larger than any that makes sense.
    BodyTooLarge,
    /// The upload that was announced is over the limit.
    UploadTooLarge,
    /// The size of the upload must be stated, and is not.
    ContentLengthMissing,
    /// The type that was announced is none that darkroom takes.
    UnsupportedType,
    /// A fault of darkroom's own.
    Internal,
    /// There is no space for more uploads.
    NoSpace,
    /// Something that darkroom needs does not answer: try again later.
    Unavailable,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::BadRequest,
        Self::InvalidId,
        Self::Unauthorized,
        Self::CrossSite,
        Self::Misdirected,
        Self::UnknownImage,
        Self::NoThumbnail,
        Self::NoSuchPath,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UploadTooLarge,
        Self::ContentLengthMissing,
        Self::UnsupportedType,
        Self::Internal,
        Self::NoSpace,
        Self::Unavailable,
    ];

    /// The last part of the problem's `type`, its `status` and its `title`.
    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadRequest => ("bad-request", StatusCode::BAD_REQUEST, "the request makes no sense"),
            Self::InvalidId => ("invalid-id", StatusCode::BAD_REQUEST, "not an image id"),
            Self::Unauthorized => ("unauthorized", StatusCode::UNAUTHORIZED, "a token is needed"),
            Self::CrossSite => ("cross-site", StatusCode::FORBIDDEN, "not from another site's page"),
            Self::Misdirected => ("misdirected", StatusCode::MISDIRECTED_REQUEST, "not a host of this server"),
            Self::UnknownImage => ("unknown-image", StatusCode::NOT_FOUND, "no such image"),
            Self::NoThumbnail => ("no-thumbnail", StatusCode::NOT_FOUND, "no such thumbnail"),
            Self::NoSuchPath => ("no-such-path", StatusCode::NOT_FOUND, "nothing is here"),
            Self::MethodNotAllowed => ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "not with this method"),
            Self::RequestTimeout => {
                ("request-timeout", StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive")
            }
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "the request's body is too large"),
            Self::UploadTooLarge => ("upload-too-large", StatusCode::PAYLOAD_TOO_LARGE, "the image has too many bytes"),
            Self::ContentLengthMissing => {
                ("content-length-missing", StatusCode::BAD_REQUEST, "the size of the upload must be stated")
            }
            Self::UnsupportedType => {
                ("unsupported-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a type of image that is taken")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "a fault of the server's own"),
            Self::NoSpace => ("no-space", StatusCode::INSUFFICIENT_STORAGE, "there is no space for more uploads"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "not available for the moment"),
        }
    }

    /// The problem's `type`.
    pub fn uri(self) -> String {
        format!("urn:darkroom:problem:{}", self.facts().0)
    }

    /// The response's status.
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// The problem's `title`, the same for each of its kind.
    pub const fn title(self) -> &'static str {
        self.facts().2
    }
}

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

/// A port that failed ends the request here, so this is where it is logged. Clients learn nothing of the inside.
impl From<PortError> for Problem {
    fn from(error: PortError) -> Self {
        crate::metrics::port_error(&error);
        let cause = error.source().map(ToString::to_string);
        if error.kind == ErrorKind::NoSpace {
            tracing::warn!(error = %error, cause, "answered 507");
            return Self::new(ProblemKind::NoSpace, "try again when there is space");
        }
        let is_passing = error.kind.is_outage() || matches!(error.kind, ErrorKind::Damaged | ErrorKind::NewerSchema);
        if is_passing {
            tracing::warn!(error = %error, cause, "answered 503");
            Self::new(ProblemKind::Unavailable, "try again in a few seconds")
        } else {
            tracing::error!(error = %error, cause, "answered 500");
            Self::new(ProblemKind::Internal, "the server's log says more")
        }
    }
}

/// The answer to a path that is not in the router.
pub(super) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NoSuchPath, format!("there is nothing at {}", uri.path()))
}

/// The answer to a path that is in the router, with another method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("{} does not answer {method}", uri.path()))
}

/// The answer to a request that was worked on for too long.
pub(super) fn took_too_long(limit: Duration) -> Problem {
    Problem::new(ProblemKind::Unavailable, format!("there was no answer within {} s", limit.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ports::Operation;

    #[test]
    fn each_kind_has_a_type_of_its_own_and_an_error_status() {
        let types: HashSet<String> = ProblemKind::ALL.into_iter().map(ProblemKind::uri).collect();
        assert_eq!(types.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
        }
    }

    #[test]
    fn outages_can_be_tried_again_and_faults_cannot() {
        for kind in ErrorKind::ALL {
            let response = Problem::from(PortError::new(kind, Operation::CatalogLook)).into_response();
            let expected = match kind {
                ErrorKind::Throttled
                | ErrorKind::Denied
                | ErrorKind::Unavailable
                | ErrorKind::Damaged
                | ErrorKind::NewerSchema => StatusCode::SERVICE_UNAVAILABLE,
                ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            assert_eq!(response.status(), expected, "{kind:?}");
            assert_eq!(
                response.headers().contains_key(header::RETRY_AFTER),
                expected == StatusCode::SERVICE_UNAVAILABLE
            );
        }
    }
}
