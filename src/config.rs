//! Typed settings, read from the environment: every mistake is reported at once.

mod machine;
mod reader;
mod settings;
mod tokens;
mod validate;
mod values;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::recipe::Recipe;

pub use machine::Machine;
pub use reader::{Environment, Mistake, Mistakes};
pub(crate) use settings::{LONGEST_RENDER, LONGEST_UPLOAD_EXPIRY};
pub use tokens::ApiTokens;

/// What a process is started for: which settings it needs depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// API and worker in one process, on a directory.
    Local,
    /// Drains the queue.
    Worker,
    /// Answers clients.
    Api,
    /// Asks another process whether it lives: needs nothing but that process' admin address.
    Health,
    /// Looks after dead letters.
    Operator,
    /// Repairs what got stuck.
    Sweep,
    /// Enqueues objects that are there already.
    Backfill,
    /// Lists the catalog's records.
    Images,
}

/// Settings that can be used, and what looks wrong about them all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// One line each, to be logged.
    pub warnings: Vec<String>,
}

/// Where queue, objects and catalog live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendConfig {
    /// SQS, S3 and DynamoDB.
    Aws(AwsConfig),
    /// A directory on this machine.
    Local(LocalConfig),
}

/// Names of the AWS resources. Region, credentials and endpoint come from the SDK's own chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    /// `DARKROOM_TABLE`
    pub table: String,
    /// `DARKROOM_QUEUE_URL`; the API does without.
    pub queue_url: Option<String>,
    /// `DARKROOM_DLQ_URL`; only the operator's commands need it.
    pub dlq_url: Option<String>,
}

/// The local backend's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// `DARKROOM_DIR`: holds the database and the objects; made when it is missing.
    pub dir: PathBuf,
    /// `DARKROOM_DIR_GROUP`: the id of the group whose members share the directory; without one, it is for its owner alone.
    pub dir_group: Option<u32>,
    /// `DARKROOM_MIN_FREE_SPACE`: free bytes that uploads leave on the disk; without it 1 GiB, or 5% of a smaller disk.
    pub min_free_space: Option<u64>,
    /// `DARKROOM_MAX_STORED_BYTES`: bytes of uploads and thumbnails at which uploads stop.
    pub max_stored_bytes: Option<u64>,
    /// `DARKROOM_MAX_RECEIVES`: receives before a message becomes a dead letter, 1 to 1,000.
    pub max_receives: u32,
    /// `DARKROOM_OUTCOMES`: whether each verdict is told in the file `outcomes.jsonl` of the directory.
    pub tells_outcomes: bool,
}

impl LocalConfig {
    /// The settings of a directory, with the default of every other one.
    pub const fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            dir_group: None,
            min_free_space: None,
            max_stored_bytes: None,
            max_receives: 10,
            tells_outcomes: false,
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// All settings of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DARKROOM_BACKEND` and what belongs to it.
    pub backend: BackendConfig,
    /// `DARKROOM_UPLOAD_BUCKET`
    pub upload_bucket: String,
    /// `DARKROOM_UPLOAD_PREFIX`, ends in `/` or is empty.
    pub upload_prefix: String,
    /// `DARKROOM_THUMBNAIL_BUCKET`
    pub thumbnail_bucket: String,
    /// `DARKROOM_PUBLIC_URL`: where thumbnails are served from, without a slash at the end; unset: presigned.
    pub public_url: Option<String>,
    /// `DARKROOM_SIZES`
    pub recipe: Recipe,
    /// `DARKROOM_LISTEN`
    pub listen: SocketAddr,
    /// What sets `listen`: `DARKROOM_LISTEN`, or the argument that was given instead.
    pub listen_setting: &'static str,
    /// `DARKROOM_ADMIN_LISTEN`
    pub admin_listen: SocketAddr,
    /// What sets `admin_listen`: `DARKROOM_ADMIN_LISTEN`, or the argument that was given instead.
    pub admin_listen_setting: &'static str,
    /// `DARKROOM_MAX_CONNECTIONS`: connections that the API's listener holds at once.
    pub max_connections: usize,
    /// `DARKROOM_ALLOWED_HOSTS`: names that requests may address besides those of the loopback, in lower case.
    pub allowed_hosts: Vec<String>,
    /// `DARKROOM_TRUSTED_PROXIES`: peers whose `X-Forwarded-*` headers count, besides those on this machine.
    pub trusted_proxies: Vec<IpNet>,
    /// `DARKROOM_API_TOKEN` or `DARKROOM_API_TOKEN_FILE`: without a token anyone may call the API.
    pub api_tokens: ApiTokens,
    /// `DARKROOM_JWT_AUTHORIZER`: whether a gateway in front of the API checks JSON web tokens.
    pub has_jwt_authorizer: bool,
    /// `DARKROOM_RENDER_SLOTS`: images rendered at once.
    pub render_slots: usize,
    /// `DARKROOM_MEMORY_BUDGET` in bytes.
    pub memory_budget: u64,
    /// `DARKROOM_MAX_BYTES`
    pub max_bytes: u64,
    /// `DARKROOM_MAX_PIXELS`
    pub max_pixels: u64,
    /// `DARKROOM_RENDER_TIMEOUT`: how long rendering one image may take.
    pub render_timeout: Duration,
    /// `DARKROOM_VISIBILITY_TIMEOUT`
    pub visibility_timeout: Duration,
    /// `DARKROOM_DRAIN_TIMEOUT`
    pub drain_timeout: Duration,
    /// `DARKROOM_UPLOAD_URL_EXPIRY`
    pub upload_url_expiry: Duration,
    /// `DARKROOM_MIN_UPLOAD_RATE`: bytes per second below which an upload to the local backend is given up.
    pub min_upload_rate: u64,
    /// `DARKROOM_PLAIN_UPLOADS`
    pub plain_uploads: bool,
    /// `DARKROOM_REQUIRE_CONTENT_LENGTH`: whether `POST /images` must state `contentLength`.
    pub require_content_length: bool,
    /// `DARKROOM_DELETE_ORIGINALS_AFTER`: how long after its verdict the sweep removes an original that is superseded or
    /// refused; without it, never. By the shortest time, every upload URL of the image has expired.
    pub delete_originals_after: Option<Duration>,
    /// `DARKROOM_ALLOW_DELETE`: whether anyone who reaches the API may delete images.
    pub allow_delete: bool,
    /// `DARKROOM_CORS_ORIGINS`
    pub cors_origins: Vec<String>,
    /// `DARKROOM_LOG`
    pub log: LogFormat,
    /// Whether this process is a function on AWS Lambda, which sets `AWS_LAMBDA_RUNTIME_API`.
    pub on_lambda: bool,
}

impl Config {
    /// Reads the settings of a role.
    ///
    /// # Errors
    /// With every mistake at once.
    pub fn read(role: Role, environment: &Environment, machine: Machine) -> Result<Loaded, Mistakes> {
        settings::read(role, environment, machine)
    }

    /// The part of the memory budget that holds fetched sources: a quarter, and at least the largest source.
    pub fn source_budget(&self) -> u64 {
        source_budget(self.memory_budget, self.max_bytes)
    }

    /// The part of the memory budget that holds what rendering needs: what the sources leave.
    pub fn render_budget(&self) -> u64 {
        self.memory_budget.saturating_sub(self.source_budget())
    }
}

fn source_budget(memory_budget: u64, max_bytes: u64) -> u64 {
    max_bytes.max(memory_budget / 4)
}
