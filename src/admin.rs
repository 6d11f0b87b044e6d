//! The admin listener: liveness, readiness and metrics.

mod readiness;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::http::{self, HostRules};
use crate::metrics::ListenerName;

pub use readiness::{Latch, Readiness};

#[derive(Clone)]
struct Admin {
    readiness: Readiness,
    render_metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

/// Routes for operators. Do not serve them on a public address.
pub fn router(
    readiness: Readiness,
    hosts: HostRules,
    render_metrics: impl Fn() -> String + Send + Sync + 'static,
) -> Router {
    let routes = Router::new()
        .route("/livez", get(http::livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .fallback(http::no_such_path)
        .method_not_allowed_fallback(http::method_not_allowed)
        .with_state(Admin { readiness, render_metrics: Arc::new(render_metrics) });
    http::only_for_hosts(routes, hosts, ListenerName::Admin)
}

async fn readyz(State(admin): State<Admin>) -> impl IntoResponse {
    match &*admin.readiness.hindrances() {
        [] => (StatusCode::OK, "ready\n".to_owned()),
        hindrances => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", hindrances.join(", "))),
    }
}

async fn metrics(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, crate::metrics::CONTENT_TYPE)], (admin.render_metrics)())
}
