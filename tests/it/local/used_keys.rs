//! A used upload address does not work again after its object was deleted.

use std::time::Duration;

use axum::http::Request;
use bytes::Bytes;
use darkroom::ports::objects::UploadOptions;

use super::{Backend, Place};

const HOUR: Duration = Duration::from_hours(1);

async fn signed(backend: &Backend, is_single_use: bool) -> String {
    let options = UploadOptions { is_single_use, expires_in: HOUR, ..UploadOptions::default() };
    backend.ports.uploads.sign_upload("uploads/cat", &options).await.unwrap().url
}

async fn upload(backend: &Backend, url: &str) -> u16 {
    backend.fetch(Request::put(url).body("picture".into()).unwrap()).await.status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn after_the_deletion_the_same_address_does_not_upload_again() {
    let place = Place::new();
    let [first, unused] = [signed(&place.backend, true).await, signed(&place.backend, true).await];
    assert_eq!(upload(&place.backend, &first).await, 200);
    place.backend.ports.uploads.delete("uploads/cat").await.unwrap();
    // Nor does an unused address of the same key, in this process and in another one.
    for backend in [&place.backend, &place.open_again()] {
        for url in [&first, &unused] {
            assert_eq!(upload(backend, url).await, 412);
        }
    }
    tokio::time::sleep(HOUR - Duration::from_secs(1)).await;
    assert_eq!(upload(&place.open_again(), &first).await, 412, "until it expires");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(upload(&place.backend, &first).await, 403, "and then it has expired");
    assert_eq!(place.objects().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_on_its_way_at_the_deletion_is_not_stored() {
    let place = Place::new();
    let url = signed(&place.backend, true).await;
    let uploads = place.backend.ports.uploads.clone();
    let body = futures_util::stream::once(async move {
        uploads.delete("uploads/cat").await.unwrap();
        Ok::<_, std::io::Error>(Bytes::from_static(b"picture"))
    });
    let request = Request::put(url).body(axum::body::Body::from_stream(body)).unwrap();
    assert_eq!(place.backend.fetch(request).await.status(), 412);
    assert_eq!((place.objects().len(), place.incoming().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_address_whose_image_was_deleted_before_the_upload_does_not_work_either() {
    let place = Place::new();
    let url = signed(&place.backend, true).await;
    place.backend.ports.uploads.delete("uploads/cat").await.unwrap();
    assert_eq!(upload(&place.backend, &url).await, 412);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_deleted_by_itself_is_not_uploaded_again() {
    let place = Place::new();
    let url = signed(&place.backend, true).await;
    assert_eq!(upload(&place.backend, &url).await, 200);
    let page = place.backend.ports.uploads.list_versions("uploads/", None).await.unwrap();
    place.backend.ports.uploads.delete_version("uploads/cat", &page.versions[0].id).await.unwrap();
    assert_eq!(upload(&place.backend, &url).await, 412);
}

#[tokio::test(start_paused = true)]
async fn an_address_that_works_until_it_expires_still_does() {
    let place = Place::new();
    let url = signed(&place.backend, false).await;
    for _ in 0..2 {
        assert_eq!(upload(&place.backend, &url).await, 200);
        place.backend.ports.uploads.delete("uploads/cat").await.unwrap();
    }
    // Only signed uploads are restricted: a put through the port succeeds.
    place.backend.ports.uploads.put("uploads/cat", Bytes::from_static(b"x"), "image/png", "no-store").await.unwrap();
    assert_eq!(place.backend.get("uploads/cat", None).await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_once_every_address_of_them_has_expired() {
    let place = Place::new();
    for key in ["uploads/a", "uploads/b", "thumbnails/c"] {
        place.backend.ports.uploads.delete(key).await.unwrap();
    }
    let count = || -> u32 {
        let database = rusqlite::Connection::open(place.dir.path().join("darkroom.db")).unwrap();
        database.query_row("SELECT count(*) FROM used_keys", [], |row| row.get(0)).unwrap()
    };
    assert_eq!(count(), 2);
    for (seconds, left) in [(3599, 3), (1, 1)] {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        place.backend.ports.uploads.delete("uploads/d").await.unwrap();
        assert_eq!(count(), left);
    }
}
