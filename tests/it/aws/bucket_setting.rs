//! A wrong `DARKROOM_UPLOAD_BUCKET` over AWS's protocol: a missing bucket, a denied bucket, another bucket.

use darkroom::ports::Queue as _;
use darkroom::record::Status;
use serde_json::json;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use super::faults::Microburst;
use crate::images;
use crate::process::until;

#[tokio::test]
async fn the_name_of_no_bucket_ends_worker_sweep_and_backfill_with_2_and_harms_nothing() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let id = deployment.put("cat", &images::jpeg(64, 48)).await;
    let settings = [("DARKROOM_UPLOAD_BUCKET", "there-is-no-such-bucket"), ("DARKROOM_ADMIN_LISTEN", "127.0.0.1:0")];
    for command in [&["worker"][..], &["sweep"], &["sweep", "--dry-run"], &["backfill"], &["backfill", "--dry-run"]] {
        let ended = deployment.command(command, &settings).output().await.unwrap();
        let error = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(2), "{command:?}: {error}");
        assert!(error.contains("DARKROOM_UPLOAD_BUCKET is \"there-is-no-such-bucket\""), "{command:?}: {error}");
    }

    let worker = deployment.start("worker", &[]).await;
    deployment.expect(&id, Status::Published).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    worker.stop().await;
}

#[tokio::test]
async fn a_bucket_that_is_denied_keeps_the_worker_unready_and_trying() {
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let id = deployment.put("cat", &images::jpeg(64, 48)).await;
    let error = json!({"code": "AccessDenied", "status": 403});
    proxy.set(&[json!({"service": "s3", "operation": "ListObjectsV2", "error": error})]).await;
    let through_proxy = [("AWS_ENDPOINT_URL", proxy.endpoint())];
    let stopped = deployment.start_alive("worker", &through_proxy).await;
    let worker = deployment.start_alive("worker", &through_proxy).await;
    until("the bucket was listed again and again", async || proxy.fired("ListObjectsV2").await >= 4).await;
    for worker in [&stopped, &worker] {
        assert_eq!(worker.get("/readyz").await, "not ready: starting\n");
    }
    stopped.stop().await;
    assert_eq!(deployment.record(&id).await, None, "it has not received");
    proxy.set(&[]).await;
    until("the worker is ready", async || worker.get("/readyz").await == "ready\n").await;
    deployment.expect(&id, Status::Published).await;
    worker.stop().await;
}

#[tokio::test]
async fn the_name_of_another_bucket_makes_no_dead_letters_and_loses_no_upload() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let another = deployment.account.bucket(false).await;
    let mut ids = Vec::new();
    for number in 0..12 {
        ids.push(deployment.put(&format!("cat-{number}"), &images::jpeg(64, 48)).await);
    }
    let wrong = deployment.start("worker", &[("DARKROOM_UPLOAD_BUCKET", &another)]).await;
    until("the breaker is open", async || wrong.metric("darkroom_breaker_open", "").await == 1.0).await;
    until("messages were kept", async || {
        wrong.metric("darkroom_messages_settled_total", "outcome=\"retried\"").await >= 10.0
    })
    .await;
    let error = wrong.printed();
    assert!(error.contains("DARKROOM_UPLOAD_BUCKET is probably wrong"), "{error}");
    wrong.stop().await;
    let worker = deployment.start("worker", &[]).await;
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0);
    assert_eq!(deployment.queue.attributes().await.unwrap().in_flight, 0);
    worker.stop().await;
}
