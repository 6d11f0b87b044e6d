//! Checks bearer tokens where the settings require them.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::config::ApiTokens;
use crate::http::{Problem, ProblemKind};

/// Answers 401 to requests without a valid token, except for the page and its files, the OpenAPI document and `/livez`.
pub(in crate::api) async fn require_token(
    State(tokens): State<Arc<ApiTokens>>,
    path: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    // A path without a route is answered with 404, with or without a token.
    let is_open = path.is_none_or(|path| is_open(path.as_str()));
    if is_open || tokens.is_empty() || bearer(request.headers()).is_some_and(|token| tokens.accepts(token)) {
        return next.run(request).await;
    }
    Problem::new(ProblemKind::Unauthorized, "send one of this server's tokens: Authorization: Bearer TOKEN")
        .into_response()
}

/// Whether a route is open to requests without a token.
fn is_open(route: &str) -> bool {
    ["/", "/openapi.json", "/livez"].contains(&route) || route.starts_with("/page/")
}

/// The token of the `Authorization` header, if there is exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_follows_its_scheme() {
        let of = |values: &[&str]| {
            let headers = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap())).collect();
            bearer(&headers).map(str::to_owned)
        };
        for (values, token) in [
            (&["Bearer abc"][..], Some("abc")),
            (&["bearer  abc"], Some("abc")),
            (&["Basic abc"], None),
            (&["Bearer"], None),
            (&["abc"], None),
            (&["Bearer abc", "Bearer abc"], None),
            (&[], None),
        ] {
            assert_eq!(of(values).as_deref(), token, "{values:?}");
        }
    }
}
