//! Small thumbnails are stored in their rows, without a file.

use axum::body::Body;
use axum::http::Request;
use darkroom::ports::ErrorKind;
use darkroom::ports::objects::Fetched;

use super::{IN_ROW_BYTES, LARGE, ONE_MINUTE, Place};

const KEY: &str = "thumbnails/cat/small.png";

fn database(place: &Place) -> rusqlite::Connection {
    rusqlite::Connection::open(place.dir.path().join("darkroom.db")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn up_to_the_limit_a_thumbnail_needs_no_file_and_is_read_as_any_other() {
    for (length, files) in [(0, 0), (1, 0), (IN_ROW_BYTES - 1, 0), (IN_ROW_BYTES, 0), (IN_ROW_BYTES + 1, 1)] {
        let place = Place::new();
        let bytes = &LARGE[..length];
        place.backend.put(KEY, bytes).await;
        // A file stays in `incoming` until its row is on the disk, with the next upload or verdict.
        assert_eq!((place.objects().len(), place.incoming().len()), (files, files), "{length}");
        assert_eq!(place.backend.get(KEY, None).await.unwrap(), bytes, "{length}");
        let objects = &place.backend.ports.thumbnails;
        assert_eq!(objects.head(KEY).await.unwrap().bytes, length as u64);
        assert_eq!(objects.list("thumbnails/", None).await.unwrap()[0].bytes, length as u64);
        let url = objects.sign_download(KEY, place.clock.now(), ONE_MINUTE).await.unwrap();
        let response = place.backend.fetch(Request::get(url).body(Body::empty()).unwrap()).await;
        assert_eq!(response.headers()["content-length"], length.to_string());
        assert_eq!(response.into_body(), bytes, "{length}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_a_file_however_small_it_is() {
    let place = Place::new();
    place.backend.put("uploads/cat", b"").await;
    assert_eq!(place.objects().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_bytes_counts_for_rows_too() {
    let place = Place::new();
    place.backend.put(KEY, b"picture").await;
    for (limit, fits) in [(6, false), (7, true), (8, true)] {
        let fetched = place.backend.ports.thumbnails.get(KEY, None, limit).await.unwrap();
        assert_eq!(matches!(fetched, Fetched::Whole(..)), fits, "{limit}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deleted_or_replaced_thumbnail_leaves_nothing() {
    let place = Place::new();
    place.backend.put(KEY, b"old").await;
    place.backend.put(KEY, b"new").await;
    assert_eq!(place.backend.get(KEY, None).await.unwrap(), "new");
    let count = |table| -> u32 {
        database(&place).query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
    };
    assert_eq!((count("objects"), count("garbage")), (1, 0));
    place.backend.ports.thumbnails.delete(KEY).await.unwrap();
    assert_eq!((count("objects"), count("garbage")), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_file_goes_when_another_or_a_row_replaces_it() {
    let place = Place::new();
    for (bytes, files) in [(&LARGE[..], 1), (&LARGE, 1), (b"small", 0), (&LARGE, 1)] {
        place.backend.put(KEY, bytes).await;
        assert_eq!(place.objects().len(), files);
        assert_eq!(place.backend.get(KEY, None).await.unwrap(), bytes);
    }
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_damaged_is_not_taken_for_the_thumbnail() {
    let place = Place::new();
    place.backend.put(KEY, b"picture").await;
    for damaged in ["pictur", "Picture", "pictures", ""] {
        database(&place).execute("UPDATE objects SET content = CAST(?1 AS BLOB)", [damaged]).unwrap();
        let read = place.backend.ports.thumbnails.get(KEY, None, 1000).await;
        assert_eq!(read.unwrap_err().kind, ErrorKind::Damaged, "{damaged:?}");
        let url = place.backend.ports.thumbnails.sign_download(KEY, place.clock.now(), ONE_MINUTE).await.unwrap();
        let response = place.backend.fetch(Request::get(url).body(Body::empty()).unwrap()).await;
        assert!(response.status().is_server_error(), "{damaged:?}: {response:?}");
    }
}
