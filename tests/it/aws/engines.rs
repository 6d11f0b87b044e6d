//! The real binary on engines that other projects wrote: which of them lacks what, and what darkroom does then.

use axum::Router;
use axum::http::{Method, StatusCode, Uri};
use darkroom::backends::aws::S3Store;
use darkroom::event;
use darkroom::event::{Doubts, ObjectCreated};
use darkroom::ports::{ObjectStore as _, Queue as _};
use darkroom::record::{ImageId, Status};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::account::{ministack, variable};
use super::curl;
use super::deployment::{Deployment, PREFIX};
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
    let created = ObjectCreated {
        bucket: deployment.bucket.clone(),
        key: format!("{PREFIX}{id}"),
        size: None,
        version_id: None,
        sequencer: None,
        at: None,
        is_forced: false,
        doubts: Doubts::default(),
    };
    deployment.queue.send(&event::notification(&created, "")).await.unwrap();
    id
}

/// The lines of `darkroom check --write` about what the store may lack: the first column and what follows.
async fn lacks(deployment: &Deployment) -> Vec<(String, String)> {
    let output = deployment.command(&["check", "--role", "images", "--write"], &[]).output().await.unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let table = String::from_utf8(output.stdout).unwrap();
    let lines = table.lines().filter_map(|line| line.split_once("  LACKS  "));
    lines.map(|(probe, what)| (probe.split(' ').next().unwrap().to_owned(), what.to_owned())).collect()
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
    let sweep = deployment.command(&["sweep"], &[("DARKROOM_DELETE_ORIGINALS_AFTER", "1h")]).output().await.unwrap();
    assert!(sweep.status.success(), "{sweep:?}");
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
        assert_eq!(lacks(&deployment).await, []);
        one_image(&deployment).await;
    }
}

#[tokio::test]
#[ignore = "runs in make test-long"]
async fn rclone_has_no_versions_and_neither_conditions_nor_checksums() {
    let (Some(endpoint), Some(s3)) = (ministack(), variable("DARKROOM_TEST_RCLONE")) else { return };
    let Some(dynamodb) = variable("DARKROOM_TEST_DYNOXIDE") else { return };
    let deployment = Deployment::on_engines(&endpoint, &s3, &dynamodb, false).await;
    let lacks = lacks(&deployment).await;
    let what: Vec<_> = lacks.iter().map(|(probe, what)| (&**probe, what.split(':').next().unwrap())).collect();
    let expected = [
        ("If-None-Match", "the store ignores If-None-Match"),
        ("x-amz-checksum-sha256", "the store ignores checksums"),
        ("ListObjectVersions", "versions cannot be listed"),
    ];
    assert_eq!(what, expected);
    one_image(&deployment).await;
}

#[tokio::test]
async fn ministack_lacks_nothing() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, super::deployment::Plan::default()).await;
    assert_eq!(lacks(&deployment).await, []);
    let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
    assert_eq!(store.list("", None).await.unwrap(), [], "the check removes its object");
}

/// A store that refuses what it does not implement with 501, as the error codes of S3 describe `NotImplemented`:
/// https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
async fn refusing_store() -> String {
    let answer = |method: Method, uri: Uri| async move {
        let error = "<Error><Code>NotImplemented</Code><Message>A header is not implemented.</Message></Error>";
        let listing = "<ListBucketResult><Name>photos</Name></ListBucketResult>";
        match method {
            Method::GET if uri.query().is_some_and(|query| query.contains("list-type")) => (StatusCode::OK, listing),
            _ => (StatusCode::NOT_IMPLEMENTED, error),
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    endpoint
}

#[tokio::test]
async fn a_store_that_refuses_checksums_is_a_settings_error_with_the_variable_that_helps() {
    let endpoint = refusing_store().await;
    let store = S3Store::new(super::account::Account::at(&endpoint).clients.s3, "photos".to_owned());
    let refused = store.put("key", "bytes".into(), "image/png", "no-store").await.unwrap_err();
    assert_eq!(refused.kind, darkroom::ports::ErrorKind::Denied);
    let text = refused.chain();
    assert!(text.ends_with("set AWS_REQUEST_CHECKSUM_CALCULATION=when_required"), "{text}");
    assert_eq!(store.list_versions("", None).await.unwrap().versions, []);
}
