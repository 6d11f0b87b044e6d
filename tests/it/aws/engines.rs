//! The real binary on the engines of other projects: what each lacks, and what darkroom does then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request as BodyRequest;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use bytes::Bytes;
use darkroom::backends::aws::S3Store;
use darkroom::operate::sweep::{self, SweepOptions, SweepReport};
use darkroom::ports::objects::Fetched;
use darkroom::ports::{ErrorKind, ObjectStore as _, Queue as _};
use darkroom::record::{ImageId, SourceId, Status};
use futures_util::stream::{StreamExt as _, iter};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::account::{Account, ministack, variable};
use super::curl;
use super::deployment::{Deployment, Plan};
use super::operate::operator;
use crate::images;

/// Uploads by `POST /images`, and sends the event that the store does not send.
async fn upload(deployment: &Deployment, api: &str, photo: &[u8]) -> ImageId {
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let stated = json!({"contentType": "image/jpeg", "contentLength": photo.len()}).to_string();
    let answer = curl::send("POST", &format!("{api}/images"), &json, stated.as_bytes()).await;
    let answer: Value = serde_json::from_slice(&answer.body).unwrap();
    let headers = answer["uploadHeaders"].as_object().unwrap().iter();
    let headers: Vec<_> = headers.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
    let put = curl::send("PUT", answer["uploadUrl"].as_str().unwrap(), &headers, photo).await;
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
    let id = ImageId::parse(answer["id"].as_str().unwrap()).unwrap();
    deployment.queue.send(&deployment.event_of(id.as_str())).await.unwrap();
    id
}

/// The lines of `darkroom check --write` about the store: the first column, and `ok` or what the store lacks.
async fn capabilities(deployment: &Deployment) -> Vec<(String, String)> {
    let output = deployment.command(&["check", "--role", "images", "--write"], &[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let key = format!(" {}/thumbnails/darkroom-check-", deployment.bucket);
    let lines = table.lines().filter(|line| line.contains(&key));
    let lines = lines.map(|line| {
        let finding = line.split_once("  LACKS  ").map_or("ok", |(_, what)| what.split(':').next().unwrap());
        assert!(finding != "ok" || line.ends_with("  ok"), "{line}");
        (line.split(' ').next().unwrap().to_owned(), finding.to_owned())
    });
    lines.collect()
}

fn with_findings(condition: &str, checksums: &str, versions: &str) -> Vec<(String, String)> {
    let lines = [
        ("PUT", "ok"),
        ("If-None-Match", condition),
        ("x-amz-checksum-sha256", checksums),
        ("ListObjectVersions", versions),
        ("DELETE", "ok"),
    ];
    lines.map(|(probe, finding)| (probe.to_owned(), finding.to_owned())).to_vec()
}

/// One image from its upload to its deletion, and the sweep beside it.
async fn one_image(deployment: &Deployment) {
    let allowed = [("DARKROOM_ALLOW_DELETE", "on")];
    let (api, worker) = tokio::join!(deployment.start("api", &allowed), deployment.start("worker", &[]));
    let photo = images::jpeg(800, 600);
    let [id, kept] = [upload(deployment, &api.url(""), &photo).await, upload(deployment, &api.url(""), &photo).await];
    for id in [&id, &kept] {
        deployment.expect(id, Status::Published).await;
        let shown: Value = serde_json::from_slice(&curl::get(&api.url(&format!("/images/{id}"))).await.body).unwrap();
        for size in ["small", "medium", "large"] {
            let fetched = curl::get(shown["thumbnails"][size]["url"].as_str().unwrap()).await;
            assert_eq!(
                (fetched.status, shown["thumbnails"][size]["bytes"].as_u64()),
                (200, Some(fetched.body.len() as u64))
            );
        }
    }
    let deleted = curl::send("DELETE", &api.url(&format!("/images/{id}")), &[], b"").await;
    assert_eq!(deleted.status, 204, "{}", String::from_utf8_lossy(&deleted.body));
    let refused = upload(deployment, &api.url(""), b"a text").await;
    deployment.expect(&refused, Status::InvalidContentType).await;
    let options = SweepOptions { delete_originals_after: Some(Duration::from_hours(1)), ..SweepOptions::default() };
    for removed in [1, 0] {
        let mut report = SweepReport::default();
        sweep::sweep(&operator(deployment, Duration::from_hours(25)), options, &mut report).await.unwrap();
        assert_eq!(report.originals_removed, removed, "{report}");
    }
    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    let listed = store.list("", None).await.unwrap();
    assert!(listed.iter().all(|object| object.key.contains(kept.as_str())), "{listed:?}");
    assert_eq!(listed.len(), 4, "the original and three thumbnails of the other image: {listed:?}");
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    api.stop().await;
    worker.stop().await;
}

#[tokio::test]
#[ignore = "runs in make test-long"]
async fn seaweedfs_and_dynoxide_lack_nothing() {
    let (Some(endpoint), Some(s3)) = (ministack(), variable("DARKROOM_TEST_SEAWEEDFS")) else { return };
    let Some(dynamodb) = variable("DARKROOM_TEST_DYNOXIDE") else { return };
    for keeps_versions in [true, false] {
        let deployment = Deployment::on_engines(&endpoint, &s3, &dynamodb, keeps_versions).await;
        assert_eq!(capabilities(&deployment).await, with_findings("ok", "ok", "ok"));
        one_image(&deployment).await;
    }
}

#[tokio::test]
#[ignore = "runs in make test-long"]
async fn rclone_has_no_versions_and_neither_conditions_nor_checksums() {
    let (Some(endpoint), Some(s3)) = (ministack(), variable("DARKROOM_TEST_RCLONE")) else { return };
    let Some(dynamodb) = variable("DARKROOM_TEST_DYNOXIDE") else { return };
    let deployment = Deployment::on_engines(&endpoint, &s3, &dynamodb, false).await;
    let expected =
        with_findings("the store ignores If-None-Match", "the store ignores checksums", "versions cannot be listed");
    assert_eq!(capabilities(&deployment).await, expected);
    let worker = deployment.command(&["check", "--role", "worker"], &[]).output().await.unwrap();
    let table = String::from_utf8_lossy(&worker.stdout);
    assert_eq!(worker.status.code(), Some(0), "{table}");
    assert!(table.lines().any(|line| line.starts_with("notification ") && line.contains("  not checked  ")), "{table}");
    one_image(&deployment).await;
}

/// The listing of an object's versions leaves the object out if its key is the folder of a thousand others.
#[tokio::test]
#[ignore = "runs in make test-long"]
async fn what_seaweedfs_does_not_list_is_deleted_all_the_same() {
    let Some(s3) = variable("DARKROOM_TEST_SEAWEEDFS") else { return };
    let account = Account::at(&s3);
    let store = S3Store::new(account.clients.s3.clone(), account.bucket(true).await);
    let put = async |key: &str| store.put(key, Bytes::from(key.to_owned()), "image/png", "no-store").await.unwrap();
    let others: Vec<String> = (0..1005).map(|number| format!("a/{number:04}")).collect();
    iter(&others).for_each_concurrent(16, |key| async { put(key).await }).await;
    put("a").await;
    put("a").await;
    for _ in 0..2 {
        store.delete("a").await.unwrap();
        assert_eq!(store.head("a").await.unwrap_err().kind, ErrorKind::NotFound);
    }
    assert_eq!(store.list("a/", None).await.unwrap().len(), 1000);
    account.remove_all().await;
}

#[tokio::test]
async fn ministack_lacks_nothing() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    assert_eq!(capabilities(&deployment).await, with_findings("ok", "ok", "ok"));
    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    assert_eq!(store.list("", None).await.unwrap(), [], "the check removes its object");
}

/// A store without versions, conditions and checksums, which answers with 501 as S3's error `NotImplemented` does:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList>. It has one object at most.
#[derive(Default)]
struct RefusingStore {
    object: Option<Bytes>,
    /// Whether it refuses the checksum that the SDK adds, and the answer's status and error.
    refused_checksum: Option<(StatusCode, &'static str)>,
}

impl RefusingStore {
    fn answer(&mut self, request: &Request<Bytes>) -> (StatusCode, HeaderMap, Bytes) {
        let query = request.uri().query().unwrap_or_default();
        let has = |name: &str| request.headers().keys().any(|header| header.as_str().starts_with(name));
        let refuse = |status, error: &'static str| (status, HeaderMap::new(), Bytes::from_static(error.as_bytes()));
        let with_etag = HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"etag\""))]);
        let is_condition = has("if-match") || has("if-none-match");
        match (request.method(), &self.object) {
            _ if is_condition || ["versions", "versionId"].iter().any(|word| query.contains(word)) => {
                refuse(StatusCode::NOT_IMPLEMENTED, NOT_IMPLEMENTED)
            }
            (&Method::PUT, _) if has("x-amz-checksum") && self.refused_checksum.is_some() => {
                let (status, error) = self.refused_checksum.unwrap();
                refuse(status, error)
            }
            (&Method::PUT, _) => {
                self.object = Some(request.body().clone());
                (StatusCode::OK, with_etag, Bytes::new())
            }
            (&Method::DELETE, _) => {
                self.object = None;
                (StatusCode::NO_CONTENT, HeaderMap::new(), Bytes::new())
            }
            (_, Some(object)) => (StatusCode::OK, with_etag, object.clone()),
            (_, None) => refuse(StatusCode::NOT_FOUND, "<Error><Code>NoSuchKey</Code></Error>"),
        }
    }
}

const NOT_IMPLEMENTED: &str = "<Error><Code>NotImplemented</Code><Message>A header.</Message></Error>";

/// Starts the store; returns its address.
async fn refusing_store(refused_checksum: Option<(StatusCode, &'static str)>) -> S3Store {
    let state = Arc::new(Mutex::new(RefusingStore { refused_checksum, ..RefusingStore::default() }));
    let answer = move |request: BodyRequest| {
        let state = Arc::clone(&state);
        async move {
            let (head, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            state.lock().unwrap().answer(&Request::from_parts(head, body))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    S3Store::new(Account::at(&endpoint).clients.s3, "photos".to_owned())
}

#[tokio::test]
async fn in_a_store_that_refuses_versions_and_conditions_the_current_object_is_the_only_one() {
    let store = refusing_store(None).await;
    let put = async || store.put("key", "bytes".into(), "image/png", "no-store").await.unwrap();
    put().await;
    let Ok(Fetched::Whole(info, _)) = store.get("key", Some("1"), 100).await else { panic!() };
    assert_eq!(info.src, SourceId::new(None, "\"etag\""));
    store.delete_version("key", "\"another\"").await.unwrap();
    assert_eq!(store.head("key").await.unwrap().src, info.src, "what replaced it stays");
    store.delete_version("key", "\"etag\"").await.unwrap();
    assert_eq!(store.get("key", Some("1"), 100).await.unwrap_err().kind, ErrorKind::NotFound);
    put().await;
    store.delete("key").await.unwrap();
    assert_eq!(store.head("key").await.unwrap_err().kind, ErrorKind::NotFound);
}

/// The second answer is Backblaze B2's: <https://github.com/home-assistant/core/issues/143995>.
#[tokio::test]
async fn a_store_that_refuses_checksums_is_a_settings_error_with_the_variable_that_helps() {
    let b2 = "<Error><Code>InvalidArgument</Code>\
              <Message>Unsupported header 'x-amz-sdk-checksum-algorithm' received.</Message></Error>";
    for refused in [(StatusCode::NOT_IMPLEMENTED, NOT_IMPLEMENTED), (StatusCode::BAD_REQUEST, b2)] {
        let store = refusing_store(Some(refused)).await;
        let error = store.put("key", "bytes".into(), "image/png", "no-store").await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::Denied);
        let text = error.chain();
        assert!(text.ends_with("set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"), "{text}");
        assert!(text.contains("Unsupported header") || text.contains("A header."), "{text}");
    }
}
