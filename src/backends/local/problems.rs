//! The problem responses of the routes for signed URLs and public thumbnails.

use std::error::Error;
use std::io;

use super::failure::NoSpace;
use super::signature::SignatureError;
use crate::http::{Problem, ProblemKind, ReadError};
use crate::metrics;
use crate::ports::{ErrorKind, PortError};

pub(super) fn not_found() -> Problem {
    Problem::new(ProblemKind::NoSuchObject, "there is no such object")
}

pub(super) fn too_large(max_bytes: u64) -> Problem {
    Problem::new(ProblemKind::UploadTooLarge, format!("an upload has at most {max_bytes} bytes"))
}

pub(super) fn other_checksum(expected: &str, found: &str) -> Problem {
    let expected: String = expected.chars().take(80).collect();
    let detail = format!("the bytes have the SHA-256 {found}, the request says {expected:?}; nothing was stored");
    Problem::new(ProblemKind::ChecksumMismatch, detail)
}

pub(super) fn already_uploaded() -> Problem {
    let detail = "this address works once, and its object is there already, or was deleted";
    Problem::new(ProblemKind::AlreadyUploaded, detail)
}

pub(super) fn form() -> Problem {
    let detail = "the request sends a form: send the bytes of the image as the whole body, as curl -T does";
    Problem::new(ProblemKind::UnsupportedType, detail)
}

pub(super) fn method_not_allowed(detail: &str) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, detail)
}

/// The signed URL is not valid.
pub(super) fn of_url(refusal: SignatureError) -> Problem {
    let kind = match refusal {
        SignatureError::Mismatch => ProblemKind::InvalidSignature,
        SignatureError::Expired => ProblemKind::UrlExpired,
    };
    Problem::new(kind, refusal.to_string())
}

/// The body was too slow or too late, or broke off.
pub(super) fn of_body(error: &ReadError) -> Problem {
    match error {
        ReadError::TooSlow { .. } => Problem::new(ProblemKind::RequestTimeout, format!("{error}; nothing was stored")),
        ReadError::TooLate => Problem::new(
            ProblemKind::UrlExpired,
            "the address has expired while the upload was still arriving; nothing was stored",
        ),
        ReadError::BrokenOff(_) => {
            Problem::new(ProblemKind::BadRequest, format!("the upload broke off, nothing was stored: {error}"))
        }
    }
}

/// An object's file could not be opened. It is missing if the object was deleted since its row was read.
pub(super) fn of_file(error: &io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => not_found(),
        _ => later(error),
    }
}

/// A call of the backend failed.
pub(super) fn of_port(error: &PortError) -> Problem {
    match error.kind {
        ErrorKind::NotFound => not_found(),
        ErrorKind::AlreadyExists => already_uploaded(),
        ErrorKind::NoSpace => no_space(NoSpace::of(error)),
        _ => later(error),
    }
}

fn no_space(why: NoSpace) -> Problem {
    tracing::error!("an upload was refused: {why}");
    metrics::upload_without_space(why.limit());
    Problem::new(ProblemKind::NoSpace, "there is no space for more uploads; nothing was stored")
}

fn later(error: &(dyn Error + 'static)) -> Problem {
    tracing::error!(error, "an object could not be read or stored");
    Problem::new(ProblemKind::Unavailable, "the object could not be read or stored; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_reported_to_the_uploader() {
        let port_error =
            PortError::with_source(ErrorKind::NoSpace, crate::ports::Operation::ObjectsPut, NoSpace::DiskFull);
        assert_eq!(of_port(&port_error).kind, ProblemKind::NoSpace);
        let other = PortError::new(ErrorKind::Unavailable, crate::ports::Operation::ObjectsPut);
        assert_eq!(of_port(&other).kind, ProblemKind::Unavailable);
    }
}
