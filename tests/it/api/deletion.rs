//! `DELETE /images/{id}` removes everything, and no later event restores it.

use axum::Router;
use darkroom::api::{ApiState, router};
use darkroom::ports::ErrorKind;
use darkroom::record::{Applied, Attempt, Change, Guard, ImageId, Sequencer, Status, Transition};
use tokio_util::sync::CancellationToken;

use super::{Answer, Bench, call, enter, get, request, settings};
use crate::images::jpeg;
use crate::world::{Call, PREFIX, World};

fn api_of(world: &World) -> Router {
    let settings = darkroom::api::ApiSettings { may_delete: true, ..settings() };
    router(ApiState::new(&world.ports, settings, world.clock.clone(), CancellationToken::new()), None)
}

async fn delete(api: &Router, id: impl std::fmt::Display) -> Answer {
    call(api, request("DELETE", &format!("/images/{id}"), "")).await
}

/// Expects that no status, original or thumbnail of the image is left.
async fn expect_gone(world: &World, api: &Router, id: &ImageId, name: &str) {
    call(api, get(&format!("/images/{id}"))).await.expect_problem(404, "unknown-image");
    call(api, get(&format!("/images/{id}/small"))).await.expect_problem(404, "unknown-image");
    call(api, get(&format!("/images?key={PREFIX}{name}"))).await.expect_problem(404, "unknown-image");
    assert_eq!(world.ports.uploads.list(&format!("{PREFIX}{name}"), None).await.unwrap(), []);
    assert_eq!(world.ports.thumbnails.list(&format!("thumbnails/{id}/"), None).await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_image_is_deleted_with_all_that_belongs_to_it() {
    let world = World::new().await;
    let api = api_of(&world);
    let other = world.upload("cat2", &jpeg(30, 20)).await;
    let id = world.upload("cat", &jpeg(40, 30)).await;
    world.run_until_idle().await;
    world.upload("cat", &jpeg(50, 30)).await;
    world.run_until_idle().await;
    world.expect_published(&id).await;

    assert_eq!(delete(&api, &id).await.status, 204);
    expect_gone(&world, &api, &id, "cat/").await;
    let kept = world.ports.uploads.list(PREFIX, None).await.unwrap();
    assert_eq!(kept.iter().map(|object| &*object.key).collect::<Vec<_>>(), ["uploads/cat2"]);
    world.expect_published(&other).await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn deleting_again_or_what_never_was_is_a_success() {
    let world = World::new().await;
    let api = api_of(&world);
    let id = world.upload("cat", &jpeg(40, 30)).await;
    world.run_until_idle().await;
    assert_eq!(delete(&api, &id).await.status, 204);
    assert_eq!(delete(&api, &id).await.status, 204);
    assert_eq!(delete(&api, "unknown").await.status, 204);
    delete(&api, "a%2fb").await.expect_problem(400, "invalid-id");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_later_event_of_the_deleted_object_does_nothing() {
    let mut world = World::idle(Default::default());
    let api = api_of(&world);
    // An upload asked for through the API, whose event no worker has received yet.
    let upload = call(&api, request("POST", "/images", "")).await.json();
    let name = upload["id"].as_str().unwrap().to_owned();
    let id = world.upload(&name, &jpeg(40, 30)).await;
    assert_eq!(delete(&api, &id).await.status, 204);
    world.start_worker();
    world.run_until_idle().await;
    expect_gone(&world, &api, &id, &name).await;

    // A duplicate of a processed event, and an event that is newer than any in the record.
    let id = world.upload("cat", &jpeg(40, 30)).await;
    let known = world.event_of("cat", Some("01")).await;
    let newer = world.event_of("cat", Some("FF")).await;
    let without = world.event_of("cat", None).await;
    world.run_until_idle().await;
    world.expect_published(&id).await;
    assert_eq!(delete(&api, &id).await.status, 204);
    for late in [known, newer, without] {
        world.send_event(&late).await;
        world.run_until_idle().await;
        expect_gone(&world, &api, &id, "cat").await;
    }
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_new_upload_of_the_same_key_is_a_new_image() {
    let world = World::new().await;
    let api = api_of(&world);
    let id = world.upload("2024 cat.jpg", &jpeg(40, 30)).await;
    world.run_until_idle().await;
    assert_eq!(delete(&api, &id).await.status, 204);
    assert_eq!(world.upload("2024 cat.jpg", &jpeg(60, 30)).await, id);
    world.run_until_idle().await;
    assert_eq!(world.expect_published(&id).await.ttl, None, "a living record is never forgotten");
    assert_eq!(call(&api, get(&format!("/images/{id}"))).await.json()["status"], "published");
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_has_the_image_in_hand_can_neither_claim_nor_publish_it() {
    let bench = Bench::with(|settings| settings.may_delete = true);
    let transition = |guard, change| Transition {
        id: ImageId::parse("cat").unwrap(),
        key: "uploads/cat".to_owned(),
        attempt: Attempt { token: "attempt".to_owned(), message: "message".to_owned() },
        guard,
        change,
        at: bench.clock.now(),
    };
    let release = || Change::Release { error: String::new() };
    for is_claimed in [false, true] {
        bench.waiting_for_upload("cat");
        if is_claimed {
            bench.claim("cat", "01").await;
        }
        assert_eq!(delete(&bench.router, "cat").await.status, 204);
        for guard in [enter("01"), Guard::Hold] {
            let applied = bench.apply_any(&transition(guard.clone(), release())).await;
            assert!(matches!(applied, Applied::Refused { .. }), "{guard:?}");
        }
        let record = bench.records.all().remove(0);
        assert_eq!((record.status, record.published, record.original), (Status::Deleted, None, None));
        let expected = if is_claimed { Sequencer::parse("01").unwrap() } else { Sequencer::last() };
        assert_eq!(record.seq, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_ended_half_way_is_repeated_by_asking_again() {
    let world = World::new().await;
    let id = world.upload("cat", &jpeg(40, 30)).await;
    world.run_until_idle().await;
    let operations = [Call::CatalogApply, Call::UploadsDelete, Call::ThumbnailsList, Call::ThumbnailsDelete];
    for operation in operations {
        world.faults.fail(operation, 1, ErrorKind::Unavailable, crate::world::When::Before);
    }
    let faulty = world.faults.wrap(world.ports.clone());
    let settings = darkroom::api::ApiSettings { may_delete: true, ..settings() };
    let api = router(ApiState::new(&faulty, settings, world.clock.clone(), CancellationToken::new()), None);
    for _ in operations {
        delete(&api, &id).await.expect_problem(503, "unavailable");
    }
    assert_eq!(world.faults.fired(), operations.len());
    assert_eq!(delete(&api, &id).await.status, 204);
    expect_gone(&world, &api, &id, "cat").await;
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_deletes_unless_it_is_switched_on() {
    let bench = Bench::new();
    bench.published("cat").await;
    delete(&bench.router, "cat").await.expect_problem(405, "method-not-allowed");
    assert_eq!(bench.get("/images/cat").await.json()["status"], "published");
}
