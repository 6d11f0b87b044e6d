//! Typed settings from the environment. All mistakes are reported at once.

mod base_path;
mod machine;
mod public_url;
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

pub use base_path::BasePath;
pub use machine::Machine;
pub use public_url::PublicUrl;
pub use reader::{Environment, SettingError, SettingErrors};
pub(crate) use settings::{LONGEST_RENDER, LONGEST_UPLOAD_EXPIRY};
pub use tokens::ApiTokens;

/// The role of a process. It determines which settings are required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// API and worker in one process, on a directory.
    Local,
    /// Drains the queue.
    Worker,
    /// Answers clients.
    Api,
    /// Checks whether another process is alive. Needs only the admin address of that process.
    Health,
    /// Manages dead letters.
    Operator,
    /// Repairs stuck images.
    Sweep,
    /// Puts existing objects into the queue.
    Backfill,
    /// Lists the catalog's records.
    Images,
}

/// Valid settings, and warnings about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loaded {
    /// The settings.
    pub config: Config,
    /// One line each, for the log.
    pub warnings: Vec<String>,
}

/// Where queue, objects and catalog are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendConfig {
    /// SQS, S3 and DynamoDB.
    Aws(AwsConfig),
    /// A directory on this machine.
    Local(LocalConfig),
}

/// The names of the AWS resources. Region, credentials and endpoint come from the SDK's default chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsConfig {
    /// `DARKROOM_TABLE`
    pub table: String,
    /// `DARKROOM_QUEUE_URL`; not needed by the API.
    pub queue_url: Option<String>,
    /// `DARKROOM_DLQ_URL`; needed only by the operator's commands.
    pub dlq_url: Option<String>,
}

/// The local backend's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalConfig {
    /// `DARKROOM_DIR`: the directory for the database and the objects; created if it is missing.
    pub dir: PathBuf,
    /// `DARKROOM_DIR_GROUP`: the id of the group that shares the directory. If unset, only the owner has access.
    pub dir_group: Option<u32>,
    /// `DARKROOM_MIN_FREE_SPACE`: bytes of disk space that uploads must leave free. If unset, 1 GiB, or 5% of a smaller
    /// disk.
    pub min_free_space: Option<u64>,
    /// `DARKROOM_MAX_STORED_BYTES`: the total size of uploads and thumbnails at which further uploads are rejected.
    pub max_stored_bytes: Option<u64>,
    /// `DARKROOM_MAX_RECEIVES`: receives before a message becomes a dead letter, 1 to 1,000.
    pub max_receives: u32,
    /// `DARKROOM_OUTCOMES`: whether to write each verdict to the file `outcomes.jsonl` in the directory.
    pub tells_outcomes: bool,
}

impl LocalConfig {
    /// The default settings for a directory.
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

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// All settings of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `DARKROOM_BACKEND` and its settings.
    pub backend: BackendConfig,
    /// `DARKROOM_UPLOAD_BUCKET`
    pub upload_bucket: String,
    /// `DARKROOM_UPLOAD_PREFIX`: ends in `/` or is empty.
    pub upload_prefix: String,
    /// `DARKROOM_THUMBNAIL_BUCKET`
    pub thumbnail_bucket: String,
    /// `DARKROOM_BASE_PATH`: the path under which a proxy or a gateway serves the API.
    pub base_path: BasePath,
    /// `DARKROOM_PUBLIC_URL`: the base URL of thumbnails, without a trailing slash. If unset, their URLs are presigned.
    pub public_url: Option<PublicUrl>,
    /// `DARKROOM_SIZES`
    pub recipe: Recipe,
    /// `DARKROOM_LISTEN`
    pub listen: SocketAddr,
    /// The source of `listen`: `DARKROOM_LISTEN`, or the argument that replaces it.
    pub listen_setting: &'static str,
    /// `DARKROOM_ADMIN_LISTEN`
    pub admin_listen: SocketAddr,
    /// The source of `admin_listen`: `DARKROOM_ADMIN_LISTEN`, or the argument that replaces it.
    pub admin_listen_setting: &'static str,
    /// `DARKROOM_MAX_CONNECTIONS`: the connection limit of the API's listener.
    pub max_connections: usize,
    /// `DARKROOM_ALLOWED_HOSTS`: accepted host names besides those of the loopback, in lower case.
    pub allowed_hosts: Vec<String>,
    /// `DARKROOM_TRUSTED_PROXIES`: peers whose `X-Forwarded-*` headers are trusted, besides those on this machine.
    pub trusted_proxies: Vec<IpNet>,
    /// `DARKROOM_API_TOKEN` or `DARKROOM_API_TOKEN_FILE`: without a token, any client may call the API.
    pub api_tokens: ApiTokens,
    /// `DARKROOM_JWT_AUTHORIZER`: whether a gateway in front of the API validates JSON web tokens.
    pub has_jwt_authorizer: bool,
    /// `DARKROOM_RENDER_SLOTS`: the number of images rendered at once.
    pub render_slots: usize,
    /// `DARKROOM_MEMORY_BUDGET` in bytes.
    pub memory_budget: u64,
    /// `DARKROOM_MAX_BYTES`
    pub max_bytes: u64,
    /// `DARKROOM_MAX_PIXELS`
    pub max_pixels: u64,
    /// `DARKROOM_RENDER_TIMEOUT`: the longest time to render one image.
    pub render_timeout: Duration,
    /// `DARKROOM_VISIBILITY_TIMEOUT`
    pub visibility_timeout: Duration,
    /// `DARKROOM_DRAIN_TIMEOUT`
    pub drain_timeout: Duration,
    /// `DARKROOM_UPLOAD_URL_EXPIRY`
    pub upload_url_expiry: Duration,
    /// `DARKROOM_MIN_UPLOAD_RATE`: the lowest rate of an upload to the local backend, in bytes per second. Slower
    /// uploads are aborted.
    pub min_upload_rate: u64,
    /// `DARKROOM_PLAIN_UPLOADS`
    pub plain_uploads: bool,
    /// `DARKROOM_REQUIRE_CONTENT_LENGTH`: whether `POST /images` must state `contentLength`.
    pub require_content_length: bool,
    /// `DARKROOM_REQUIRE_CHECKSUM`: whether `POST /images` must state `checksumSha256`.
    pub require_checksum: bool,
    /// `DARKROOM_DELETE_ORIGINALS_AFTER`: how long after its verdict the sweep deletes an original that is superseded
    /// or refused. If unset, never. The minimum is long enough that every upload URL of the image has expired.
    pub delete_originals_after: Option<Duration>,
    /// `DARKROOM_ALLOW_DELETE`: whether any client of the API may delete images.
    pub allow_delete: bool,
    /// `DARKROOM_CORS_ORIGINS`
    pub cors_origins: Vec<String>,
    /// `DARKROOM_LOG`
    pub log: LogFormat,
    /// Whether this process is an AWS Lambda function: Lambda sets `AWS_LAMBDA_RUNTIME_API`.
    pub on_lambda: bool,
}

impl Config {
    /// Reads the settings of a role.
    ///
    /// # Errors
    /// All mistakes at once.
    pub fn read(role: Role, environment: &Environment, machine: Machine) -> Result<Loaded, SettingErrors> {
        settings::read(role, environment, machine)
    }

    /// The part of the memory budget for fetched sources: a quarter, and at least the largest source.
    pub fn source_budget(&self) -> u64 {
        source_budget(self.memory_budget, self.max_bytes)
    }

    /// The part of the memory budget for rendering: the rest after the sources.
    pub fn render_budget(&self) -> u64 {
        self.memory_budget.saturating_sub(self.source_budget())
    }
}

fn source_budget(memory_budget: u64, max_bytes: u64) -> u64 {
    max_bytes.max(memory_budget / 4)
}
