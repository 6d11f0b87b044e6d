//! Compares `openapi.json` with the router and with real answers: each answer has a description and the reverse.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use darkroom::api::described_paths;
use darkroom::config::ApiTokens;
use darkroom::http::{HostRules, ProblemKind};
use darkroom::ports::ErrorKind;
use darkroom::record::{Reason, Status};
use serde_json::{Value, json};

use super::schema::mismatch;
use super::{Answer, Bench, get, request, settings, with};

const TOKEN: &str = "0123456789abcdef";

/// Adds the token to a request.
fn bearing(request: Request<Body>) -> Request<Body> {
    with(request, "authorization", &format!("Bearer {TOKEN}"))
}

/// An API with every feature enabled, and its description.
async fn described() -> (Bench, Value) {
    let bench = Bench::with(|settings| {
        settings.may_delete = true;
        settings.access.tokens = ApiTokens::parse(TOKEN).unwrap();
        settings.access.hosts = HostRules::new(None, &["images.example".to_owned()]);
    });
    let document = bench.get("/openapi.json").await.json();
    (bench, document)
}

/// Operations as `get /images/{id}`.
fn operations(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| methods.as_object().unwrap().keys().map(move |it| format!("{it} {path}")))
        .collect()
}

/// Panics unless the value matches the schema.
#[track_caller]
fn expect_valid(document: &Value, schema: &Value, value: &Value) {
    assert_eq!(mismatch(document, schema, value), None, "{value:#}");
}

#[tokio::test(start_paused = true)]
async fn the_description_has_the_routers_paths_and_methods() {
    let (bench, document) = described().await;
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let described: BTreeSet<&str> = document["paths"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(described, described_paths(&settings()).into_iter().collect());
    for (path, methods) in document["paths"].as_object().unwrap() {
        // No route accepts PATCH, so the router answers with the methods that the route accepts.
        let answer = bench.call(bearing(request("PATCH", &path.replace(['{', '}'], ""), ""))).await;
        answer.expect_problem(405, "method-not-allowed");
        let allowed = answer.header("allow").unwrap().to_lowercase();
        let allowed: BTreeSet<&str> = allowed.split(',').filter(|method| *method != "head").collect();
        let described: BTreeSet<&str> = methods.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(described, allowed, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_is_not_described() {
    let bench = Bench::with(|settings| settings.has_plain_uploads = false);
    let (_, all) = described().await;
    let off: BTreeSet<String> =
        operations(&all).difference(&operations(&bench.get("/openapi.json").await.json())).cloned().collect();
    assert_eq!(off, ["delete /images/{id}", "get /upload-url"].map(str::to_owned).into());
    let open = bench.get("/openapi.json").await;
    assert_eq!(open.json()["security"], json!([]));
    for name in ["401", "421", "securitySchemes", "Unauthorized", "Misdirected"] {
        assert!(all.to_string().contains(name) && !open.body.contains(name), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_required_length_is_described() {
    let (_, usual) = described().await;
    let strict = Bench::with(|settings| settings.requires_content_length = true);
    let strict = strict.get("/openapi.json").await.json();
    let schema = |document: &Value| document["components"]["schemas"]["UploadRequest"].clone();
    for (request, is_valid) in [
        (json!({}), [true, false]),
        (json!({ "contentLength": null }), [true, false]),
        (json!({ "contentLength": 0 }), [false, false]),
        (json!({ "contentLength": 1 }), [true, true]),
    ] {
        let found = [&usual, &strict].map(|document| mismatch(document, &schema(document), &request).is_none());
        assert_eq!(found, is_valid, "{request}");
    }
    let is_required =
        [&usual, &strict].map(|document| document["paths"]["/images"]["post"]["requestBody"]["required"] == true);
    assert_eq!(is_required, [false, true]);
}

#[tokio::test(start_paused = true)]
async fn the_description_knows_every_status_and_reason() {
    let (_, document) = described().await;
    let schemas = &document["components"]["schemas"];
    let shown = Status::ALL.into_iter().filter(|status| *status != Status::Deleted);
    assert_eq!(schemas["Status"]["enum"], shown.map(Status::as_str).collect::<Value>());
    assert_eq!(schemas["Reason"]["enum"], Reason::ALL.into_iter().map(Reason::as_str).collect::<Value>());
}

/// An operation, a request to it, and the error that the catalog returns.
type Call = (&'static str, Request<Body>, Option<ErrorKind>);

const DOWN: Option<ErrorKind> = Some(ErrorKind::Unavailable);
const FULL: Option<ErrorKind> = Some(ErrorKind::NoSpace);

fn calls(tag: &str) -> Vec<Call> {
    let never = || Body::from_stream(futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let stated = r#"{"contentType":"image/png","contentLength":1}"#;
    vec![
        ("post /images", request("POST", "/images", ""), None),
        ("post /images", request("POST", "/images", stated), None),
        ("post /images", request("POST", "/images", "nonsense"), None),
        ("post /images", request("POST", "/images", never()), None),
        ("post /images", request("POST", "/images", r#"{"contentLength":99999999}"#), None),
        ("post /images", request("POST", "/images", r#"{"contentType":"text/plain"}"#), None),
        ("post /images", request("POST", "/images", ""), DOWN),
        ("post /images", request("POST", "/images", ""), FULL),
        ("get /images", get("/images?key=uploads%2Fcat"), None),
        ("get /images", with(get("/images?key=uploads%2Fcat"), "if-none-match", tag), None),
        ("get /images", get("/images"), None),
        ("get /images", get("/images?key=uploads%2Fnone"), None),
        ("get /images", get("/images?key=uploads%2Fcat"), DOWN),
        ("get /images/{id}", get("/images/cat"), None),
        ("get /images/{id}", get("/images/dog"), None),
        ("get /images/{id}", get("/images/cow"), None),
        ("get /images/{id}", with(get("/images/cat"), "if-none-match", tag), None),
        ("get /images/{id}", get("/images/cat?wait=soon"), None),
        ("get /images/{id}", get("/images/cat?until=soon"), None),
        ("get /images/{id}", get("/images/none"), None),
        ("get /images/{id}", get("/images/cat"), DOWN),
        ("get /images/{id}/{size}", get("/images/cat/small"), None),
        ("get /images/{id}/{size}", get("/images/a.b/small"), None),
        ("get /images/{id}/{size}", get("/images/cat/none"), None),
        ("get /images/{id}/{size}", get("/images/cat/small"), DOWN),
        ("get /upload-url", get("/upload-url"), None),
        ("get /upload-url", get("/upload-url"), DOWN),
        ("get /upload-url", get("/upload-url"), FULL),
        ("get /openapi.json", get("/openapi.json"), None),
        ("get /livez", get("/livez"), None),
        ("delete /images/{id}", request("DELETE", "/images/a.b", ""), None),
        ("delete /images/{id}", request("DELETE", "/images/cat", ""), DOWN),
        ("delete /images/{id}", request("DELETE", "/images/cat", ""), FULL),
        ("delete /images/{id}", request("DELETE", "/images/cat", ""), None),
    ]
}

/// Requests that are refused regardless of the caller and the resource.
fn refused() -> Vec<Call> {
    let mut refused = Vec::new();
    for (operation, method, path) in [
        ("post /images", "POST", "/images"),
        ("get /images", "GET", "/images?key=uploads%2Fcat"),
        ("get /images/{id}", "GET", "/images/cat"),
        ("get /images/{id}/{size}", "GET", "/images/cat/small"),
        ("get /upload-url", "GET", "/upload-url"),
        ("get /openapi.json", "GET", "/openapi.json"),
        ("get /livez", "GET", "/livez"),
        ("delete /images/{id}", "DELETE", "/images/cat"),
    ] {
        refused.push((operation, request(method, path, ""), None));
        refused.push((operation, with(bearing(request(method, path, "")), "host", "evil.example"), None));
        if ["post /images", "get /upload-url", "delete /images/{id}"].contains(&operation) {
            refused.push((operation, with(bearing(request(method, path, "")), "origin", "null"), None));
        }
    }
    refused
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_as_described_and_every_description_is_answered() {
    let (bench, document) = described().await;
    bench.published("cat").await;
    bench.waiting_for_upload("dog");
    bench.waiting_for_upload("cow");
    bench.reject("cow", "01", Reason::Corrupt).await;
    let tag = bench.call(bearing(get("/images/cat"))).await.header("etag").unwrap().to_owned();

    let mut seen = BTreeSet::new();
    let calls = calls(&tag).into_iter().map(|(operation, request, failure)| (operation, bearing(request), failure));
    for (operation, request, failure) in calls.chain(refused()) {
        bench.records.fail_with(failure);
        let answer = bench.call(request).await;
        let (method, path) = operation.split_once(' ').unwrap();
        let responses = &document["paths"][path][method]["responses"];
        expect_described(&document, &responses[answer.status.to_string()], &answer, operation);
        seen.insert(format!("{operation} {}", answer.status));
    }

    let mut promised = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys();
            promised.extend(statuses.map(|status| format!("{method} {path} {status}")));
        }
    }
    assert_eq!(seen, promised);
}

/// Checks an answer's body and headers against its description.
fn expect_described(document: &Value, response: &Value, answer: &Answer, operation: &str) {
    let response = match response["$ref"].as_str() {
        Some(reference) => document.pointer(reference.trim_start_matches('#')).unwrap(),
        None => response,
    };
    assert!(response.is_object(), "{operation} answered {answer:?}, which is not described");
    let Some(contents) = response["content"].as_object() else {
        assert_eq!(answer.body, "", "{operation}");
        return;
    };
    let content_type = answer.header("content-type").unwrap().trim_end_matches("; charset=utf-8");
    let schema = &contents.get(content_type).unwrap_or_else(|| panic!("{operation}: {content_type}"))["schema"];
    let body = if content_type == "text/plain" { Value::from(&*answer.body) } else { answer.json() };
    expect_valid(document, schema, &body);
    for name in ["ETag", "WWW-Authenticate"] {
        assert!(response["headers"].get(name).is_none() || answer.header(name).is_some(), "{operation}: {name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_for_an_upload_is_described_as_it_is_read() {
    let (bench, document) = described().await;
    let schema = &document["paths"]["/images"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    for body in [json!({}), json!({"contentType": "image/jpeg", "contentLength": 5}), json!({"contentType": null})] {
        expect_valid(&document, schema, &body);
        assert_eq!(bench.call(bearing(request("POST", "/images", body.to_string()))).await.status, 201, "{body}");
    }
    for body in [json!({"contentLength": 0}), json!({"contentlength": 5}), json!({"contentType": 5})] {
        assert!(mismatch(&document, schema, &body).is_some(), "{body}");
        assert_eq!(bench.call(bearing(request("POST", "/images", body.to_string()))).await.status, 400, "{body}");
    }
}

/// Every problem that the API can return has the described shape.
#[tokio::test(start_paused = true)]
async fn every_type_of_problem_is_listed() {
    let (_, document) = described().await;
    let text = document["components"]["schemas"]["Problem"]["properties"]["type"]["description"].as_str().unwrap();
    let names: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    let (prefix, listed) = names.split_first().unwrap();
    let listed: Vec<String> = listed.iter().map(|name| format!("{prefix}{name}")).collect();
    assert_eq!(listed, ProblemKind::ALL.map(ProblemKind::uri));
}

#[tokio::test(start_paused = true)]
async fn problems_are_described() {
    let (_, document) = described().await;
    for kind in ProblemKind::ALL {
        let problem =
            json!({ "type": kind.uri(), "title": kind.title(), "status": kind.status().as_u16(), "detail": "" });
        expect_valid(&document, &json!({ "$ref": "#/components/schemas/Problem" }), &problem);
    }
}
