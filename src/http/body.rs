//! Reads the body of a small request.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;

use super::{Problem, ProblemKind};

/// The largest request body: a few short JSON fields. The router's `DefaultBodyLimit` enforces it.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024;

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Reads the body of a small request.
///
/// # Errors
/// 413 when it is larger than [`MAX_BODY_BYTES`], 408 when it does not arrive in time, 400 when the connection fails.
pub(crate) async fn read_body(request: Request) -> Result<Bytes, Problem> {
    match tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(rejection)) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(Problem::new(ProblemKind::BodyTooLarge, format!("the body may have {MAX_BODY_BYTES} bytes at most")))
        }
        Ok(Err(_)) => Err(Problem::new(ProblemKind::BadRequest, "the body broke off")),
        Err(_) => {
            let detail = format!("the body did not arrive within {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(ProblemKind::RequestTimeout, detail))
        }
    }
}
