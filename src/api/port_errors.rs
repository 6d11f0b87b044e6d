//! Converts port errors into responses.

use std::error::Error as _;

use crate::http::{Problem, ProblemKind};
use crate::ports::{ErrorKind, PortError};

/// A port error ends the request here, so it is logged here. The response contains no internal details.
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

#[cfg(test)]
mod tests {
    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn outages_can_be_tried_again_and_faults_cannot() {
        for kind in ErrorKind::ALL {
            let response = Problem::from(PortError::new(kind, crate::ports::Operation::CatalogLook)).into_response();
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
