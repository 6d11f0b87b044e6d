//! The cases that a store cannot pass, and what darkroom does on it instead.

use axum::http::{Method, StatusCode};
use bytes::Bytes;
use darkroom::ports::ErrorKind;
use darkroom::ports::objects::UploadOptions;
use futures_util::stream::{StreamExt, iter};

use super::Case;
use crate::contract::objects::versions::all_versions;
use crate::contract::objects::{LIMIT, ONE_SECOND, fetch, get, kind, options, put, upload, upload_as};
use crate::contract::{Fixture, Versions};

pub(super) const ON_SEAWEEDFS: &[(&str, Case)] =
    &[("keys_are_no_paths", |fixture| Box::pin(empty_segments_are_dropped_and_dots_refused(fixture)))];

pub(super) const ON_RCLONE: &[(&str, Case)] = &[
    ("keys_are_no_paths", |fixture| Box::pin(empty_segments_and_dots_are_refused(fixture))),
    ("each_version_is_read_by_its_own_name", |fixture| Box::pin(a_version_is_the_current_object(fixture))),
    ("a_version_is_gone_once_it_is_deleted", |fixture| Box::pin(a_version_is_the_current_object(fixture))),
    ("a_plain_upload_takes_any_content_type_and_works_again", |fixture| {
        Box::pin(the_same_bytes_again_are_the_same_source(fixture))
    }),
    ("a_signed_upload_expires", |fixture| Box::pin(an_expired_address_is_a_bad_request(fixture))),
    ("a_signed_download_works_until_it_expires", |fixture| Box::pin(an_expired_address_is_a_bad_request(fixture))),
    ("a_signed_upload_refuses_bytes_of_another_checksum", |fixture| Box::pin(a_wrong_checksum_is_stored(fixture))),
    ("a_single_use_upload_works_once", |fixture| Box::pin(a_single_use_upload_works_again(fixture))),
    ("versions_are_listed_from_new_to_old_and_deleted_one_by_one", |fixture| {
        Box::pin(only_the_current_object_is_listed_and_deleted(fixture))
    }),
    ("a_listing_of_versions_goes_on_where_it_ended", |fixture| Box::pin(a_listing_of_current_objects_goes_on(fixture))),
];

const WITH_DOTS: [&str; 6] = ["a/./b", "a/../b", "a/b/.", "./b", "a/.", "a/.."];

async fn empty_segments_are_dropped_and_dots_refused(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    for key in ["a/b", "a//b", "/a/b", "a///b"] {
        store.put(key, Bytes::from(key), "image/png", "no-store").await.unwrap();
        assert_eq!(get(&*store, "a/b", None).await.1, key);
    }
    for key in WITH_DOTS {
        assert_eq!(kind(store.put(key, Bytes::new(), "image/png", "no-store").await), ErrorKind::Invalid, "{key}");
    }
    let keys: Vec<_> = store.list("", None).await.unwrap().into_iter().map(|object| object.key).collect();
    assert_eq!(keys, ["a/b"]);
}

async fn empty_segments_and_dots_are_refused(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    for key in ["a//b", "/b", "//b"].into_iter().chain(WITH_DOTS) {
        assert_eq!(kind(store.put(key, Bytes::new(), "image/png", "no-store").await), ErrorKind::Invalid, "{key}");
    }
    assert_eq!(store.list("", None).await.unwrap(), []);
}

async fn a_version_is_the_current_object(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    assert_eq!(kind(store.get("key", Some("1"), LIMIT).await), ErrorKind::NotFound);
    put(&*store, "key", b"first").await;
    let (current, bytes) = get(&*store, "key", Some("1")).await;
    assert_eq!((&current, &bytes[..]), (&store.head("key").await.unwrap(), &b"first"[..]));
}

async fn the_same_bytes_again_are_the_same_source(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let signed = store.sign_upload("key", &options(60 * ONE_SECOND)).await.unwrap();
    let mut sources = Vec::new();
    for content_type in ["application/x-www-form-urlencoded", "image/jpeg"] {
        assert_eq!(upload_as(fixture, &signed, content_type, b"a=b&c=d").await.status(), StatusCode::OK);
        let (info, bytes) = get(&*store, "key", None).await;
        assert_eq!((info.content_type.as_deref(), &bytes[..]), (Some(content_type), &b"a=b&c=d"[..]));
        sources.push(info.src);
    }
    assert_eq!(sources[0], sources[1]);
}

/// S3 answers 403.
async fn an_expired_address_is_a_bad_request(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    let signed = store.sign_upload("key", &options(2 * ONE_SECOND)).await.unwrap();
    put(&*store, "another", b"picture").await;
    let download = store.sign_download("another", fixture.now(), 2 * ONE_SECOND).await.unwrap();
    fixture.let_time_pass(4 * ONE_SECOND).await;
    assert_eq!(upload(fixture, &signed, b"late").await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
    assert_eq!(fetch(fixture, Method::GET, &download).await.status(), StatusCode::BAD_REQUEST);
}

/// The store keeps the wrong checksum, so the SDK finds the difference when it reads.
async fn a_wrong_checksum_is_stored(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    let checksum = data_encoding::BASE64.encode(&[0; 32]);
    let stated = UploadOptions { checksum_sha256: Some(checksum), ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    assert_eq!(upload(fixture, &signed, b"picture").await.status(), StatusCode::OK);
    assert_eq!(kind(store.get("key", None, LIMIT).await), ErrorKind::Damaged);
}

async fn a_single_use_upload_works_again(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    let stated = UploadOptions { is_single_use: true, ..options(60 * ONE_SECOND) };
    let signed = store.sign_upload("key", &stated).await.unwrap();
    for body in [&b"first"[..], b"second"] {
        assert_eq!(upload(fixture, &signed, body).await.status(), StatusCode::OK);
    }
    assert_eq!(get(&*store, "key", None).await.1, "second");
}

/// What a sweep found is deleted only while it is still there.
async fn only_the_current_object_is_listed_and_deleted(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    put(&*store, "in/a key+%", b"1").await;
    let replaced = all_versions(&*store, "in/").await.remove(0);
    put(&*store, "in/a key+%", b"22").await;
    put(&*store, "out/other", b"55555").await;
    let listed = all_versions(&*store, "in/").await;
    let [current] = &listed[..] else { panic!("{listed:?}") };
    let info = store.head("in/a key+%").await.unwrap();
    assert_eq!((&*current.key, current.bytes, current.is_current), ("in/a key+%", 2, true));
    assert_eq!((&current.src, current.modified_at.as_secs()), (&info.src, info.modified_at.as_secs()));
    for _ in 0..2 {
        store.delete_version("in/a key+%", &replaced.id).await.unwrap();
        assert_eq!(get(&*store, "in/a key+%", None).await.1, "22");
    }
    for _ in 0..2 {
        store.delete_version("in/a key+%", &current.id).await.unwrap();
        assert_eq!(kind(store.head("in/a key+%").await), ErrorKind::NotFound);
    }
    assert_eq!(get(&*store, "out/other", None).await.1, "55555");
}

async fn a_listing_of_current_objects_goes_on(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let keys: Vec<String> = (0..1003).map(|number| format!("many/{number:04}")).collect();
    iter(&keys).for_each_concurrent(32, |key| async { put(&*store, key, b"22").await }).await;
    put(&*store, "more", b"0").await;
    let listed: Vec<_> = all_versions(&*store, "many/").await.into_iter().map(|it| it.key).collect();
    assert_eq!(listed, keys);
}
