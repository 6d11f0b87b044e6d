//! Responses for unknown paths and methods. If a setting disables a route, the response names the setting.

use std::sync::Arc;

use axum::extract::{MatchedPath, State};
use axum::http::{Method, Uri};

use super::ApiState;
use crate::http::{self, Problem, ProblemKind};

/// The response to a path without a route.
pub(super) async fn no_such_path(State(api): State<Arc<ApiState>>, uri: Uri) -> Problem {
    if uri.path() == "/upload-url" && !api.settings.has_plain_uploads {
        let detail = "plain uploads are off: this server's operator turns them on with DARKROOM_PLAIN_UPLOADS=on; \
                      POST /images hands out upload URLs, too";
        return Problem::new(ProblemKind::NoSuchPath, detail);
    }
    http::no_such_path(uri).await
}

/// The response to a known path with an unsupported method.
pub(super) async fn method_not_allowed(
    State(api): State<Arc<ApiState>>,
    path: Option<MatchedPath>,
    method: Method,
    uri: Uri,
) -> Problem {
    let is_of_image = path.is_some_and(|path| path.as_str() == "/images/{id}");
    if is_of_image && method == Method::DELETE && !api.settings.may_delete {
        let detail = "deleting is off: this server's operator turns it on with DARKROOM_ALLOW_DELETE=on";
        return Problem::new(ProblemKind::MethodNotAllowed, detail);
    }
    http::method_not_allowed(method, uri).await
}
