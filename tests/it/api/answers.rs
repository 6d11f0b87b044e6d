//! The API's answers: uploads, statuses, and every kind of invalid request.

use std::collections::BTreeSet;
use std::time::Duration;

use darkroom::api::{ApiState, router};
use darkroom::config::{ApiTokens, PublicUrl};
use darkroom::ports::ErrorKind;
use darkroom::record::{ImageId, Reason, Status};
use darkroom_thumbnail::FileKind;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Bench, START, call, get, request, settings, with};
use crate::contract::objects::PATH_LIKE_KEYS;
use crate::images::jpeg;
use crate::world::{PREFIX, World};

#[tokio::test(start_paused = true)]
async fn an_upload_url_pins_what_was_stated_and_has_its_record_first() {
    let bench = Bench::new();
    let body = r#"{"contentType":"image/png","contentLength":1234}"#;
    let answer = bench.call(request("POST", "/images", body)).await;

    assert_eq!(answer.status, 201, "{answer:?}");
    let [record] = &bench.records.all()[..] else { panic!("one record") };
    assert_eq!((record.status, record.rev), (Status::WaitingForUpload, 1));
    assert_eq!(record.key, format!("uploads/{}", record.id));
    assert_eq!(record.ttl, Some(START.plus(Duration::from_mins(5) + Duration::from_hours(24))));
    assert_eq!(
        answer.json(),
        json!({
            "id": record.id, "status": "waiting_for_upload",
            "uploadUrl": format!("http://images.example/signed/uploads/{}?length=1234", record.id),
            "uploadMethod": "PUT",
            "uploadHeaders": { "content-type": "image/png", "if-none-match": "*" },
            "expiresAt": "2023-11-14T22:20:00.000Z",
        })
    );
    assert_eq!(answer.header("location"), Some(&*format!("/images/{}", record.id)));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test(start_paused = true)]
async fn a_plain_upload_url_pins_nothing() {
    let bench = Bench::new();
    let answer = bench.get("/upload-url").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let upload = answer.json();
    assert_eq!(upload["uploadHeaders"], json!({}));
    let url = format!("http://images.example/signed/uploads/{}?length=any", upload["id"].as_str().unwrap());
    assert_eq!(upload["uploadUrl"], url);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(bench.records.all().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn plain_uploads_can_be_switched_off() {
    let bench = Bench::with(|settings| settings.has_plain_uploads = false);
    let detail = bench.get("/upload-url").await.expect_problem(404, "no-such-path");
    assert!(detail.contains("DARKROOM_PLAIN_UPLOADS=on"), "{detail}");
    assert_eq!(bench.call(request("POST", "/images", "")).await.status, 201);
}

#[tokio::test(start_paused = true)]
async fn the_length_of_an_upload_can_be_required() {
    let bench = Bench::with(|settings| settings.requires_content_length = true);
    for body in ["", "{}", r#"{"contentLength":null}"#, r#"{"contentType":"image/jpeg"}"#] {
        let answer = bench.call(request("POST", "/images", body)).await;
        assert!(answer.expect_problem(400, "content-length-missing").contains("contentLength is not stated"), "{body}");
    }
    assert_eq!(bench.records.all(), [], "a refused request leaves no record");

    for length in [1, 999_999, 1_000_000] {
        let answer = bench.call(request("POST", "/images", format!("{{\"contentLength\":{length}}}"))).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let url = answer.json()["uploadUrl"].as_str().unwrap().to_owned();
        assert!(url.ends_with(&format!("?length={length}")), "{url}");
    }
    let too_large = bench.call(request("POST", "/images", r#"{"contentLength":1000001}"#)).await;
    too_large.expect_problem(413, "upload-too-large");
}

#[tokio::test(start_paused = true)]
async fn behind_a_proxy_urls_begin_with_what_the_client_typed() {
    let bench = Bench::new();
    let upload = bench.call(with(get("/upload-url"), "x-forwarded-proto", "https")).await.json();
    assert!(upload["uploadUrl"].as_str().unwrap().starts_with("https://images.example/signed/"), "{upload}");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_request_for_an_upload_says_what_is_wrong() {
    let bench = Bench::new();
    for (body, status, slug, detail) in [
        ("hello", 400, "bad-request", "expected value"),
        ("{\"contentType\":", 400, "bad-request", "EOF"),
        ("{\"contentLenght\":1}", 400, "bad-request", "there is no field \"contentLenght\""),
        ("{\"contentLength\":0}", 400, "bad-request", "at least one byte"),
        ("{\"contentLength\":1000001}", 413, "upload-too-large", "1000001 bytes, the limit is 1000000"),
        ("{\"contentType\":\"image/gif\"}", 415, "unsupported-type", "not \"image/gif\""),
        ("{\"contentType\":\"text/html\"}", 415, "unsupported-type", "not \"text/html\""),
    ] {
        let answer = bench.call(request("POST", "/images", body)).await;
        let said = answer.expect_problem(status, slug);
        assert!(said.contains(detail), "{body}: {said}");
    }
    let large = format!("{{\"contentType\":\"{}\"}}", "x".repeat(20_000));
    bench.call(request("POST", "/images", large)).await.expect_problem(413, "body-too-large");
    assert_eq!(bench.records.all(), [], "a refused request leaves no record");
}

#[tokio::test(start_paused = true)]
async fn an_image_is_shown_as_it_stands() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    let created_at = "2023-11-14T22:15:00.000Z";
    assert_eq!(
        bench.get("/images/cat").await.json(),
        json!({ "id": "cat", "status": "waiting_for_upload", "createdAt": created_at, "updatedAt": created_at })
    );

    bench.claim("cat", "01").await;
    let original = json!({ "contentType": "image/jpeg", "width": 4000, "height": 3000, "bytes": 9 });
    let view = bench.get("/images/cat").await.json();
    assert_eq!((&view["status"], &view["original"]), (&json!("waiting_for_thumbnails"), &original));
    assert_eq!(view.get("thumbnails"), None);

    tokio::time::advance(Duration::from_secs(1000)).await;
    bench.publish("cat").await;
    let thumbnail = |size: &str, width, height| {
        // Second 1000 is in the 15-minute window that begins at 900.
        let url = format!("http://images.example/signed/thumbnails/cat/v1/{size}.jpg?at=1700001000&for=3600");
        json!({ "url": url, "width": width, "height": height, "bytes": 7 })
    };
    let answer = bench.get("/images/cat").await;
    assert_eq!(
        answer.json(),
        json!({
            "id": "cat", "status": "published", "createdAt": created_at,
            "updatedAt": "2023-11-14T22:31:40.000Z", "publishedAt": "2023-11-14T22:31:40.000Z", "original": original,
            "thumbnails": {
                "small": thumbnail("small", 100, 75),
                "medium": thumbnail("medium", 500, 375),
                "large": thumbnail("large", 1000, 750),
            },
        })
    );
    let at = |size: &str| answer.body.find(&format!("\"{size}\"")).unwrap();
    assert!(at("small") < at("medium") && at("medium") < at("large"), "sizes in their order: {}", answer.body);
}

#[tokio::test(start_paused = true)]
async fn thumbnails_stay_while_a_newer_upload_is_worked_on_or_refused() {
    let bench = Bench::new();
    bench.published("cat").await;
    bench.claim("cat", "02").await;
    let view = bench.get("/images/cat").await.json();
    assert_eq!(view["status"], "waiting_for_thumbnails");
    assert!(view["thumbnails"]["large"]["url"].is_string(), "{view}");

    bench.reject("cat", "03", Reason::Corrupt).await;
    let view = bench.get("/images/cat").await.json();
    assert_eq!((&view["status"], &view["reason"]), (&json!("invalid_content_type"), &json!("corrupt")));
    assert!(view["thumbnails"]["large"]["url"].is_string(), "{view}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_image_says_why_in_a_sentence() {
    let bench = Bench::new();
    bench.reject_as("photo", "01", FileKind::Heic).await;
    bench.reject("notes", "01", Reason::UnsupportedType).await;
    bench.reject("cut", "01", Reason::Corrupt).await;
    bench.published("cat").await;
    for (id, detail) in [
        ("photo", json!("the file is a HEIC photograph: send it as a JPEG")),
        ("notes", json!("the file is neither a JPEG nor a PNG, whatever its name says")),
        ("cut", json!("the image is damaged or cut short")),
        ("cat", json!(null)),
    ] {
        let view = bench.get(&format!("/images/{id}")).await.json();
        assert_eq!(view["detail"], detail, "{view}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_public_url_takes_the_place_of_signatures() {
    let bench = Bench::with(|settings| settings.public_url = PublicUrl::parse("https://cdn.example/t").ok());
    bench.published("cat").await;
    let view = bench.get("/images/cat").await.json();
    assert_eq!(view["thumbnails"]["small"]["url"], "https://cdn.example/t/thumbnails/cat/v1/small.jpg");
    let answer = bench.get("/images/cat/large").await;
    assert_eq!(answer.header("location"), Some("https://cdn.example/t/thumbnails/cat/v1/large.jpg"));
}

#[tokio::test(start_paused = true)]
async fn a_size_redirects_to_the_current_thumbnail() {
    let bench = Bench::new();
    bench.published("cat").await;
    let answer = bench.get("/images/cat/medium").await;
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"), "its address is a secret");
    let url = "http://images.example/signed/thumbnails/cat/v1/medium.jpg?at=1700000100&for=3600";
    assert_eq!(answer.header("location"), Some(url));

    let detail = bench.get("/images/cat/huge").await.expect_problem(404, "no-thumbnail");
    assert_eq!(detail, "the sizes of image cat are small, medium, large");
    bench.waiting_for_upload("dog");
    let detail = bench.get("/images/dog/small").await.expect_problem(404, "no-thumbnail");
    assert_eq!(detail, "image dog has no thumbnails: it is waiting_for_upload");
    bench.get("/images/cow/small").await.expect_problem(404, "unknown-image");
}

#[tokio::test(start_paused = true)]
async fn path_like_keys_are_images_of_their_own() {
    let world = World::new().await;
    let api = router(ApiState::new(&world.ports, settings(), world.clock.clone(), CancellationToken::new()), None);
    let mut ids = BTreeSet::new();
    for (name, width) in PATH_LIKE_KEYS.iter().zip(20..) {
        world.upload(name, &jpeg(width, 20)).await;
    }
    world.run_until_idle().await;
    for (name, width) in PATH_LIKE_KEYS.iter().zip(20..) {
        let key = utf8_percent_encode(&format!("{PREFIX}{name}"), NON_ALPHANUMERIC).to_string();
        let view = call(&api, get(&format!("/images?key={key}"))).await.json();
        assert_eq!((&view["status"], &view["original"]["width"]), (&"published".into(), &width.into()), "{name}");
        ids.insert(view["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), PATH_LIKE_KEYS.len());
    world.finish().await;
}

#[tokio::test(start_paused = true)]
async fn an_image_is_found_by_its_foreign_key() {
    let bench = Bench::new();
    let key = "uploads/2024/a cat+1.jpg";
    let id = ImageId::of_key("uploads/", key).unwrap();
    bench.waiting_for_upload(id.as_str());
    let mut record = bench.records.all().remove(0);
    record.key = key.to_owned();
    bench.records.put(record);

    let view = bench.get("/images?key=uploads%2F2024%2Fa%20cat%2B1.jpg").await.json();
    assert_eq!(view["id"], id.as_str());
    bench.get("/images?key=uploads%2Fother").await.expect_problem(404, "unknown-image");
    bench.get("/images?key=elsewhere%2Fcat").await.expect_problem(404, "unknown-image");
    // Another key with the same id is another object.
    bench.get(&format!("/images?key=uploads%2F{id}")).await.expect_problem(404, "unknown-image");
    bench.get("/images").await.expect_problem(400, "bad-request");
    bench.get("/images?key=a&key=b").await.expect_problem(400, "bad-request");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_an_id_is_a_bad_request_and_what_is_none_is_unknown() {
    let bench = Bench::new();
    for path in
        ["/images/..", "/images/a%2fb", "/images/a%2Fb", "/images/a.b", "/images/%00", "/images/%ff", "/images/a%20b"]
    {
        bench.get(path).await.expect_problem(400, "invalid-id");
    }
    bench.get(&format!("/images/{}", "a".repeat(65))).await.expect_problem(400, "invalid-id");
    bench.get(&format!("/images/{}", "a".repeat(64))).await.expect_problem(404, "unknown-image");
    bench.get("/images/unknown").await.expect_problem(404, "unknown-image");
    bench.get("/images/a/b").await.expect_problem(404, "unknown-image");
    bench.get("/images/%2e%2e/small").await.expect_problem(400, "invalid-id");
    for path in ["/images/", "/images/a/b/c", "/nothing", "//", "/images/a/"] {
        bench.get(path).await.expect_problem(404, "no-such-path");
    }
}

#[tokio::test(start_paused = true)]
async fn another_method_is_answered_with_those_that_there_are() {
    let bench = Bench::new();
    for (method, path, allow) in [
        ("DELETE", "/images", "POST,GET,HEAD"),
        ("PUT", "/images/cat", "GET,HEAD"),
        ("POST", "/images/cat/small", "GET,HEAD"),
        ("POST", "/upload-url", "GET,HEAD"),
    ] {
        let answer = bench.call(request(method, path, "")).await;
        answer.expect_problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_delete_that_is_off_names_its_setting() {
    let bench = Bench::new();
    bench.published("cat").await;
    for id in ["cat", "dog"] {
        let answer = bench.call(request("DELETE", &format!("/images/{id}"), "")).await;
        let detail = answer.expect_problem(405, "method-not-allowed");
        assert_eq!(detail, "deleting is off: this server's operator turns it on with DARKROOM_ALLOW_DELETE=on");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"));
    }
    for (method, path) in [("PUT", "/images/cat"), ("DELETE", "/images"), ("DELETE", "/images/cat/small")] {
        let detail = bench.call(request(method, path, "")).await.expect_problem(405, "method-not-allowed");
        assert!(!detail.contains("DARKROOM"), "{method} {path}: {detail}");
    }
    assert_eq!(bench.get("/images/cat").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_api_says_that_it_is_alive_without_a_token_and_during_an_outage() {
    let bench = Bench::with(|settings| settings.access.tokens = ApiTokens::parse("0123456789abcdef").unwrap());
    bench.records.fail_with(Some(ErrorKind::Unavailable));
    bench.shutdown.cancel();
    let answer = bench.get("/livez").await;
    assert_eq!((answer.status, &*answer.body), (200, "alive\n"));
    assert_eq!(bench.call(request("HEAD", "/livez", "")).await.status, 200);
    bench.get("/readyz").await.expect_problem(404, "no-such-path");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_answered_with_try_again_and_a_fault_is_not() {
    let bench = Bench::new();
    bench.waiting_for_upload("cat");
    for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Denied] {
        bench.records.fail_with(Some(kind));
        for request in
            [get("/images/cat"), get("/images/cat/small"), get("/upload-url"), request("POST", "/images", "")]
        {
            let answer = bench.call(request).await;
            let detail = answer.expect_problem(503, "unavailable");
            assert_eq!(answer.header("retry-after"), Some("5"));
            assert!(!detail.contains("catalog"), "the inside stays inside: {detail}");
        }
    }
    bench.records.fail_with(Some(ErrorKind::Invalid));
    bench.get("/images/cat").await.expect_problem(500, "internal");
    bench.records.fail_with(None);
    assert_eq!(bench.get("/images/cat").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn web_pages_of_configured_origins_may_call_and_others_may_not() {
    let bench = Bench::with(|settings| settings.cors_origins = vec!["https://shop.example".to_owned()]);
    bench.waiting_for_upload("cat");
    let preflight = |origin: &str| {
        let request = with(request("OPTIONS", "/images", ""), "access-control-request-method", "POST");
        with(with(request, "origin", origin), "access-control-request-headers", "content-type")
    };
    let answer = bench.call(preflight("https://shop.example")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert!(answer.header("access-control-allow-headers").unwrap().contains("content-type"));
    let answer = bench.call(with(get("/images/cat"), "origin", "https://shop.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://shop.example"));
    assert!(answer.header("access-control-expose-headers").unwrap().contains("etag"));

    assert_eq!(bench.call(preflight("https://evil.example")).await.header("access-control-allow-origin"), None);
    let answer = bench.call(with(get("/images/cat"), "origin", "https://evil.example")).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);

    let closed = Bench::new();
    closed.call(preflight("https://shop.example")).await.expect_problem(405, "method-not-allowed");
}
