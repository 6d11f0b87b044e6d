//! The API as Lambda runs it: the real binary, events of an HTTP API (payload 2.0), a small version of the runtime API.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Path as OfPath, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc};

/// How long a step may take before a test gives up: far longer than it takes on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The gateway's address, as in `event.json`.
const GATEWAY: &str = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com";

/// The runtime API: where the function gets events and sends its answers.
struct Runtime {
    events: Mutex<mpsc::Receiver<Value>>,
    answers: mpsc::Sender<(&'static str, Value)>,
}

/// `GET .../invocation/next` waits until there is an event, as Lambda does while it freezes the function.
async fn next(State(runtime): State<Arc<Runtime>>) -> impl IntoResponse {
    let event = runtime.events.lock().await.recv().await.expect("the test outlives its function");
    let headers = [
        ("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
        ("lambda-runtime-deadline-ms", "4102444800000"),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:eu-central-1:123456789012:function:darkroom-api"),
        ("lambda-runtime-trace-id", "Root=1-6921d2a5-2b1c4d5e6f7a8b9c0d1e2f3a;Sampled=0"),
    ];
    (headers, Json(event))
}

/// A running function, invoked by one caller at a time.
struct Function {
    process: Child,
    events: mpsc::Sender<Value>,
    answers: mpsc::Receiver<(&'static str, Value)>,
}

/// The answer that the gateway would send to the client.
struct Answer {
    status: u64,
    headers: Value,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Function {
    async fn start(dir: &Path) -> Self {
        let ((events, received), (sent, answers)) = (mpsc::channel(1), mpsc::channel(1));
        let runtime = Arc::new(Runtime { events: Mutex::new(received), answers: sent });
        let take = |outcome: &'static str| {
            post(move |State(runtime): State<Arc<Runtime>>, OfPath(_): OfPath<String>, body: Bytes| async move {
                let answer = serde_json::from_slice(&body).unwrap();
                runtime.answers.send((outcome, answer)).await.expect("the test outlives its function");
                StatusCode::ACCEPTED
            })
        };
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{request}/response", take("response"))
            .route("/2018-06-01/runtime/invocation/{request}/error", take("error"))
            .with_state(runtime);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async { axum::serve(listener, router).await });
        let process = Command::new(env!("CARGO_BIN_EXE_darkroom"))
            .arg("api")
            .env("AWS_LAMBDA_RUNTIME_API", address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "darkroom-api")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/darkroom/api")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]0")
            .env("DARKROOM_BACKEND", "local")
            .env("DARKROOM_DIR", dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { process, events, answers }
    }

    /// Sends an event, and decodes the function's answer as the gateway does.
    async fn invoke(&mut self, event: Value) -> Answer {
        self.events.send(event).await.unwrap();
        let (outcome, answer) = tokio::time::timeout(PATIENCE, self.answers.recv()).await.unwrap().unwrap();
        assert_eq!(outcome, "response", "{answer}");
        let body = answer["body"].as_str().unwrap_or_default();
        let body = if answer["isBase64Encoded"] == true {
            String::from_utf8(BASE64.decode(body.as_bytes()).unwrap()).unwrap()
        } else {
            body.to_owned()
        };
        Answer { status: answer["statusCode"].as_u64().unwrap(), headers: answer["headers"].clone(), body }
    }
}

/// The gateway's event for a request. As at the gateway, the path is decoded and the query is not.
fn request(method: &str, path: &str, query: &str) -> Value {
    let mut event: Value = serde_json::from_str(include_str!("lambda/event.json")).unwrap();
    event["rawPath"] = json!(path);
    event["rawQueryString"] = json!(query);
    event["requestContext"]["http"]["method"] = json!(method);
    event["requestContext"]["http"]["path"] = json!(path);
    event
}

fn with_header(mut event: Value, name: &str, value: &str) -> Value {
    event["headers"][name] = json!(value);
    event
}

#[tokio::test]
async fn on_lambda_the_api_answers_the_gateways_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::start(dir.path()).await;

    let mut event = with_header(request("POST", "/images", ""), "content-type", "application/json");
    event["body"] = json!(r#"{"contentType":"image/png","contentLength":1000}"#);
    let created = function.invoke(event).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let upload = created.json();
    assert!(upload["uploadUrl"].as_str().unwrap().starts_with(&format!("{GATEWAY}/")), "{upload}");
    assert_eq!(upload["uploadHeaders"]["content-type"], "image/png");

    // Lambda bills a wait by the millisecond, so the answer asks the client to retry instead.
    let path = format!("/images/{}", upload["id"].as_str().unwrap());
    let asked = Instant::now();
    let image = function.invoke(request("GET", &path, "wait=20s")).await;
    assert!(asked.elapsed() < Duration::from_secs(15), "it waited for {:?}", asked.elapsed());
    assert_eq!((image.status, &image.json()["status"]), (200, &json!("waiting_for_upload")));
    assert_eq!(image.headers["retry-after"], "1");
    let tag = image.headers["etag"].as_str().unwrap();
    let known = function.invoke(with_header(request("GET", &path, "wait=20s"), "if-none-match", tag)).await;
    assert_eq!((known.status, &*known.body, &known.headers["retry-after"]), (304, "", &json!("1")));
}

#[tokio::test]
async fn on_lambda_bodies_arrive_whole_however_the_gateway_packs_them() {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::start(dir.path()).await;
    let mut event = request("POST", "/images", "");
    event["body"] = json!(BASE64.encode(br#"{"contentType":"image/gif"}"#));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(function.invoke(event).await.status, 415, "the body was read");

    for (path, kind) in [("/", "text/html"), ("/page/page.js", "text/javascript"), ("/page/style.css", "text/css")] {
        let page = function.invoke(request("GET", path, "")).await;
        assert_eq!(page.status, 200, "{path}");
        assert!(page.headers["content-type"].as_str().unwrap().starts_with(kind), "{}", page.headers);
        assert!(page.body.len() > 500, "{path}: {}", page.body);
    }
}

/// The gateway decodes paths, so the function can receive an invalid path. It must not crash.
#[tokio::test]
async fn on_lambda_odd_requests_are_refused_and_the_function_lives_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::start(dir.path()).await;
    for (path, query, status) in [
        ("/images/a b", "", 400),
        ("/images/100%", "", 400),
        ("/images/ä\n", "", 400),
        ("/images/a?b#c", "", 404),
        ("/images/nobody", "", 404),
        ("/images", "key=uploads%2Fa+b%2Bc.jpg", 404),
        ("/images", "key=elsewhere", 404),
        ("/images", "", 400),
        ("/images/nobody", "wait=soon", 400),
        ("/nowhere", "", 404),
        ("", "", 200),
    ] {
        let answer = function.invoke(request("GET", path, query)).await;
        assert_eq!(answer.status, status, "{path:?}?{query}: {}", answer.body);
    }
    assert_eq!(function.invoke(request("GET", "/openapi.json", "")).await.json()["openapi"], "3.1.0");
}

#[tokio::test]
async fn on_lambda_it_ends_in_order_when_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let mut function = Function::start(dir.path()).await;
    assert_eq!(function.invoke(request("GET", "/", "")).await.status, 200);
    let pid = function.process.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    let ended = tokio::time::timeout(PATIENCE, function.process.wait()).await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0));
}
