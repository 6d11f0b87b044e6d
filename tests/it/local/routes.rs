//! The routes of signed addresses: refusals and answers.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, Response};
use bytes::Bytes;
use darkroom::ports::objects::UploadOptions;
use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::{MAX_BYTES, ONE_MINUTE, Place};

fn put(url: &str, body: impl Into<Body>) -> Request<Body> {
    Request::put(url).body(body.into()).unwrap()
}

#[track_caller]
fn assert_problem(response: &Response<Bytes>, status: u16, detail: &str) {
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(response.status(), status, "{problem}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn an_upload_answers_with_its_etag_and_is_announced() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    let response = place.backend.fetch(put(&url, "picture")).await;
    assert_eq!(response.status(), 200);
    let etag = response.headers()["etag"].to_str().unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2, "{etag}");
    assert_eq!(place.backend.events().await.len(), 1);
    assert_eq!(place.incoming(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_was_changed_is_refused() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    let (before, signature) = url.split_once("&signature=").unwrap();
    let changed = [
        url.replace("uploads/cat", "uploads/dog"),
        url.replace("/photos/", "/other/"),
        url.replace("expires=", "expires=9"),
        format!("{before}&single-use=1&signature={signature}"),
        format!("{before}&signature={}", signature.to_uppercase()),
        format!("{before}&signature={}", &signature[2..]),
        format!("{before}&signature="),
        format!("{url}00"),
        before.to_owned(),
        "/objects/photos/uploads/cat".to_owned(),
        "/objects/photos/uploads/cat?".to_owned(),
        "/objects/photos/%ff?expires=1&signature=00".to_owned(),
    ];
    for url in changed {
        assert_problem(&place.backend.fetch(put(&url, "picture")).await, 403, "signature");
    }
    assert_eq!(place.objects(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test(start_paused = true)]
async fn an_address_that_has_expired_says_so() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    tokio::time::sleep(ONE_MINUTE).await;
    assert_problem(&place.backend.fetch(put(&url, "picture")).await, 403, "expired");
}

#[tokio::test(start_paused = true)]
async fn an_address_is_for_one_method() {
    let place = Place::new();
    place.backend.put("uploads/cat", b"picture").await;
    let objects = &place.backend.ports.uploads;
    let upload = place.backend.sign_upload("uploads/cat").await;
    let download = objects.sign_download("uploads/cat", place.clock.now(), ONE_MINUTE).await.unwrap();
    let request = |method, url: &str| Request::builder().method(method).uri(url).body(Body::empty()).unwrap();
    assert_problem(&place.backend.fetch(request(Method::GET, &upload)).await, 403, "method");
    assert_problem(&place.backend.fetch(request(Method::PUT, &download)).await, 403, "method");
    assert_problem(&place.backend.fetch(request(Method::DELETE, &download)).await, 405, "GET, HEAD and PUT");
}

#[tokio::test(start_paused = true)]
async fn a_body_of_the_limit_is_stored_and_one_byte_more_is_not() {
    let place = Place::new();
    for (bytes, status) in [(MAX_BYTES - 1, 200), (MAX_BYTES, 200), (MAX_BYTES + 1, 413), (100 * MAX_BYTES, 413)] {
        for is_stated in [true, false] {
            let url = place.backend.sign_upload(&format!("uploads/{bytes}-{is_stated}")).await;
            let body = vec![0; usize::try_from(bytes).unwrap()];
            let mut request = put(&url, body);
            if is_stated {
                request.headers_mut().insert("content-length", bytes.into());
            }
            assert_eq!(place.backend.fetch(request).await.status(), status, "{bytes} bytes, stated: {is_stated}");
        }
    }
    assert_eq!((place.objects().len(), place.incoming().len()), (4, 0));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_breaks_off_leaves_nothing_behind() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    let chunks = stream::iter([Ok(Bytes::from_static(b"pic")), Err(std::io::Error::other("connection lost"))]);
    assert_problem(&place.backend.fetch(put(&url, Body::from_stream(chunks))).await, 400, "connection lost");
    // A client that disconnects before the end.
    let endless = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"pic"))]).chain(stream::pending());
    let upload = place.backend.fetch(put(&url, Body::from_stream(endless)));
    assert!(tokio::time::timeout(Duration::from_secs(5), upload).await.is_err());
    assert_eq!((place.objects().len(), place.incoming().len()), (0, 0));
    assert_eq!(place.backend.events().await, []);
}

#[tokio::test(start_paused = true)]
async fn an_upload_below_the_least_rate_is_given_up() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    let stalled = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"pic"))]).chain(stream::pending());
    assert_problem(&place.backend.fetch(put(&url, Body::from_stream(stalled))).await, 408, "10 bytes per second");
    assert_problem(&place.backend.fetch(put(&url, crawling(9, 30))).await, 408, "averaged over 10 s");
    assert_eq!(place.incoming().len(), 0);
    assert_eq!(place.backend.fetch(put(&url, crawling(10, 30))).await.status(), 200);
}

/// A body that brings `bytes` every second, `count` times.
fn crawling(bytes: usize, count: usize) -> Body {
    Body::from_stream(stream::iter(0..count).then(move |_| async move {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, std::io::Error>(vec![0; bytes])
    }))
}

#[tokio::test(start_paused = true)]
async fn an_upload_ends_a_minute_after_its_address_expired() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    tokio::time::sleep(ONE_MINUTE - Duration::from_secs(1)).await;
    let start = Instant::now();
    assert_problem(&place.backend.fetch(put(&url, crawling(10, 99))).await, 403, "expired");
    assert_eq!(start.elapsed().as_secs(), 61);
    assert_eq!((place.objects().len(), place.incoming().len()), (0, 0));

    let url = place.backend.sign_upload("uploads/cat").await;
    tokio::time::sleep(ONE_MINUTE - Duration::from_secs(1)).await;
    assert_eq!(
        place.backend.fetch(put(&url, crawling(10, 60))).await.status(),
        200,
        "it began in time and ended in time"
    );
}

/// Otherwise an unsigned address would hold a connection for as long as its client likes.
#[tokio::test(start_paused = true)]
async fn the_body_of_a_refused_upload_keeps_the_least_rate_too() {
    let place = Place::new();
    for (bytes, seconds) in [(9, 10), (10, 30)] {
        let start = Instant::now();
        let refused = place.backend.fetch(put("/objects/photos/uploads/cat?signature=00", crawling(bytes, 99))).await;
        assert_problem(&refused, 403, "signature");
        assert_eq!(start.elapsed().as_secs(), seconds, "{bytes} bytes a second");
    }
}

#[tokio::test(start_paused = true)]
async fn if_none_match_makes_any_upload_work_once() {
    let place = Place::new();
    let url = place.backend.sign_upload("uploads/cat").await;
    let once = || Request::put(&url).header("if-none-match", "*").body("picture".into()).unwrap();
    assert_eq!(place.backend.fetch(once()).await.status(), 200);
    assert_problem(&place.backend.fetch(once()).await, 412, "there already");
    assert_eq!(place.backend.fetch(put(&url, "picture")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn nothing_that_is_served_can_run_as_a_script() {
    let place = Place::new();
    for (content_type, served_as) in [
        ("image/jpeg", "image/jpeg"),
        ("image/jpg", "image/jpeg"),
        ("image/png", "image/png"),
        ("image/svg+xml", "application/octet-stream"),
        ("text/html", "application/octet-stream"),
        ("image/png; charset=utf-8", "application/octet-stream"),
    ] {
        let objects = &place.backend.ports.uploads;
        objects.put("thumbnails/t", Bytes::from_static(b"<script>"), content_type, "public, max-age=9").await.unwrap();
        let url = objects.sign_download("thumbnails/t", place.clock.now(), ONE_MINUTE).await.unwrap();
        let response = place.backend.fetch(Request::get(&url).body(Body::empty()).unwrap()).await;
        let headers = response.headers();
        assert_eq!((response.status().as_u16(), &headers["content-type"]), (200, &served_as.parse().unwrap()));
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["content-security-policy"], "sandbox; default-src 'none'");
        assert_eq!(headers.contains_key("content-disposition"), served_as == "application/octet-stream");
    }
}

/// This holds for any stored header, because the address is secret and expires.
#[tokio::test(start_paused = true)]
async fn what_is_served_may_be_kept_by_the_client_alone_while_its_address_works() {
    let place = Place::new();
    let objects = &place.backend.ports.uploads;
    objects.put("thumbnails/t", Bytes::from_static(b"picture"), "image/png", "public, max-age=9").await.unwrap();
    let url = objects.sign_download("thumbnails/t", place.clock.now(), ONE_MINUTE).await.unwrap();
    for (wait, left, known) in [(0, 60, "no"), (1, 59, "*"), (58, 1, "no")] {
        tokio::time::sleep(Duration::from_secs(wait)).await;
        let get = Request::get(&url).header("if-none-match", known).body(Body::empty()).unwrap();
        let response = place.backend.fetch(get).await;
        assert_eq!(response.status(), if known == "*" { 304 } else { 200 });
        assert_eq!(response.headers()["cache-control"], format!("private, max-age={left}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_download_is_not_sent_again_to_whoever_has_it() {
    let place = Place::new();
    let body = vec![7; 700_000];
    let objects = &place.backend.ports.uploads;
    objects.put("thumbnails/t", body.clone().into(), "image/png", "no-cache").await.unwrap();
    let url = objects.sign_download("thumbnails/t", place.clock.now(), ONE_MINUTE).await.unwrap();
    let get = |method, known: &str| {
        Request::builder().method(method).uri(&url).header("if-none-match", known).body(Body::empty()).unwrap()
    };
    let first = place.backend.fetch(get(Method::GET, "\"another\"")).await;
    assert_eq!((first.status().as_u16(), first.body().len()), (200, body.len()));
    let etag = first.headers()["etag"].to_str().unwrap();
    for known in [etag.to_owned(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let again = place.backend.fetch(get(Method::GET, &known)).await;
        assert_eq!((again.status().as_u16(), again.body().len()), (304, 0), "{known}");
    }
    let head = place.backend.fetch(get(Method::HEAD, "")).await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    assert_eq!(head.headers()["content-length"], "700000");
}

#[tokio::test(start_paused = true)]
async fn a_signed_address_of_nothing_is_not_found() {
    let place = Place::new();
    let url = place.backend.ports.uploads.sign_download("uploads/none", place.clock.now(), ONE_MINUTE).await.unwrap();
    assert_problem(&place.backend.fetch(Request::get(&url).body(Body::empty()).unwrap()).await, 404, "no such object");
}

#[tokio::test(start_paused = true)]
async fn a_form_is_refused_and_told_to_send_the_bytes() {
    let place = Place::new();
    let typed = UploadOptions {
        content_type: Some("image/jpeg".to_owned()),
        expires_in: ONE_MINUTE,
        ..UploadOptions::default()
    };
    let typed = place.backend.ports.uploads.sign_upload("uploads/dog", &typed).await.unwrap().url;
    for (url, content_type, status) in [
        (place.backend.sign_upload("uploads/cat").await, "multipart/form-data; boundary=x", 415),
        (place.backend.sign_upload("uploads/cat").await, "Multipart/Form-Data ;boundary=x", 415),
        (typed, "multipart/form-data; boundary=x", 415),
        (place.backend.sign_upload("uploads/cat").await, "application/x-www-form-urlencoded", 200),
        (place.backend.sign_upload("uploads/cat").await, "multipart/form-data-like", 200),
    ] {
        let mut request = put(&url, "picture");
        request.headers_mut().insert("content-type", content_type.parse().unwrap());
        let response = place.backend.fetch(request).await;
        match status {
            415 => assert_problem(&response, 415, "send the bytes"),
            status => assert_eq!(response.status(), status, "{content_type}"),
        }
    }
    assert_eq!(place.objects().len(), 2, "a form is not stored");
}

/// A client takes 404 for an answer about its request, and does not try again.
#[tokio::test(start_paused = true)]
async fn an_upload_into_a_missing_directory_may_be_tried_again() {
    for is_single_use in [false, true] {
        let place = Place::new();
        let terms = UploadOptions { expires_in: ONE_MINUTE, is_single_use, ..UploadOptions::default() };
        let url = place.backend.ports.uploads.sign_upload("uploads/cat", &terms).await.unwrap().url;
        std::fs::remove_dir_all(place.dir.path().join("incoming")).unwrap();
        assert_problem(&place.backend.fetch(put(&url, "picture")).await, 503, "try again");
    }
}

/// A client that waits for `100 Continue` need not send a body that cannot be stored.
#[tokio::test(start_paused = true)]
async fn where_earlier_uploads_cannot_be_read_no_body_is_read() {
    for (is_single_use, table) in [(true, "used_keys"), (false, "objects")] {
        let place = Place::new();
        let terms = UploadOptions { expires_in: ONE_MINUTE, is_single_use, ..UploadOptions::default() };
        let url = place.backend.ports.uploads.sign_upload("uploads/cat", &terms).await.unwrap().url;
        let database = rusqlite::Connection::open(place.dir.path().join("darkroom.db")).unwrap();
        database.execute_batch(&format!("ALTER TABLE {table} RENAME TO away")).unwrap();
        let body = stream::once(async { panic!("the body was read") as std::io::Result<Bytes> });
        let mut request = put(&url, Body::from_stream(body));
        request.headers_mut().insert("expect", "100-continue".parse().unwrap());
        request.headers_mut().insert("if-none-match", "*".parse().unwrap());
        assert_problem(&place.backend.fetch(request).await, 503, "try again");
    }
}
