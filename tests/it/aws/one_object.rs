//! Answers about one object, or about a KMS key, as S3 gives them: archived, denied, a key that cannot be used.

use std::time::Duration;

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, StorageClass, Tier};
use darkroom::ports::{Catalog as _, Queue as _};
use darkroom::record::{ImageId, Reason, Status};
use serde_json::json;
use tokio::process::Command;
use tokio::time::Instant;

use super::account::{ministack, variable};
use super::deployment::{Deployment, PREFIX, Plan};
use super::faults::Microburst;
use crate::images;
use crate::process::{self, Process};

/// What a worker logs when its breaker opens.
const PAUSES: &str = "receiving pauses";

const GOOD: usize = 100;

/// Puts an object into a storage class from which it must be restored.
async fn archive(deployment: &Deployment, name: &str, bytes: &[u8]) -> ImageId {
    let key = format!("{PREFIX}{name}");
    let put = deployment.account.clients.s3.put_object().bucket(&deployment.bucket).key(&key);
    put.storage_class(StorageClass::Glacier).body(ByteStream::from(bytes.to_vec())).send().await.unwrap();
    ImageId::of_key(PREFIX, &key).unwrap()
}

async fn restore(deployment: &Deployment, id: &ImageId) {
    let tier = GlacierJobParameters::builder().tier(Tier::Expedited).build().unwrap();
    let request = RestoreRequest::builder().days(1).glacier_job_parameters(tier).build();
    let restore = deployment.account.clients.s3.restore_object().bucket(&deployment.bucket);
    restore.key(format!("{PREFIX}{id}")).restore_request(request).send().await.unwrap();
}

/// Waits for a status. moto shows records that are half written, which cannot be read then.
async fn expect(deployment: &Deployment, id: &ImageId, status: Status, reason: Option<Reason>) {
    let what = format!("{id} is {status}");
    process::until(&what, async || {
        let record = deployment.catalog.get(id).await.ok().flatten();
        record.is_some_and(|record| (record.status, record.reason) == (status, reason))
    })
    .await;
}

/// Uploads good images, and every tenth time an archived and a denied one if `with_odd_ones`. Returns the good ones per
/// second, and the odd ones.
async fn publish(deployment: &Deployment, round: &str, with_odd_ones: bool) -> (f64, Vec<ImageId>) {
    let photo = images::jpeg(64, 48);
    let (mut good, mut odd) = (Vec::new(), Vec::new());
    let started = Instant::now();
    for number in 0..GOOD {
        if with_odd_ones && number % 10 == 0 {
            odd.push(archive(deployment, &format!("archived-{number}"), &photo).await);
            odd.push(deployment.put(&format!("denied-{number}"), &photo).await);
        }
        good.push(deployment.put(&format!("{round}-{number}"), &photo).await);
    }
    for id in &good {
        expect(deployment, id, Status::Published, None).await;
    }
    (GOOD as f64 / started.elapsed().as_secs_f64(), odd)
}

/// moto archives objects and restores them at once; the proxy denies single objects, as S3 does by policy or owner.
#[tokio::test]
async fn archived_and_denied_objects_open_no_breaker_for_the_others() {
    let Some(moto) = variable("DARKROOM_TEST_MOTO") else { return };
    let (dir, port) = (tempfile::tempdir().unwrap(), process::free_port().to_string());
    let mut command = Command::new("scripts/tool");
    command.args([&moto, "moto_server", "-H", "127.0.0.1", "-p", &port]);
    let endpoint = format!("http://127.0.0.1:{port}");
    let _moto = Process::start(command, &dir.path().join("moto.log"), endpoint.clone(), "/moto-api/data.json").await;
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let error = json!({"code": "AccessDenied", "status": 403});
    proxy.set(&[json!({"service": "s3", "operation": "GetObject", "resource": "denied-", "error": error})]).await;
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let worker = deployment.start("worker", &[("AWS_ENDPOINT_URL", proxy.endpoint())]).await;
    let (usual, _) = publish(&deployment, "usual", false).await;
    let (among, odd) = publish(&deployment, "among", true).await;
    println!("{usual:.1} images per second, {among:.1} among archived and denied ones");
    // moto is the bottleneck, and the odd ones are calls of it too, so the rates are only printed. What no other object
    // may cost is a pause.
    assert!(!worker.printed().contains(PAUSES), "{}", worker.printed());
    assert_eq!(worker.metric("darkroom_port_errors_total", "kind=\"denied\"").await, 0.0);
    process::until("every denied object is denied", async || proxy.fired("GetObject").await >= 10).await;
    for id in odd.iter().filter(|id| id.as_str().starts_with("archived")) {
        expect(&deployment, id, Status::Failed, Some(Reason::Archived)).await;
        restore(&deployment, id).await;
        // A redrive sends the event in a new message.
        let key = format!("{PREFIX}{id}");
        let record = json!({"eventSource": "aws:s3", "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": deployment.bucket}, "object": {"key": key}}});
        deployment.queue.send(&json!({"Records": [record]}).to_string()).await.unwrap();
    }
    for id in odd.iter().filter(|id| id.as_str().starts_with("archived")) {
        expect(&deployment, id, Status::Published, None).await;
    }
    // The denied ones are still retried, with growing delays.
    proxy.set(&[]).await;
    worker.stop().await;
}

/// S3 answers with status 400 and the key's ARN:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>,
/// <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html#API_Decrypt_Errors>.
#[tokio::test]
async fn a_key_that_is_scheduled_for_deletion_is_an_outage_and_named() {
    const ARN: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let Some(endpoint) = ministack() else { return };
    let Some(proxy) = Microburst::start(&endpoint).await else { return };
    let message = format!("{ARN} is pending deletion.");
    let error = json!({"code": "KMS.KMSInvalidStateException", "status": 400, "message": message});
    proxy.set(&[json!({"service": "s3", "operation": "GetObject", "error": error})]).await;
    let deployment = Deployment::new(&endpoint, Plan::default()).await;
    let photo = images::jpeg(64, 48);
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(deployment.put(&format!("image-{number}"), &photo).await);
    }
    let worker = deployment.start("worker", &[("AWS_ENDPOINT_URL", proxy.endpoint())]).await;
    process::until("the breaker is open", async || worker.metric("darkroom_breaker_open", "").await == 1.0).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let told = worker.metric("darkroom_kms_key_errors_total", "operation=\"get\"").await;
    assert!((1.0..=13.0).contains(&told), "the first batch, then single probes, not {told}");
    assert!(worker.printed().contains(ARN), "{}", worker.printed());
    proxy.set(&[]).await;
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    assert_eq!(deployment.dead_letters_at_the_end().await, 0, "{}", worker.printed());
    worker.stop().await;
}
