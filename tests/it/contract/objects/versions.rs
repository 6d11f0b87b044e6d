//! The contract of `ObjectStore` for single versions: listing and deletion.

use darkroom::ports::ErrorKind;
use darkroom::ports::objects::{ObjectStore, Version};
use futures_util::stream::{StreamExt, iter};

use super::{Fixture, LIMIT, Versions, get, kind, put};

pub(in crate::contract) async fn all_versions(store: &dyn ObjectStore, prefix: &str) -> Vec<Version> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let page = store.list_versions(prefix, next.as_ref()).await.unwrap();
        assert!(page.versions.len() <= 1000);
        all.extend(page.versions);
        next = page.next;
        if next.is_none() {
            return all;
        }
    }
}

pub(crate) async fn versions_are_listed_from_new_to_old_and_deleted_one_by_one(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let mut sources = Vec::new();
    for bytes in [&b"1"[..], b"22", b"333"] {
        put(&*store, "in/a key+%", bytes).await;
        sources.push(store.head("in/a key+%").await.unwrap().src);
    }
    put(&*store, "in/another", b"4444").await;
    put(&*store, "out/other", b"55555").await;
    let listed = all_versions(&*store, "in/").await;
    let found: Vec<_> = listed.iter().map(|it| (&*it.key, it.bytes, it.is_current)).collect();
    let of_key = |bytes, is_current| ("in/a key+%", bytes, is_current);
    assert_eq!(found, [of_key(3, true), of_key(2, false), of_key(1, false), ("in/another", 4, true)]);
    assert_eq!(listed[..3].iter().map(|it| &it.src).collect::<Vec<_>>(), sources.iter().rev().collect::<Vec<_>>());
    // S3's HEAD returns whole seconds.
    assert_eq!(listed[0].modified_at.as_secs(), store.head("in/a key+%").await.unwrap().modified_at.as_secs());

    // Delete one in the middle, the current one, and the last one. Each deletion may be repeated.
    for (at, current, left) in [(1, Some(&b"333"[..]), 2), (0, Some(b"1"), 1), (2, None, 0)] {
        for _ in 0..2 {
            store.delete_version("in/a key+%", &listed[at].id).await.unwrap();
        }
        assert_eq!(kind(store.get("in/a key+%", Some(listed[at].src.as_str()), LIMIT).await), ErrorKind::NotFound);
        match current {
            Some(bytes) => assert_eq!(get(&*store, "in/a key+%", None).await.1, bytes),
            None => assert_eq!(kind(store.head("in/a key+%").await), ErrorKind::NotFound),
        }
        let versions = all_versions(&*store, "in/a").await;
        assert_eq!(versions.iter().filter(|it| it.key == "in/a key+%").count(), left);
        assert_eq!(versions.iter().filter(|it| it.key == "in/a key+%" && it.is_current).count(), left.min(1));
    }
    assert_eq!(get(&*store, "in/another", None).await.1, "4444");
}

pub(crate) async fn an_object_without_versions_has_one(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::None).await;
    for bytes in [&b"old"[..], b"newer"] {
        put(&*store, "key", bytes).await;
    }
    let listed = all_versions(&*store, "key").await;
    let [version] = &listed[..] else { panic!("{listed:?}") };
    let info = store.head("key").await.unwrap();
    assert_eq!((&version.src, version.bytes, version.is_current), (&info.src, 5, true));
    store.delete_version("key", &version.id).await.unwrap();
    assert_eq!(kind(store.head("key").await), ErrorKind::NotFound);
    store.delete_version("key", &version.id).await.unwrap();
}

pub(crate) async fn a_listing_of_versions_goes_on_where_it_ended(fixture: &dyn Fixture) {
    let store = fixture.bucket(Versions::Kept).await;
    let keys: Vec<String> = (0..501).map(|number| format!("many/{number:04}")).collect();
    // The page ends between the two versions of a key.
    put(&*store, "many/0000", b"0").await;
    for bytes in [&b"1"[..], b"22"] {
        iter(&keys).for_each_concurrent(32, |key| async { put(&*store, key, bytes).await }).await;
    }
    put(&*store, "more", b"0").await;
    let listed: Vec<_> = all_versions(&*store, "many/").await.into_iter().map(|it| (it.key, it.bytes)).collect();
    let mut expected: Vec<_> = keys.iter().flat_map(|key| [(key.clone(), 2), (key.clone(), 1)]).collect();
    expected.insert(2, ("many/0000".to_owned(), 1));
    assert_eq!(listed, expected);
}
