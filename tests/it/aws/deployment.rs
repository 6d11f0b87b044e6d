//! darkroom as it is deployed: bucket with notification, queue with dead letters, table, and its own binary.

use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, NotificationConfiguration, NotificationConfigurationFilter, QueueConfiguration,
    S3KeyFilter,
};
use darkroom::backends::aws::{DynamoCatalog, SqsQueue};
use darkroom::event::{self, Doubts, ObjectCreated};
use darkroom::ports::{Catalog as _, Queue as _};
use darkroom::record::{ImageId, ImageRecord, Status};
use tempfile::TempDir;
use tokio::process::Command;

use super::account::{Account, KEY, REGION};
use crate::process::{self, Process};

pub(crate) const PREFIX: &str = "uploads/";

/// Receives before a message becomes a dead letter, as in production.
const MAX_RECEIVES: u32 = 10;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) keeps_versions: bool,
    /// No notification: the test writes the events itself.
    pub(crate) is_quiet: bool,
}

/// A deployment whose resources have unique names.
pub(crate) struct Deployment {
    pub(crate) account: Account,
    pub(crate) bucket: String,
    pub(crate) queue: SqsQueue,
    pub(crate) dead_letters: SqsQueue,
    pub(crate) catalog: DynamoCatalog,
    dir: TempDir,
    settings: Vec<(&'static str, String)>,
    started: AtomicUsize,
}

impl Deployment {
    pub(crate) async fn new(endpoint: &str, plan: Plan) -> Self {
        Self::of(Account::at(endpoint), vec![("AWS_ENDPOINT_URL", endpoint.to_owned())], plan).await
    }

    /// A deployment with its objects in one engine and its records in another; `endpoint` has the queues. No engine
    /// sends events, so the test writes them.
    pub(crate) async fn on_engines(endpoint: &str, s3: &str, dynamodb: &str, keeps_versions: bool) -> Self {
        let mut account = Account::at(endpoint);
        account.clients.s3 = Account::at(s3).clients.s3;
        account.clients.dynamodb = Account::at(dynamodb).clients.dynamodb;
        account.keeps_versions = keeps_versions;
        let endpoints =
            [("AWS_ENDPOINT_URL", endpoint), ("AWS_ENDPOINT_URL_S3", s3), ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)];
        let endpoints = endpoints.map(|(name, value)| (name, value.to_owned())).to_vec();
        Self::of(account, endpoints, Plan { keeps_versions, is_quiet: true }).await
    }

    async fn of(account: Account, endpoints: Vec<(&'static str, String)>, plan: Plan) -> Self {
        let bucket = account.bucket(plan.keeps_versions).await;
        let (queue_url, dlq_url) = account.queue(MAX_RECEIVES).await;
        let table = account.table().await;
        if !plan.is_quiet {
            notify(&account, &bucket, &queue_url).await;
        }
        let queue = |url: &str| SqsQueue::new(account.clients.sqs.clone(), url.to_owned());
        Self {
            bucket: bucket.clone(),
            queue: queue(&queue_url),
            dead_letters: queue(&dlq_url),
            catalog: DynamoCatalog::new(account.clients.dynamodb.clone(), table.clone()),
            dir: tempfile::tempdir().unwrap(),
            settings: [
                endpoints,
                vec![
                    ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
                    ("AWS_SECRET_ACCESS_KEY", KEY.to_owned()),
                    ("AWS_REGION", REGION.to_owned()),
                    ("DARKROOM_UPLOAD_BUCKET", bucket),
                    ("DARKROOM_UPLOAD_PREFIX", PREFIX.to_owned()),
                    ("DARKROOM_TABLE", table),
                    ("DARKROOM_QUEUE_URL", queue_url),
                    ("DARKROOM_DLQ_URL", dlq_url),
                ],
            ]
            .concat(),
            started: AtomicUsize::new(0),
            account,
        }
    }

    /// A Python program with this account's credentials, and the packages of a pinned tool.
    pub(crate) fn python(&self, packages: &str, program: &str) -> Command {
        let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/tool"));
        command.args([packages, "python", "-c", program]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).env("AWS_DEFAULT_REGION", REGION);
        command
    }

    /// `darkroom {arguments}` with further settings, which override the deployment's own.
    pub(crate) fn command(&self, arguments: &[&str], settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_darkroom"));
        command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command.env("RUST_BACKTRACE", "1").envs(settings.iter().copied());
        command
    }

    pub(crate) fn setting(&self, name: &str) -> &str {
        &self.settings.iter().find(|(known, _)| *known == name).unwrap().1
    }

    /// Runs a shell line as an operator types it, in the folder of the processes' logs.
    pub(crate) fn shell(&self, line: &str, settings: &[(&str, &str)]) -> Command {
        let mut command = Command::new("bash");
        let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_darkroom")).parent().unwrap().display().to_string();
        command.args(["-c", line]).current_dir(self.dir.path());
        command.env("PATH", format!("{binaries}:{}", std::env::var("PATH").unwrap()));
        command.envs(self.settings.iter().map(|(name, value)| (name, value))).envs(settings.iter().copied());
        command
    }

    /// Starts `darkroom {role}` with further settings, and waits until it is ready.
    pub(crate) async fn start(&self, role: &str, settings: &[(&str, &str)]) -> Process {
        let health = if role == "api" { "/upload-url" } else { "/readyz" };
        self.start_until(role, settings, health).await
    }

    /// Like [`Deployment::start`], but waits only until the process is alive. Not for an API, whose own listener has no
    /// `/livez`.
    pub(crate) async fn start_alive(&self, role: &str, settings: &[(&str, &str)]) -> Process {
        self.start_until(role, settings, "/livez").await
    }

    async fn start_until(&self, role: &str, settings: &[(&str, &str)], health: &str) -> Process {
        let (port, admin_port) = (process::free_port(), process::free_port());
        let mut command = self.command(&[role], settings);
        command.env("DARKROOM_LISTEN", format!("127.0.0.1:{port}"));
        command.env("DARKROOM_ADMIN_LISTEN", format!("127.0.0.1:{admin_port}"));
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let log = self.dir.path().join(format!("{role}-{number}.log"));
        let port = if role == "api" { port } else { admin_port };
        Process::start(command, &log, format!("http://127.0.0.1:{port}"), health).await
    }

    /// Puts an object under the upload prefix, as another system would; returns its image's id.
    pub(crate) async fn put(&self, name: &str, bytes: &[u8]) -> ImageId {
        let key = format!("{PREFIX}{name}");
        let put = self.account.clients.s3.put_object().bucket(&self.bucket).key(&key);
        put.body(ByteStream::from(bytes.to_vec())).send().await.unwrap();
        ImageId::of_key(PREFIX, &key).unwrap()
    }

    /// The event that S3 would have written for an object under the upload prefix.
    pub(crate) fn event_of(&self, name: &str) -> String {
        let created = ObjectCreated {
            bucket: self.bucket.clone(),
            key: format!("{PREFIX}{name}"),
            size: None,
            version_id: None,
            sequencer: None,
            at: None,
            is_forced: false,
            doubts: Doubts::default(),
        };
        event::notification(&created, "")
    }

    pub(crate) async fn record(&self, id: &ImageId) -> Option<ImageRecord> {
        self.catalog.get(id).await.unwrap()
    }

    pub(crate) async fn expect(&self, id: &ImageId, status: Status) -> ImageRecord {
        let what = format!("{id} is {status}");
        process::until(&what, async || self.record(id).await.is_some_and(|record| record.status == status)).await;
        self.record(id).await.unwrap()
    }

    /// Waits until the queue is empty, and returns the number of dead letters.
    pub(crate) async fn dead_letters_at_the_end(&self) -> u64 {
        process::until("the queue is empty", async || {
            let depth = self.queue.attributes().await.unwrap();
            depth.visible + depth.in_flight + depth.delayed == 0
        })
        .await;
        self.dead_letters.attributes().await.unwrap().visible
    }
}

/// Sends the bucket's upload events to the queue; S3 sends a test event immediately.
async fn notify(account: &Account, bucket: &str, queue_url: &str) {
    let rule = FilterRule::builder().name(FilterRuleName::Prefix).value(PREFIX).build();
    let filter = NotificationConfigurationFilter::builder().key(S3KeyFilter::builder().filter_rules(rule).build());
    let queue = QueueConfiguration::builder()
        .queue_arn(account.queue_arn(queue_url).await)
        .events(Event::from("s3:ObjectCreated:*"))
        .filter(filter.build())
        .build()
        .unwrap();
    let configuration = NotificationConfiguration::builder().queue_configurations(queue).build();
    let put = account.clients.s3.put_bucket_notification_configuration().bucket(bucket);
    put.notification_configuration(configuration).send().await.unwrap();
}
