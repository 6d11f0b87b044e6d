//! Space for uploads: a minimum of free space, and a maximum of stored bytes.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::http::{Request, Response};
use bytes::Bytes;
use darkroom::backends::local::{LocalBackend, UploadLimits};
use darkroom::config::LocalConfig;
use darkroom::ports::ErrorKind;
use darkroom::ports::objects::UploadOptions;
use futures_util::stream;

use super::{BUCKET, Backend, MAX_BYTES, ONE_MINUTE, Place};

/// More than any disk has.
const FLOOR: u64 = u64::MAX;

/// Another process on the same directory, with limits of its own.
fn limited(place: &Place, limit: impl FnOnce(&mut LocalConfig)) -> Backend {
    let mut config = LocalConfig { max_receives: 3, ..LocalConfig::new(place.dir.path().to_owned()) };
    limit(&mut config);
    let backend = LocalBackend::open(&config, BUCKET, "uploads/", BUCKET, place.clock.clone()).unwrap();
    Backend { ports: backend.ports(), router: backend.router(UploadLimits { max_bytes: MAX_BYTES, min_rate: 1 }) }
}

#[track_caller]
fn assert_no_space(response: &Response<Bytes>) {
    let problem: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!((response.status().as_u16(), problem["status"].as_u64()), (507, Some(507)), "{problem}");
    assert_eq!(response.headers()["content-type"], "application/problem+json");
}

#[tokio::test(start_paused = true)]
async fn below_the_floor_an_upload_is_refused_before_its_body_is_read() {
    let place = Place::new();
    let nearly_full = limited(&place, |config| config.min_free_space = Some(FLOOR));
    let url = place.backend.sign_upload("uploads/cat").await;
    let was_read = Arc::new(AtomicBool::new(false));
    let body = Body::from_stream(stream::once({
        let was_read = was_read.clone();
        async move {
            was_read.store(true, Ordering::Relaxed);
            Ok::<_, std::io::Error>(Bytes::from_static(b"picture"))
        }
    }));
    // A client that waits for `100 Continue`.
    let request = Request::put(&url).header("expect", "100-continue").body(body).unwrap();
    assert_no_space(&nearly_full.fetch(request).await);
    assert!(!was_read.load(Ordering::Relaxed));
    assert_eq!((place.objects(), place.incoming()), (Vec::<PathBuf>::new(), vec![]));
    let request = Request::put(url).body("picture".into()).unwrap();
    assert_eq!(place.backend.fetch(request).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn below_the_floor_no_upload_url_is_handed_out_and_work_goes_on() {
    let place = Place::new();
    let nearly_full = limited(&place, |config| config.min_free_space = Some(FLOOR));
    let options = UploadOptions { expires_in: ONE_MINUTE, ..UploadOptions::default() };
    let refused = nearly_full.ports.uploads.sign_upload("uploads/cat", &options).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NoSpace);
    place.backend.put("uploads/cat", b"picture").await;
    assert_eq!(nearly_full.events().await.len(), 1);
    nearly_full.put("thumbnails/cat/small.png", b"small").await;
    assert_eq!(nearly_full.get("thumbnails/cat/small.png", None).await.unwrap(), "small");
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_stored_up_to_the_most_bytes_and_not_one_beyond() {
    for (bytes, status) in [(499, 200), (500, 200), (501, 507)] {
        for is_stated in [true, false] {
            let place = Place::new();
            // The limit counts bytes from before the first start with a limit, and bytes that other processes store
            // later.
            place.backend.put("thumbnails/a", &[b'x'; 300]).await;
            let backend = limited(&place, |config| config.max_stored_bytes = Some(1000));
            place.backend.put("thumbnails/b", &[b'x'; 100]).await;
            place.backend.put("thumbnails/b", &[b'x'; 200]).await;
            let mut request = Request::put(backend.sign_upload("uploads/cat").await);
            let body = vec![b'x'; bytes];
            if is_stated {
                request = request.header("content-length", bytes);
            }
            let chunks = stream::iter(body.chunks(100).map(|it| Ok::<_, std::io::Error>(Bytes::copy_from_slice(it))));
            let chunks: Vec<_> = futures_util::StreamExt::collect(chunks).await;
            let request = request.body(Body::from_stream(stream::iter(chunks))).unwrap();
            let response = backend.fetch(request).await;
            assert_eq!(response.status(), status, "{bytes} bytes, stated: {is_stated}");
            let files = usize::from(status == 200);
            assert_eq!((place.objects().len(), place.incoming().len()), (files, 0));
            if status == 507 {
                assert_no_space(&response);
            }
        }
    }
}

/// Both uploads have passed the check when the first is stored.
#[tokio::test(start_paused = true)]
async fn the_most_bytes_are_held_where_uploads_are_stored() {
    for (bytes, fits) in [(499, true), (500, true), (501, false)] {
        let place = Place::new();
        let backend = limited(&place, |config| config.max_stored_bytes = Some(1000));
        backend.put("uploads/cat", &[b'x'; 500]).await;
        let put = backend.ports.uploads.put("uploads/dog", vec![b'x'; bytes].into(), "image/png", "no-store").await;
        assert_eq!(put.is_ok(), fits, "{bytes}");
        assert!(fits || put.unwrap_err().kind == ErrorKind::NoSpace);
        assert_eq!(
            (backend.events().await.len(), place.objects().len()),
            (1 + usize::from(fits), 1 + usize::from(fits))
        );
        // The limit doesn't apply to thumbnails of accepted uploads, and deletion frees space.
        backend.put("thumbnails/cat", &[b'x'; 600]).await;
        for key in ["uploads/cat", "uploads/dog", "thumbnails/cat"] {
            backend.ports.uploads.delete(key).await.unwrap();
        }
        backend.put("uploads/cow", &[b'x'; 1000]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_most_bytes_no_upload_url_is_handed_out() {
    let place = Place::new();
    let backend = limited(&place, |config| config.max_stored_bytes = Some(1000));
    for (bytes, is_handed_out) in [(999, true), (1000, true), (1001, false)] {
        backend.ports.thumbnails.put("thumbnails/t", vec![b'x'; bytes].into(), "image/png", "no-store").await.unwrap();
        let signed = backend.ports.uploads.sign_upload("uploads/cat", &UploadOptions::default()).await;
        assert_eq!(signed.is_ok(), is_handed_out, "{bytes}");
    }
    let options = UploadOptions { content_length: Some(1), ..UploadOptions::default() };
    backend.ports.thumbnails.put("thumbnails/t", vec![b'x'; 1000].into(), "image/png", "no-store").await.unwrap();
    assert_eq!(backend.ports.uploads.sign_upload("uploads/cat", &options).await.unwrap_err().kind, ErrorKind::NoSpace);
}
