//! The kinds of problems, with the type, status and title of each.

use axum::http::StatusCode;

/// The kind of an error. Client code can match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// The request is malformed.
    BadRequest,
    /// The path contains an invalid image id.
    InvalidId,
    /// The server requires a token, and the request has no valid one.
    Unauthorized,
    /// The request comes from a web page of another origin.
    CrossSite,
    /// The server does not accept requests for this host.
    Misdirected,
    /// The image does not exist.
    UnknownImage,
    /// The image does not have this thumbnail, or does not have it yet.
    NoThumbnail,
    /// The path does not exist.
    NoSuchPath,
    /// The path does not support this method.
    MethodNotAllowed,
    /// The request took too long to arrive.
    RequestTimeout,
    /// The request body exceeds the limit.
    BodyTooLarge,
    /// The announced upload exceeds the size limit.
    UploadTooLarge,
    /// The request must state the size of the upload.
    ContentLengthMissing,
    /// The request must state the checksum of the upload.
    ChecksumMissing,
    /// The announced content type is not supported.
    UnsupportedType,
    /// An internal error.
    Internal,
    /// No space is left for uploads.
    NoSpace,
    /// A service that darkroom needs is unavailable. The client can retry later.
    Unavailable,
    /// A signed URL was changed, or used with another method.
    InvalidSignature,
    /// A signed URL has expired.
    UrlExpired,
    /// A request to a signed URL has a `Content-Type` or `Content-Length` that differs from the signed one.
    SignedHeaderMismatch,
    /// The bytes that arrived do not have the checksum in the request.
    ChecksumMismatch,
    /// The object does not exist.
    NoSuchObject,
    /// The object accepts only one upload and already has it.
    AlreadyUploaded,
}

impl ProblemKind {
    /// Every kind.
    pub const ALL: [Self; 24] = [
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
        Self::ChecksumMissing,
        Self::UnsupportedType,
        Self::Internal,
        Self::NoSpace,
        Self::Unavailable,
        Self::InvalidSignature,
        Self::UrlExpired,
        Self::SignedHeaderMismatch,
        Self::ChecksumMismatch,
        Self::NoSuchObject,
        Self::AlreadyUploaded,
    ];

    /// The last part of the problem's `type`, the `status`, and the `title`.
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
            Self::ChecksumMissing => {
                ("checksum-missing", StatusCode::BAD_REQUEST, "the checksum of the upload must be stated")
            }
            Self::UnsupportedType => {
                ("unsupported-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "not a type of image that is taken")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "a fault of the server's own"),
            Self::NoSpace => ("no-space", StatusCode::INSUFFICIENT_STORAGE, "there is no space for more uploads"),
            Self::Unavailable => ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "not available for the moment"),
            Self::InvalidSignature => ("invalid-signature", StatusCode::FORBIDDEN, "the signature does not match"),
            Self::UrlExpired => ("url-expired", StatusCode::FORBIDDEN, "the URL has expired"),
            Self::SignedHeaderMismatch => {
                ("signed-header-mismatch", StatusCode::FORBIDDEN, "a header is not as it was signed")
            }
            Self::ChecksumMismatch => {
                ("checksum-mismatch", StatusCode::BAD_REQUEST, "the bytes do not have the checksum that was sent")
            }
            Self::NoSuchObject => ("no-such-object", StatusCode::NOT_FOUND, "no such object"),
            Self::AlreadyUploaded => {
                ("already-uploaded", StatusCode::PRECONDITION_FAILED, "the object was uploaded already")
            }
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

    /// The problem's `title`, the same for all problems of a kind.
    pub const fn title(self) -> &'static str {
        self.facts().2
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_kind_has_a_type_of_its_own_and_an_error_status() {
        let types: HashSet<String> = ProblemKind::ALL.into_iter().map(ProblemKind::uri).collect();
        assert_eq!(types.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind:?}");
        }
    }
}
