//! Typed settings, read from the environment: every mistake is reported at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::recipe::Recipe;

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
    /// `DARKROOM_MAX_RECEIVES`: receives before a message becomes a dead letter, 1 to 1,000.
    pub max_receives: u32,
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
    /// `DARKROOM_ADMIN_LISTEN`
    pub admin_listen: SocketAddr,
    /// `DARKROOM_RENDER_SLOTS`: images rendered at once.
    pub render_slots: usize,
    /// `DARKROOM_MEMORY_BUDGET` in bytes.
    pub memory_budget: u64,
    /// `DARKROOM_MAX_BYTES`
    pub max_bytes: u64,
    /// `DARKROOM_MAX_PIXELS`
    pub max_pixels: u64,
    /// How long rendering one image may take.
    pub render_timeout: Duration,
    /// `DARKROOM_VISIBILITY_TIMEOUT`
    pub visibility_timeout: Duration,
    /// `DARKROOM_DRAIN_TIMEOUT`
    pub drain_timeout: Duration,
    /// `DARKROOM_UPLOAD_URL_EXPIRY`
    pub upload_url_expiry: Duration,
    /// `DARKROOM_PLAIN_UPLOADS`
    pub plain_uploads: bool,
    /// `DARKROOM_CORS_ORIGINS`
    pub cors_origins: Vec<String>,
    /// `DARKROOM_LOG`
    pub log: LogFormat,
}
