//! Handlers that all listeners share: liveness, and problems for unmatched requests.

use axum::http::{Method, Uri};

use super::{Problem, ProblemKind};

/// `GET /livez`: the process answers requests, also while it drains. It calls no service.
pub(crate) async fn livez() -> &'static str {
    "alive\n"
}

/// The response to an unknown path.
pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NoSuchPath, format!("there is nothing at {}", uri.path()))
}

/// The response to a known path with an unsupported method.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("{} does not answer {method}", uri.path()))
}
