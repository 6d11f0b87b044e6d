//! The contract of `ObjectStore`: versions, limits, listings, and signed addresses.

pub(super) mod versions;

use std::time::Duration;

use axum::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use darkroom::clock::Timestamp;
use darkroom::ports::objects::{Fetched, ObjectInfo, ObjectStore, SignedUpload, UploadOptions};
use darkroom::ports::{ErrorKind, PortError};
use futures_util::stream::{StreamExt, iter};
use sha2::{Digest as _, Sha256};

use super::{Fixture, Versions};
pub(crate) use versions::{
    a_listing_of_versions_goes_on_where_it_ended, an_object_without_versions_has_one,
    versions_are_listed_from_new_to_old_and_deleted_one_by_one,
};

/// Calls `$each!` with the port's name and all cases.
macro_rules! for_each_objects_case {
    ($each:ident) => {
        $each! { objects:
            what_was_put_is_read,
            a_put_replaces_what_stood_there,
            each_version_is_read_by_its_own_name,
            what_is_missing_is_not_found,
            a_version_is_gone_once_it_is_deleted,
            an_object_of_the_limit_is_read_and_one_byte_more_is_not,
            an_empty_object_is_an_object,
            keys_may_hold_any_character,
            keys_are_no_paths,
            a_listing_is_in_the_order_of_keys,
            a_listing_goes_on_after_a_key,
            a_listing_has_at_most_a_thousand_objects,
            delete_may_be_repeated_and_takes_every_version,
            a_plain_upload_takes_any_content_type_and_works_again,
            a_signed_upload_expires,
            a_signed_upload_refuses_another_content_type,
            a_signed_upload_refuses_another_length,
            a_signed_upload_refuses_bytes_of_another_checksum,
            a_single_use_upload_works_once,
            a_signed_upload_is_for_its_key_and_method_alone,
            a_signed_download_works_until_it_expires,
            a_signed_download_is_the_same_for_the_same_arguments,
            versions_are_listed_from_new_to_old_and_deleted_one_by_one,
            an_object_without_versions_has_one,
            a_listing_of_versions_goes_on_where_it_ended,
        }
    };
}
pub(crate) use for_each_objects_case;

pub(super) const LIMIT: u64 = 1 << 20;
pub(super) const ONE_SECOND: Duration = Duration::from_secs(1);

pub(super) async fn put(store: &dyn ObjectStore, key: &str, bytes: &'static [u8]) {
    store.put(key, Bytes::from_static(bytes), "image/png", "no-store").await.unwrap();
}

pub(super) async fn get(store: &dyn ObjectStore, key: &str, version: Option<&str>) -> (ObjectInfo, Bytes) {
    match store.get(key, version, LIMIT).await.unwrap() {
        Fetched::Whole(info, bytes) => (info, bytes),
        Fetched::TooLarge(info) => panic!("{info:?} is too large"),
    }
}

pub(super) fn kind<T: std::fmt::Debug>(result: Result<T, PortError>) -> ErrorKind {
    result.unwrap_err().kind
}

pub(super) fn options(expires_in: Duration) -> UploadOptions {
    UploadOptions { expires_in, ..UploadOptions::default() }
}

/// Uploads as a client does: with the signed headers, a length, and its own Content-Type if none was signed.
pub(super) async fn upload(fixture: &dyn Fixture, signed: &SignedUpload, body: &'static [u8]) -> Response<Bytes> {
    upload_as(fixture, signed, "application/x-www-form-urlencoded", body).await
}

pub(super) async fn upload_as(
    fixture: &dyn Fixture,
    signed: &SignedUpload,
    content_type: &str,
    body: &'static [u8],
) -> Response<Bytes> {
    let mut request = Request::builder().method(Method::PUT).uri(&signed.url).header("content-length", body.len());
    for (name, value) in signed.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-type")) {
        request = request.header(name, value);
    }
    let request = request.header("content-type", content_type).body(Bytes::from_static(body)).unwrap();
    fixture.fetch(request).await
}

pub(super) async fn fetch(fixture: &dyn Fixture, method: Method, url: &str) -> Response<Bytes> {
    fixture.fetch(Request::builder().method(method).uri(url).body(Bytes::new()).unwrap()).await
}

fn assert_refused(response: &Response<Bytes>) {
    let body = String::from_utf8_lossy(response.body());
    assert!([400, 403].contains(&response.status().as_u16()), "{}: {body}", response.status());
}

pub(crate) async fn what_was_put_is_read(fixture: &dyn Fixture) {
    for versions in [Versions::Kept, Versions::None] {
        let store = fixture.bucket(versions).await;
        put(&*store, "a/b.png", b"picture").await;
        let (info, bytes) = get(&*store, "a/b.png", None).await;
        assert_eq!(bytes, "picture");
        assert_eq!((info.bytes, info.content_type.as_deref()), (7, Some("image/png")));
        assert_eq!(store.head("a/b.png").await.unwrap(), info);
    }
}

pub(crate) async fn a_put_replaces_what_stood_there(fixture: &dyn Fixture) {
    for versions in [Versions::Kept, Versions::None] {
        let store = fixture.bucket(versions).await;
        put(&*store, "key", b"old").await;
        let (old, _) = get(&*store, "key", None).await;
        put(&*store, "key", b"new one").await;
        let (new, bytes) = get(&*store, "key", None).await;
        assert_eq!(bytes, "new one");
        assert_ne!(new.src, old.src);
        assert_eq!(store.list("", None).await.unwrap().len(), 1);
    }
}

pub(crate) async fn each_version_is_read_by_its_own_name(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let mut versions = Vec::new();
    // The same bytes again are a separate version.
    for bytes in [&b"first"[..], b"second", b"first"] {
        put(&*store, "key", bytes).await;
        versions.push((store.head("key").await.unwrap().src, bytes));
    }
    assert_ne!(versions[0].0, versions[2].0);
    for (src, expected) in &versions {
        let (info, bytes) = get(&*store, "key", Some(src.as_str())).await;
        assert_eq!((&info.src, &bytes[..]), (src, *expected));
    }
}

pub(crate) async fn what_is_missing_is_not_found(fixture: &dyn Fixture) {
    for versions in [Versions::Kept, Versions::None] {
        let store = fixture.bucket(versions).await;
        assert_eq!(kind(store.get("nothing", None, LIMIT).await), ErrorKind::NotFound);
        assert_eq!(kind(store.head("nothing").await), ErrorKind::NotFound);
    }
}

pub(crate) async fn a_version_is_gone_once_it_is_deleted(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    put(&*store, "key", b"first").await;
    let first = store.head("key").await.unwrap().src;
    put(&*store, "key", b"second").await;
    store.delete("key").await.unwrap();
    assert_eq!(kind(store.get("key", Some(first.as_str()), LIMIT).await), ErrorKind::NotFound);
    put(&*store, "key", b"third").await;
    assert_eq!(kind(store.get("key", Some(first.as_str()), LIMIT).await), ErrorKind::NotFound);
    assert_eq!(get(&*store, "key", None).await.1, "third");
}

pub(crate) async fn an_object_of_the_limit_is_read_and_one_byte_more_is_not(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    put(&*store, "key", b"12345").await;
    for (limit, is_read) in [(4, false), (5, true), (6, true)] {
        match store.get("key", None, limit).await.unwrap() {
            Fetched::Whole(info, bytes) => assert!(is_read && info.bytes == 5 && bytes.len() == 5, "limit {limit}"),
            Fetched::TooLarge(info) => assert!(!is_read && info.bytes == 5, "limit {limit}"),
        }
    }
}

pub(crate) async fn an_empty_object_is_an_object(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    put(&*store, "empty", b"").await;
    let (info, bytes) = get(&*store, "empty", None).await;
    assert_eq!((info.bytes, bytes.len()), (0, 0));
    assert!(matches!(store.get("empty", None, 0).await, Ok(Fetched::Whole(..))));
}

const ODD_KEYS: [&str; 5] = ["a b+c%.jpg", "käse/写真.png", "q?x=1&y=2#z", "quote'\"<>.png", "100%25/~_-!.*()"];

pub(crate) async fn keys_may_hold_any_character(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    for key in ODD_KEYS {
        put(&*store, key, b"odd").await;
        assert_eq!(get(&*store, key, None).await.1, "odd", "{key}");
        let url = store.sign_download(key, fixture.now(), 60 * ONE_SECOND).await.unwrap();
        let response = fetch(fixture, Method::GET, &url).await;
        assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"odd"[..]), "{key}: {url}");
        let signed = store.sign_upload(key, &options(60 * ONE_SECOND)).await.unwrap();
        assert_eq!(upload(fixture, &signed, b"new").await.status(), StatusCode::OK, "{key}");
        assert_eq!(get(&*store, key, None).await.1, "new", "{key}");
    }
    let mut sorted = ODD_KEYS;
    sorted.sort_unstable();
    let listed: Vec<_> = store.list("", None).await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(listed, sorted);
}

/// Keys that a path would take for one another.
pub(crate) const PATH_LIKE_KEYS: [&str; 16] = [
    "a/b", "a//b", "a/./b", "a/../b", "a/b/", "a/b.", "a/b/.", "b", "/b", "//b", "./b", "b.", "b..", "a/.", "a/..",
    "a/",
];

pub(crate) async fn keys_are_no_paths(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    for key in PATH_LIKE_KEYS {
        store.put(key, Bytes::from(key), "image/png", "no-store").await.unwrap();
    }
    for key in PATH_LIKE_KEYS {
        assert_eq!(get(&*store, key, None).await.1, key);
        assert_eq!(store.head(key).await.unwrap().bytes, key.len() as u64, "{key}");
        let url = store.sign_download(key, fixture.now(), 60 * ONE_SECOND).await.unwrap();
        let response = fetch(fixture, Method::GET, &url).await;
        assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, key.as_bytes()), "{url}");
    }
    for key in PATH_LIKE_KEYS {
        let signed = store.sign_upload(key, &options(60 * ONE_SECOND)).await.unwrap();
        assert_eq!(upload(fixture, &signed, key.as_bytes()).await.status(), StatusCode::OK, "{key}");
    }
    let mut sorted = PATH_LIKE_KEYS;
    sorted.sort_unstable();
    let listed: Vec<_> = store.list("", None).await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(listed, sorted);
    for key in PATH_LIKE_KEYS {
        store.delete(key).await.unwrap();
        assert_eq!(kind(store.head(key).await), ErrorKind::NotFound, "{key}");
    }
    assert_eq!(store.list("", None).await.unwrap(), []);
}

pub(crate) async fn a_listing_is_in_the_order_of_keys(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    for key in ["b/1", "a/2", "a/10", "a/1", "A/1", "a/é", "a/e", "ab"] {
        put(&*store, key, b"12").await;
    }
    put(&*store, "a/1", b"123").await;
    let listed = store.list("a/", None).await.unwrap();
    let keys: Vec<_> = listed.iter().map(|object| &*object.key).collect();
    assert_eq!(keys, ["a/1", "a/10", "a/2", "a/e", "a/é"]);
    assert_eq!((listed[0].bytes, listed[1].bytes), (3, 2));
    assert_eq!(store.list("", None).await.unwrap().len(), 8);
    assert_eq!(store.list("nothing/", None).await.unwrap(), []);
}

pub(crate) async fn a_listing_goes_on_after_a_key(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    for key in ["p/a", "p/b", "p/c", "q/a"] {
        put(&*store, key, b"1").await;
    }
    for (after, expected) in
        [("p/a", &["p/b", "p/c"][..]), ("p/aa", &["p/b", "p/c"]), ("p/c", &[]), ("a", &["p/a", "p/b", "p/c"])]
    {
        let keys: Vec<_> = store.list("p/", Some(after)).await.unwrap().into_iter().map(|object| object.key).collect();
        assert_eq!(keys, expected, "after {after}");
    }
}

pub(crate) async fn a_listing_has_at_most_a_thousand_objects(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    let keys: Vec<String> = (0..1003).map(|number| format!("many/{number:04}")).collect();
    iter(&keys).for_each_concurrent(32, |key| async { put(&*store, key, b"1").await }).await;
    let mut listed = Vec::new();
    loop {
        let page = store.list("many/", listed.last().map(String::as_str)).await.unwrap();
        assert!(page.len() <= 1000, "{}", page.len());
        if page.is_empty() {
            break;
        }
        listed.extend(page.into_iter().map(|object| object.key));
    }
    assert_eq!(listed, keys);
}

pub(crate) async fn delete_may_be_repeated_and_takes_every_version(fixture: &dyn Fixture) {
    for versions in [Versions::Kept, Versions::None] {
        let store = fixture.bucket(versions).await;
        put(&*store, "key", b"old").await;
        put(&*store, "key", b"new").await;
        put(&*store, "key2", b"other").await;
        for _ in 0..2 {
            store.delete("key").await.unwrap();
            assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
        }
        let left: Vec<_> = store.list("", None).await.unwrap().into_iter().map(|object| object.key).collect();
        assert_eq!(left, ["key2"]);
    }
}

pub(crate) async fn a_plain_upload_takes_any_content_type_and_works_again(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let signed = store.sign_upload("key", &options(60 * ONE_SECOND)).await.unwrap();
    let types = ["application/x-www-form-urlencoded", "image/jpeg", "text/html; charset=utf-8"];
    let mut sources = std::collections::HashSet::new();
    for content_type in types {
        let response = upload_as(fixture, &signed, content_type, b"a=b&c=d").await;
        assert_eq!(response.status(), StatusCode::OK, "{content_type}");
        assert!(response.headers().contains_key("etag"));
        let (info, bytes) = get(&*store, "key", None).await;
        assert_eq!((info.content_type.as_deref(), &bytes[..]), (Some(content_type), &b"a=b&c=d"[..]));
        sources.insert(info.src);
    }
    assert_eq!(sources.len(), types.len(), "each upload is a version");
}

pub(crate) async fn a_signed_upload_expires(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let signed = store.sign_upload("key", &options(2 * ONE_SECOND)).await.unwrap();
    assert!(signed.expires_at <= fixture.now().plus(2 * ONE_SECOND));
    fixture.let_time_pass(4 * ONE_SECOND).await;
    assert_eq!(upload(fixture, &signed, b"late").await.status(), StatusCode::FORBIDDEN);
    assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
}

pub(crate) async fn a_signed_upload_refuses_another_content_type(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let stated = UploadOptions { content_type: Some("image/png".to_owned()), ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    let content_type = signed.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    assert_eq!(content_type.map(|(_, value)| value.as_str()), Some("image/png"));
    assert_refused(&upload_as(fixture, &signed, "image/jpeg", b"picture").await);
    assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
    assert_eq!(upload_as(fixture, &signed, "image/png", b"picture").await.status(), StatusCode::OK);
}

pub(crate) async fn a_signed_upload_refuses_another_length(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let stated = UploadOptions { content_length: Some(7), ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    let names: Vec<_> = signed.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    assert!(!names.iter().any(|name| name == "content-length" || name == "host"), "clients set them: {names:?}");
    for body in [&b"shorte"[..], b"too long"] {
        assert_refused(&upload(fixture, &signed, body).await);
        assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
    }
    assert_eq!(upload(fixture, &signed, b"7 bytes").await.status(), StatusCode::OK);
}

pub(crate) async fn a_signed_upload_refuses_bytes_of_another_checksum(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let checksum = data_encoding::BASE64.encode(&Sha256::digest(b"picture"));
    let stated = UploadOptions { checksum_sha256: Some(checksum.clone()), ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    let header = signed.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-amz-checksum-sha256"));
    assert_eq!(header.map(|(_, value)| value), Some(&checksum));
    assert_refused(&upload(fixture, &signed, b"PICTURE").await);
    assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
    assert_eq!(upload(fixture, &signed, b"picture").await.status(), StatusCode::OK);
}

pub(crate) async fn a_single_use_upload_works_once(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let stated = UploadOptions { is_single_use: true, ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    assert_eq!(upload(fixture, &signed, b"first").await.status(), StatusCode::OK);
    assert_eq!(upload(fixture, &signed, b"second").await.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(get(&*store, "key", None).await.1, "first");
}

pub(crate) async fn a_signed_upload_is_for_its_key_and_method_alone(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let signed = store.sign_upload("its-key", &options(60 * ONE_SECOND)).await.unwrap();
    let elsewhere = SignedUpload { url: signed.url.replace("its-key", "another"), ..signed.clone() };
    assert_refused(&upload(fixture, &elsewhere, b"bytes").await);
    assert_eq!(kind(store.head("another").await), ErrorKind::NotFound);
    put(&*store, "its-key", b"secret").await;
    assert_refused(&fetch(fixture, Method::GET, &signed.url).await);
}

pub(crate) async fn a_signed_download_works_until_it_expires(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    put(&*store, "key", b"picture").await;
    let url = store.sign_download("key", fixture.now(), 4 * ONE_SECOND).await.unwrap();
    let response = fetch(fixture, Method::GET, &url).await;
    assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, &b"picture"[..]));
    assert_eq!(response.headers()["content-type"], "image/png");
    let freshness = freshness(&response, fixture.now());
    assert!(freshness <= 4, "{freshness} s, {:?}", response.headers());
    fixture.let_time_pass(6 * ONE_SECOND).await;
    assert_eq!(fetch(fixture, Method::GET, &url).await.status(), StatusCode::FORBIDDEN);
}

/// For how many seconds a client's private cache may keep an answer.
fn freshness(response: &Response<Bytes>, now: Timestamp) -> i64 {
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
    let cache_control = header("cache-control").unwrap();
    assert!(cache_control.split(", ").any(|directive| directive == "private"), "{cache_control}");
    match cache_control.split_once("max-age=") {
        Some((_, seconds)) => seconds.parse().unwrap(),
        None => {
            let expires = jiff::fmt::rfc2822::parse(header("expires").unwrap()).unwrap();
            expires.timestamp().as_second() - now.as_secs()
        }
    }
}

pub(crate) async fn a_signed_download_is_the_same_for_the_same_arguments(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    let signed_at = fixture.now();
    let first = store.sign_download("key", signed_at, 60 * ONE_SECOND).await.unwrap();
    fixture.let_time_pass(ONE_SECOND).await;
    assert_eq!(store.sign_download("key", signed_at, 60 * ONE_SECOND).await.unwrap(), first);
    let later = store.sign_download("key", signed_at.plus(ONE_SECOND), 60 * ONE_SECOND).await.unwrap();
    assert_ne!(later, first);
    let missing = fetch(fixture, Method::GET, &first).await.status();
    assert_eq!(missing, StatusCode::NOT_FOUND);
}
