//! Faults as the SDK receives them: throttling, errors, latency, resets, truncated and corrupt bodies, outages.

use std::time::Duration;

use darkroom::backends::aws::Clients;
use darkroom::record::Status;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::account::{Account, ministack, variable};
use super::deployment::{Deployment, Plan};
use crate::images;
use crate::process::{self, Process};

/// Every operation that a worker uses.
const OPERATIONS: [(&str, &str); 8] = [
    ("sqs", "ReceiveMessage"),
    ("sqs", "DeleteMessageBatch"),
    ("sqs", "ChangeMessageVisibilityBatch"),
    ("sqs", "GetQueueAttributes"),
    ("s3", "GetObject"),
    ("s3", "PutObject"),
    ("dynamodb", "UpdateItem"),
    ("dynamodb", "GetItem"),
];

/// Starts the proxy with a fixed seed. A rule's `resource` is a part of the path for S3, so that it may match one
/// object.
const PROXY: &str = "
import random, sys
from microburst import detection
from microburst.cli import main
hint = detection.resource_hint
detection.resource_hint = lambda service, operation, path, body: (
    path if service == 's3' else hint(service, operation, path, body)
)
random.seed(4)
sys.exit(main())
";

/// A proxy that injects faults between darkroom and an emulator.
pub(crate) struct Microburst {
    process: Process,
    endpoint: String,
    _dir: TempDir,
}

impl Microburst {
    /// Starts a proxy in front of `upstream`, with a fixed seed.
    pub(crate) async fn start(upstream: &str) -> Option<Self> {
        let pin = variable("DARKROOM_TEST_MICROBURST")?;
        let (dir, port) = (tempfile::tempdir().unwrap(), process::free_port().to_string());
        let mut command = Command::new("scripts/tool");
        command.args([&pin, "python", "-c", PROXY, "--upstream", upstream, "--port", &port, "--host", "127.0.0.1"]);
        let endpoint = format!("http://127.0.0.1:{port}");
        let log = dir.path().join("microburst.log");
        let process = Process::start(command, &log, endpoint.clone(), "/_microburst/health").await;
        warm_up(&Account::at(&endpoint)).await;
        Some(Self { process, endpoint, _dir: dir })
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(crate) async fn set(&self, rules: &[Value]) {
        let client = reqwest::Client::new();
        let answer = client.post(self.process.url("/_microburst/rules")).json(rules).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// The number of faults that the proxy injected for an operation, as the proxy reports it.
    pub(crate) async fn fired(&self, operation: &str) -> usize {
        let metrics = self.process.get("/_microburst/metrics").await;
        let label = format!("operation=\"{operation}\"");
        let counts =
            metrics.lines().filter(|line| line.starts_with("microburst_faults_total") && line.contains(&label));
        counts.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as usize).sum()
    }
}

/// On the first call the proxy reads the service's model, which takes seconds.
async fn warm_up(through: &Account) {
    let Clients { sqs, s3, dynamodb } = &through.clients;
    process::until("the proxy passes calls on", async || {
        sqs.list_queues().send().await.is_ok()
            && s3.list_buckets().send().await.is_ok()
            && dynamodb.list_tables().send().await.is_ok()
    })
    .await;
}

/// Rules that make this share of the calls of every operation fail, with equal parts for each kind of fault.
pub(crate) fn on_every_call(share: f64) -> Vec<Value> {
    let mut rules = Vec::new();
    for (service, operation) in OPERATIONS {
        let throttled = match service {
            "s3" => json!({"error": {"code": "SlowDown", "status": 503}}),
            "sqs" => json!({"error": {"code": "ThrottlingException", "status": 400}}),
            _ => json!({"error": {"code": "ProvisionedThroughputExceededException"}}),
        };
        let mut kinds = vec![
            throttled,
            json!({"error": {"code": "InternalError", "status": 500}}),
            json!({"latency": {"min": 100, "max": 2000}}),
            json!({"reset": true}),
        ];
        kinds.push(json!({"response": {"truncate_frac": 0.5}}));
        kinds.push(json!({"response": {"abort_frac": 0.3}}));
        // SQS has checksums for message bodies only. TLS protects the rest of an answer.
        if service != "sqs" {
            kinds.push(json!({"response": {"corrupt_bytes": 16}}));
        }
        // The first rule whose draw succeeds decides, so later rules apply to fewer calls.
        let share = share / kinds.len() as f64;
        for (before, mut rule) in kinds.into_iter().enumerate() {
            rule["service"] = json!(service);
            rule["operation"] = json!(operation);
            rule["probability"] = json!(share / (1.0 - share * before as f64));
            rules.push(rule);
        }
    }
    rules
}

/// Uploads go to the emulator directly, and the worker goes through the proxy.
async fn survive(rules: Vec<Value>, uploads: usize, pause: Option<Duration>) -> Option<Vec<(String, usize)>> {
    let endpoint = ministack()?;
    let proxy = Microburst::start(&endpoint).await?;
    let deployment = Deployment::new(&endpoint, Plan { keeps_versions: true, ..Plan::default() }).await;
    let settings = [("AWS_ENDPOINT_URL", proxy.endpoint()), ("DARKROOM_VISIBILITY_TIMEOUT", "10s")];
    let worker = deployment.start("worker", &settings).await;
    proxy.set(&rules).await;
    let photo = images::jpeg(64, 48);
    let mut ids = Vec::new();
    for number in 0..uploads {
        ids.push(deployment.put(&format!("image-{number}"), &photo).await);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
    }
    if pause.is_some() {
        proxy.set(&[]).await;
    }
    for id in &ids {
        deployment.expect(id, Status::Published).await;
    }
    let mut fired = Vec::new();
    for (_, operation) in OPERATIONS {
        fired.push((operation.to_owned(), proxy.fired(operation).await));
    }
    proxy.set(&[]).await;
    assert_eq!(deployment.dead_letters_at_the_end().await, 0, "{}", worker.printed());
    worker.stop().await;
    println!("faults that fired: {fired:?}");
    Some(fired)
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn three_faults_in_ten_calls_lose_nothing() {
    let Some(fired) = survive(on_every_call(0.3), 100, None).await else { return };
    for operation in ["ReceiveMessage", "DeleteMessageBatch", "GetObject", "PutObject", "UpdateItem"] {
        assert!(fired.iter().any(|(fired, times)| fired == operation && *times > 0), "{operation}: {fired:?}");
    }
}

/// A one-minute outage of a service while uploads continue.
async fn outage(service: &str) {
    let rules = vec![json!({"service": service, "error": {"code": "ServiceUnavailable", "status": 503}})];
    let Some(fired) = survive(rules, 30, Some(Duration::from_secs(2))).await else { return };
    assert!(fired.iter().any(|(_, times)| *times > 0), "{fired:?}");
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn a_minute_without_sqs_dead_letters_nothing() {
    outage("sqs").await;
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn a_minute_without_s3_dead_letters_nothing() {
    outage("s3").await;
}

#[tokio::test]
#[ignore = "takes minutes: `make test-long`"]
async fn a_minute_without_dynamodb_dead_letters_nothing() {
    outage("dynamodb").await;
}
