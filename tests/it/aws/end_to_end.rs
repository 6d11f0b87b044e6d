//! The real binary over AWS's protocol: uploads by curl, unusual keys and messages, objects that appear and disappear.

use darkroom::backends::aws::S3Store;
use darkroom::event::{self, ObjectCreated};
use darkroom::ports::{ObjectStore as _, Queue as _};
use darkroom::record::{ImageId, Reason, Sequencer, Status};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::account::{ministack, variable};
use super::curl;
use super::deployment::{Deployment, PREFIX, Plan};
use super::faults::Microburst;
use crate::contract::objects::PATH_LIKE_KEYS;
use crate::images;
use crate::process::{self, Process};

/// Uploads by curl as the answer of `POST /images` or `GET /upload-url` says; returns the image's id.
async fn upload(answer: &curl::Answer, content_type: &str, bytes: &[u8]) -> ImageId {
    let upload: Value = serde_json::from_slice(&answer.body).unwrap();
    let mut headers = vec![("content-type".to_owned(), content_type.to_owned())];
    for (name, value) in upload["uploadHeaders"].as_object().unwrap() {
        headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        headers.push((name.clone(), value.as_str().unwrap().to_owned()));
    }
    let put = curl::send("PUT", upload["uploadUrl"].as_str().unwrap(), &headers, bytes).await;
    assert_eq!(put.status, 200, "{}", String::from_utf8_lossy(&put.body));
    ImageId::parse(upload["id"].as_str().unwrap()).unwrap()
}

/// Follows one image from a client's first request to its three thumbnails, with curl only. `plain_type` is the content
/// type that the simplest client sends.
async fn upload_and_look(deployment: &Deployment, api: &Process, plain_type: &str) {
    let json = [("content-type".to_owned(), "application/json".to_owned())];
    let photo = images::jpeg(800, 600);
    let stated = json!({"contentType": "image/jpeg", "contentLength": photo.len()}).to_string();
    let pinned = curl::send("POST", &api.url("/images"), &json, stated.as_bytes()).await;
    assert_eq!(pinned.status, 201);
    let plain = curl::get(&api.url("/upload-url")).await;
    for id in [upload(&pinned, "image/jpeg", &photo).await, upload(&plain, plain_type, &photo).await] {
        deployment.expect(&id, Status::Published).await;
        let shown: Value = serde_json::from_slice(&curl::get(&api.url(&format!("/images/{id}"))).await.body).unwrap();
        assert_eq!(shown["status"], "published");
        for (size, width, height) in [("small", 100, 75), ("medium", 500, 375), ("large", 800, 600)] {
            let thumbnail = &shown["thumbnails"][size];
            assert_eq!((&thumbnail["width"], &thumbnail["height"]), (&json!(width), &json!(height)));
            let fetched = curl::get(thumbnail["url"].as_str().unwrap()).await;
            assert_eq!(fetched.status, 200);
            assert_eq!(thumbnail["bytes"], fetched.body.len());
            let has = |name: &str, value: &str| fetched.headers.contains(&(name.to_owned(), value.to_owned()));
            assert!(has("content-type", "image/jpeg"), "{:?}", fetched.headers);
        }
    }
}

/// Also checks that the worker removes the test event that S3 sends when the notification is created.
#[tokio::test]
async fn an_upload_by_curl_is_published() {
    let Some(endpoint) = ministack() else { return };
    for keeps_versions in [true, false] {
        let deployment = Deployment::new(&endpoint, Plan { keeps_versions, ..Plan::default() }).await;
        let (api, worker) = tokio::join!(deployment.start("api", &[]), deployment.start("worker", &[]));
        upload_and_look(&deployment, &api, "application/x-www-form-urlencoded").await;
        assert_eq!(deployment.dead_letters_at_the_end().await, 0);
        let ignored = worker.metric("darkroom_messages_settled_total", "ignored").await;
        assert_eq!(ignored, 1.0, "the test event: {}", worker.get("/metrics").await);
        api.stop().await;
        worker.stop().await;
    }
}

/// A second emulator shows that darkroom doesn't depend on the first one's behavior. Its events have no sequencer.
#[tokio::test]
async fn an_upload_is_published_on_another_emulator_too() {
    let Some(moto) = variable("DARKROOM_TEST_MOTO") else { return };
    let dir = tempfile::tempdir().unwrap();
    let port = process::free_port().to_string();
    let mut command = tokio::process::Command::new("scripts/tool");
    command.args([&moto, "moto_server", "-H", "127.0.0.1", "-p", &port]);
    let endpoint = format!("http://127.0.0.1:{port}");
    let _moto = Process::start(command, &dir.path().join("moto.log"), endpoint.clone(), "/moto-api/data.json").await;
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let (api, worker) = tokio::join!(deployment.start("api", &[]), deployment.start("worker", &[]));
    // moto never answers a PUT with a form's content type: its framework has already read the body as a form.
    upload_and_look(&deployment, &api, "application/octet-stream").await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    api.stop().await;
    worker.stop().await;
}

#[tokio::test]
async fn keys_may_hold_any_character() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let worker = deployment.start("worker", &[]).await;
    let longest = format!("{}.png", "l".repeat(1024 - PREFIX.len() - 4));
    let photo = images::png_rgb(40, 30);
    for name in
        ["a b+c%.png", "100%25 +%2B.png", "käse/grüße.png", "写真 \u{1f4f7}\u{1f389}.png", "q?x=1&y=#z.png", &longest]
    {
        let id = deployment.put(name, &photo).await;
        let record = deployment.expect(&id, Status::Published).await;
        assert_eq!(record.key, format!("{PREFIX}{name}"));
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn path_like_keys_are_images_of_their_own() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let (api, worker) = tokio::join!(deployment.start("api", &[]), deployment.start("worker", &[]));
    for (name, width) in PATH_LIKE_KEYS.iter().zip(20..) {
        deployment.put(name, &images::jpeg(width, 20)).await;
    }
    for (name, width) in PATH_LIKE_KEYS.iter().zip(20..) {
        let id = ImageId::of_key(PREFIX, &format!("{PREFIX}{name}")).unwrap();
        let record = deployment.expect(&id, Status::Published).await;
        assert_eq!((record.key, record.original.unwrap().width), (format!("{PREFIX}{name}"), width));
        let key = utf8_percent_encode(&format!("{PREFIX}{name}"), NON_ALPHANUMERIC).to_string();
        let answer = curl::get(&api.url(&format!("/images?key={key}"))).await;
        let shown: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(shown["id"], id.as_str(), "{name}");
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0, "{}", worker.printed());
    api.stop().await;
    worker.stop().await;
}

/// An event as S3 writes it, for an object that exists or existed.
fn created(deployment: &Deployment, name: &str, sequencer: &str) -> ObjectCreated {
    ObjectCreated {
        bucket: deployment.bucket.clone(),
        key: format!("{PREFIX}{name}"),
        size: Some(1),
        version_id: None,
        sequencer: Sequencer::parse(sequencer),
        at: None,
        is_forced: false,
        doubts: event::Doubts::default(),
    }
}

fn notification(created: &ObjectCreated) -> Value {
    serde_json::from_str(&event::notification(created, "etag")).unwrap()
}

#[tokio::test]
async fn every_envelope_and_every_record_is_read() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let worker = deployment.start("worker", &[]).await;
    let photo = images::jpeg(64, 48);
    let mut ids = Vec::new();
    for name in ["by-sns", "by-bridge", "first", "last"] {
        ids.push(deployment.put(name, &photo).await);
    }
    let text = deployment.put("text", b"a text").await;
    let direct = |name| notification(&created(&deployment, name, "A1"));
    let sns = json!({"Type": "Notification", "MessageId": "m", "Message": direct("by-sns").to_string()});
    let object = json!({"key": format!("{PREFIX}by-bridge"), "size": 1, "etag": "e", "sequencer": "A1"});
    let bridge = json!({"version": "0", "source": "aws.s3", "detail-type": "Object Created",
        "detail": {"version": "0", "bucket": {"name": deployment.bucket}, "object": object, "reason": "PutObject"}});
    // One of three records is not an image; the other two are processed normally.
    let records: Vec<Value> = ["first", "text", "last"].map(|name| direct(name)["Records"][0].clone()).into();
    for body in [sns, bridge, json!({"Records": records})] {
        deployment.queue.send(&body.to_string()).await.unwrap();
    }
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    let refused = deployment.expect(&text, Status::InvalidContentType).await;
    assert_eq!(refused.reason, Some(Reason::UnsupportedType));
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}

/// The key is not encoded, and the version is MinIO's for a bucket without versions.
#[tokio::test]
async fn events_of_other_systems_find_their_objects() {
    let Some(endpoint) = ministack() else { return };
    for keeps_versions in [true, false] {
        let deployment = Deployment::new(&endpoint, Plan { keeps_versions, is_quiet: true }).await;
        let worker = deployment.start("worker", &[]).await;
        let photo = images::jpeg(64, 48);
        let raw = deployment.put("a+b 100%.jpg", &photo).await;
        let minio = deployment.put("cat.jpg", &photo).await;
        for (source, object) in [
            ("aws:s3", json!({"key": format!("{PREFIX}a+b 100%.jpg"), "sequencer": "0A"})),
            ("minio:s3", json!({"key": "uploads%2Fcat.jpg", "versionId": "1", "sequencer": "17B2C3D4E5F60718"})),
        ] {
            let place = json!({"bucket": {"name": deployment.bucket}, "object": object});
            let record = json!({"eventSource": source, "eventName": "s3:ObjectCreated:Put", "s3": place});
            deployment.queue.send(&json!({"Records": [record]}).to_string()).await.unwrap();
        }
        for id in [&raw, &minio] {
            deployment.expect(id, Status::Published).await;
        }
        assert_eq!(deployment.dead_letters_at_the_end().await, 0, "{}", worker.printed());
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_object_that_is_gone_before_it_is_read_fails_for_good() {
    let Some(endpoint) = ministack() else { return };
    for keeps_versions in [true, false] {
        let deployment = Deployment::new(&endpoint, Plan { keeps_versions, ..Plan::default() }).await;
        let id = deployment.put("gone", &images::jpeg(64, 48)).await;
        let store = S3Store::new(deployment.account.clients.s3.clone(), deployment.bucket.clone());
        store.delete(&format!("{PREFIX}gone")).await.unwrap();
        let worker = deployment.start("worker", &[]).await;
        let record = deployment.expect(&id, Status::Failed).await;
        assert_eq!(record.reason, Some(Reason::SourceMissing));
        assert_eq!(deployment.dead_letters_at_the_end().await, 0);
        worker.stop().await;
    }
}

/// The events of two uploads of one key, in both orders, and one event for both: the newest upload wins every time.
#[tokio::test]
async fn the_newest_upload_wins_whatever_becomes_of_the_events() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan { is_quiet: true, ..Plan::default() }).await;
    let worker = deployment.start("worker", &[]).await;
    for (name, sequencers) in [("in-order", &["A1", "A2"][..]), ("reversed", &["A2", "A1"]), ("one-event", &["A1"])] {
        deployment.put(name, &images::jpeg(64, 48)).await;
        let id = deployment.put(name, &images::png_rgb(40, 30)).await;
        for sequencer in sequencers {
            let body = notification(&created(&deployment, name, sequencer)).to_string();
            deployment.queue.send(&body).await.unwrap();
            deployment.expect(&id, Status::Published).await;
        }
        assert_eq!(deployment.dead_letters_at_the_end().await, 0);
        let record = deployment.expect(&id, Status::Published).await;
        assert_eq!(record.seq, Sequencer::parse(sequencers.iter().max().unwrap()));
        assert_eq!(record.published.unwrap().content_type, "image/png", "{name}");
    }
    worker.stop().await;
}

/// Two workers share a queue with a visibility timeout of 5 s. The store is slow, so each image takes 7 s: each image
/// is rendered once.
#[tokio::test]
async fn slow_work_outlives_a_short_visibility_timeout() {
    const IMAGES: usize = 6;
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    proxy.set(&[json!({"service": "s3", "operation": "PutObject", "latency": {"min": 7000, "max": 7000}})]).await;
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    // Few slots, so that messages also wait longer than their timeout while the worker processes others.
    let settings =
        [("AWS_ENDPOINT_URL", proxy.endpoint()), ("DARKROOM_VISIBILITY_TIMEOUT", "5s"), ("DARKROOM_RENDER_SLOTS", "1")];
    let (one, two) = tokio::join!(deployment.start("worker", &settings), deployment.start("worker", &settings));
    let mut ids = Vec::new();
    for number in 0..IMAGES {
        ids.push(deployment.put(&format!("slow-{number}"), &images::jpeg(64, 48)).await);
    }
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    let mut renders = 0.0;
    for worker in [&one, &two] {
        renders += worker.metric("darkroom_stage_duration_seconds_count", "stage=\"render\"").await;
        assert_eq!(worker.metric("darkroom_leases_lost_total", "").await, 0.0, "{}", worker.printed());
    }
    assert_eq!(renders, IMAGES as f64);
    assert_eq!(proxy.fired("PutObject").await, 3 * IMAGES);
    one.stop().await;
    two.stop().await;
}
