//! Problem answers: every part of darkroom uses the same fields and headers.

use std::collections::HashSet;

use darkroom::ports::objects::UploadOptions;
use serde_json::Value;

use super::{Answer, MAX_BYTES, ONE_MINUTE, Server, THUMBNAIL};

/// Asserts that an answer is a problem of that type, with the headers that every problem has.
#[track_caller]
fn expect_problem(answer: &Answer, status: u16, slug: &str) {
    let problem: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    assert_eq!((answer.status, &problem["status"]), (status, &status.into()), "{problem}");
    assert_eq!(problem["type"], format!("urn:darkroom:problem:{slug}"), "{problem}");
    assert!(["title", "detail"].iter().all(|it| problem[it].as_str().is_some_and(|text| !text.is_empty())));
    let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap());
    assert_eq!(header("content-type"), Some("application/problem+json"), "{problem}");
    assert_eq!(header("cache-control"), Some("no-store"), "{problem}");
    assert_eq!(header("x-content-type-options"), Some("nosniff"), "{problem}");
    assert_eq!(header("retry-after"), (status == 503).then_some("5"), "{problem}");
    assert_eq!(header("allow").is_some(), status == 405, "{problem}");
}

#[tokio::test(start_paused = true)]
async fn every_refusal_has_a_type_and_the_same_headers() {
    let server = Server::start().await;
    let upload = server.sign_upload(UploadOptions::default()).await;
    let typed = UploadOptions { content_type: Some("image/png".to_owned()), ..UploadOptions::default() };
    let typed = server.sign_upload(typed).await;
    let sized = server.sign_upload(UploadOptions { content_length: Some(7), ..UploadOptions::default() }).await;
    let sum = "gHc6lDZ6b5sHmNzpUQCqjIcz3Jtk0GZ4tGEHlDf9EM8=".to_owned();
    let summed = UploadOptions { checksum_sha256: Some(sum.clone()), ..UploadOptions::default() };
    let summed = server.sign_upload(summed).await;
    let none = server.sign_download("thumbnails/none").await;
    let forged = format!("{none}00");
    let other_bucket = none.replace("/objects/thumbnails/", "/objects/other/");
    let image = server.new_image().await;
    let large = |bytes: u64| "x".repeat(usize::try_from(bytes).unwrap());
    assert_eq!(server.call("PUT", &upload, &[], "picture").await.status, 200);
    let once = [("if-none-match", "*")];
    let wrong_type = [("content-type", "image/jpeg")];
    let (checksum, other) = ([("x-amz-checksum-sha256", &*sum)], [("x-amz-checksum-sha256", "abc")]);
    let wrong_length = [("content-length", "8")];
    for (method, url, headers, body, status, slug) in [
        ("GET", "/images/none", &[][..], String::new(), 404, "unknown-image"),
        ("GET", "/nothing", &[], String::new(), 404, "no-such-path"),
        ("GET", &none, &[], String::new(), 404, "no-such-object"),
        ("GET", "/thumbnails/none", &[], String::new(), 404, "no-such-object"),
        ("GET", "/thumbnails/%ff", &[], String::new(), 404, "no-such-object"),
        ("DELETE", &image, &[], String::new(), 405, "method-not-allowed"),
        ("DELETE", &none, &[], String::new(), 405, "method-not-allowed"),
        ("DELETE", "/thumbnails/cat", &[], String::new(), 405, "method-not-allowed"),
        ("POST", "/images", &[], large(16 * 1024 + 1), 413, "body-too-large"),
        ("POST", "/images", &[], "{\"contentLength\":1000001}".to_owned(), 413, "upload-too-large"),
        ("PUT", &upload, &[], large(MAX_BYTES + 1), 413, "upload-too-large"),
        ("PUT", &upload, &once, "picture".to_owned(), 412, "already-uploaded"),
        ("PUT", &none, &[], String::new(), 403, "invalid-signature"),
        ("GET", &forged, &[], String::new(), 403, "invalid-signature"),
        ("GET", &other_bucket, &[], String::new(), 403, "invalid-signature"),
        ("PUT", &typed, &wrong_type, "picture".to_owned(), 403, "signed-header-mismatch"),
        ("PUT", &sized, &wrong_length, "pictures".to_owned(), 403, "signed-header-mismatch"),
        ("PUT", &summed, &[], "picture".to_owned(), 403, "signed-header-mismatch"),
        ("PUT", &summed, &other, "picture".to_owned(), 403, "signed-header-mismatch"),
        ("PUT", &summed, &checksum, "picture".to_owned(), 400, "checksum-mismatch"),
        ("PUT", &upload, &other, "picture".to_owned(), 400, "checksum-mismatch"),
    ] {
        expect_problem(&server.call(method, url, headers, body).await, status, slug);
    }
    tokio::time::sleep(ONE_MINUTE).await;
    expect_problem(&server.call("PUT", &upload, &[], "picture").await, 403, "url-expired");
}

/// With damaged bytes or a missing data directory, the answer asks the client to retry later.
#[tokio::test(start_paused = true)]
async fn an_outage_says_when_to_try_again() {
    let server = Server::start().await;
    let image = server.new_image().await;
    let upload = server.sign_upload(UploadOptions::default()).await;
    let database = rusqlite::Connection::open(server.dir.path().join("darkroom.db")).unwrap();
    database.execute("UPDATE objects SET content = CAST('Picture' AS BLOB)", []).unwrap();
    for url in [server.sign_download(THUMBNAIL).await, format!("/{THUMBNAIL}")] {
        expect_problem(&server.call("GET", &url, &[], "").await, 503, "unavailable");
    }
    std::fs::remove_dir_all(server.dir.path()).unwrap();
    for (method, url) in [("GET", image), ("PUT", upload)] {
        expect_problem(&server.call(method, &url, &[], "picture").await, 503, "unavailable");
    }
}

/// A page of an allowed origin can read the answers of every part.
#[tokio::test(start_paused = true)]
async fn cors_headers_are_on_every_answer() {
    let server = Server::start().await;
    let origin = [("origin", "https://shop.example")];
    let mut exposed = HashSet::new();
    for url in ["/images/none".to_owned(), server.sign_download("thumbnails/none").await, "/thumbnails/none".to_owned()]
    {
        let answer = server.call("GET", &url, &origin, "").await;
        assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example", "{url}");
        exposed.insert(answer.headers["access-control-expose-headers"].clone());
    }
    assert_eq!(exposed.len(), 1);
}
