//! The OpenAPI document of this server. It omits what the settings disable.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::Value;

use super::{ApiSettings, ApiState, described_paths};
use crate::http::{Problem, ProblemKind};

const DOCUMENT: &str = include_str!("openapi.json");

/// `GET /openapi.json`
pub(super) async fn document(State(api): State<Arc<ApiState>>) -> Result<Json<Value>, Problem> {
    describe(&api.settings).map(Json).map_err(|error| {
        tracing::error!(%error, "the API's description is not JSON");
        Problem::new(ProblemKind::Internal, "the server's log says more")
    })
}

fn describe(settings: &ApiSettings) -> serde_json::Result<Value> {
    let mut document: Value = serde_json::from_str(DOCUMENT)?;
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    document["servers"][0]["url"] = format!("{}/", settings.base_path.as_str()).into();
    let served = described_paths(settings);
    if let Some(paths) = document["paths"].as_object_mut() {
        paths.retain(|path, _| served.contains(&&**path));
        if !settings.may_delete {
            paths["/images/{id}"].as_object_mut().map(|methods| methods.remove("delete"));
        }
    }
    if settings.requires_content_length {
        require_field(&mut document, "contentLength", "integer");
    }
    if settings.requires_checksum {
        require_field(&mut document, "checksumSha256", "string");
    }
    if settings.access.tokens.is_empty() {
        document["security"] = Value::Array(Vec::new());
        document["components"].as_object_mut().map(|components| components.remove("securitySchemes"));
        remove_answer(&mut document, "401", "Unauthorized");
    }
    if !settings.access.hosts.is_checked() {
        remove_answer(&mut document, "421", "Misdirected");
    }
    Ok(document)
}

/// Makes the body of an upload request and one of its fields required.
fn require_field(document: &mut Value, field: &str, json_type: &str) {
    document["paths"]["/images"]["post"]["requestBody"]["required"] = true.into();
    let request = &mut document["components"]["schemas"]["UploadRequest"];
    if !request["required"].is_array() {
        request["required"] = Value::Array(Vec::new());
    }
    if let Some(required) = request["required"].as_array_mut() {
        required.push(field.into());
    }
    request["properties"][field]["type"] = json_type.into();
}

/// Removes a response that this server never sends.
fn remove_answer(document: &mut Value, status: &str, name: &str) {
    document["components"]["responses"].as_object_mut().map(|responses| responses.remove(name));
    let paths = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in paths.filter_map(Value::as_object_mut).flat_map(|methods| methods.values_mut()) {
        operation["responses"].as_object_mut().map(|responses| responses.remove(status));
    }
}
