//! How long an idle worker takes to stop, and that its last poll leaves no message hidden.

use std::time::{Duration, Instant};

use darkroom::ports::Queue as _;

use super::account::ministack;
use super::deployment::{Deployment, Plan};
use crate::images;
use crate::process::{Process, until};

/// How long `docker stop` waits before it kills a process.
const DOCKER_STOP: Duration = Duration::from_secs(10);

/// Starts a worker and waits until it has settled a test event; after that it polls an empty queue.
async fn idle(deployment: &Deployment, settings: &[(&str, &str)]) -> Process {
    deployment.queue.send(r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#).await.unwrap();
    let worker = deployment.start("worker", settings).await;
    let ignored = "outcome=\"ignored\"";
    until("it has settled a message", async || worker.metric("darkroom_messages_settled_total", ignored).await >= 1.0)
        .await;
    until("the queue is empty", async || {
        let depth = deployment.queue.attributes().await.unwrap();
        depth.visible + depth.in_flight == 0
    })
    .await;
    worker
}

/// The upload comes after the signal, so only the poll in flight can receive it.
#[tokio::test]
async fn an_idle_worker_ends_before_docker_kills_it_and_gives_back_what_its_last_poll_brings() {
    let Some(endpoint) = ministack() else { return };
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let worker = idle(&deployment, &[]).await;
    let started = Instant::now();
    worker.stop().await;
    assert!(started.elapsed() < DOCKER_STOP, "{:?}", started.elapsed());

    let worker = idle(&deployment, &[("DARKROOM_VISIBILITY_TIMEOUT", "1h")]).await;
    worker.signal("-TERM").await;
    until("the worker drains", async || worker.printed().contains("asked to stop")).await;
    deployment.put("cat", &images::jpeg(64, 48)).await;
    let (code, printed) = worker.ended().await;
    assert_eq!(code, Some(0), "{printed}");
    until("the message can be received", async || deployment.queue.attributes().await.unwrap().visible == 1).await;
}
