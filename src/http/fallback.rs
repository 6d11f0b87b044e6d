//! Answers that every listener gives: liveness, and problems where no route answers.

use axum::http::{Method, Uri};

use super::{Problem, ProblemKind};

/// `GET /livez`: the process answers requests, also while it drains. It calls no service.
pub(crate) async fn livez() -> &'static str {
    "alive\n"
}

/// The answer to a path that is not in the router.
pub(crate) async fn no_such_path(uri: Uri) -> Problem {
    Problem::new(ProblemKind::NoSuchPath, format!("there is nothing at {}", uri.path()))
}

/// The answer to a path that is in the router, with another method.
pub(crate) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(ProblemKind::MethodNotAllowed, format!("{} does not answer {method}", uri.path()))
}
