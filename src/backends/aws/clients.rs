//! Builds the SDK's clients, and sets the timeouts and retries of each operation.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};

use super::integrity::VerifyAnswers;
use super::part_checksums::RemovePartChecksums;
use super::{ConnectError, renewal};

/// The timeout and the number of attempts of one operation. The SDK backs off exponentially with full jitter between
/// attempts.
#[derive(Clone, Copy, Debug)]
pub(super) struct RetryPolicy {
    attempts: u32,
    attempt_timeout: Duration,
    first_backoff: Duration,
    /// Timeout of all attempts together.
    total: Option<Duration>,
}

/// What kind of caller waits for a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// A worker or a command: a late success is better than a failure.
    Background,
    /// A client of the API: an error within two seconds is better than a later answer.
    Interactive,
}

/// A poll lasts up to `wait`, and its response must still arrive: if the client gives up, the messages stay invisible
/// for their whole timeout. A stop waits for a poll in flight, so the margin is small. Not retried: the receive loop
/// has its own backoff and must see every failure, or both would probe during an outage.
pub(super) fn receive(wait: Duration) -> RetryPolicy {
    RetryPolicy { attempt_timeout: wait + POLL_MARGIN, ..RetryPolicy::new(1, 0) }
}

/// How long after `wait` the response may arrive. Together with a worker's `wait`, it is less than the ten seconds that
/// `docker stop` waits.
const POLL_MARGIN: Duration = Duration::from_secs(5);

/// Settling is idempotent, and a lost delete costs a whole redelivery.
pub(super) const SETTLE: RetryPolicy = RetryPolicy::new(4, 5_000);

/// A heartbeat needs its response well within a third of the shortest visibility timeout. So the attempts are short:
/// the next heartbeat is another retry.
pub(super) const EXTEND: RetryPolicy = RetryPolicy::new(3, 1_500);

/// A retry may send a message twice; consumers handle duplicates anyway.
pub(super) const SEND: RetryPolicy = RetryPolicy::new(3, 5_000);

/// Covers the time to the response headers; `objects::body` limits the body.
pub(super) const READ_OBJECT: RetryPolicy = RetryPolicy::new(4, 10_000);

/// A put is idempotent: the same bytes under the same immutable key.
pub(super) const WRITE_OBJECT: RetryPolicy = RetryPolicy::new(4, 20_000);

/// A conditional write detects its own earlier success by its token, and a read changes nothing.
pub(super) const RECORD: RetryPolicy = RetryPolicy::new(4, 3_000);

/// A new record has no token to distinguish its own earlier success from another writer's record, so
/// `DynamoCatalog::create` retries and compares.
pub(super) const CREATE: RetryPolicy = RetryPolicy::new(1, 3_000);

/// How long one call of `darkroom check` may take.
const CHECK_TIMEOUT: Duration = Duration::from_secs(5);

/// For reading the state of a queue.
pub(super) const INSPECT: RetryPolicy = RetryPolicy::new(3, 5_000);

impl RetryPolicy {
    const fn new(attempts: u32, attempt_timeout_millis: u64) -> Self {
        Self {
            attempts,
            attempt_timeout: Duration::from_millis(attempt_timeout_millis),
            first_backoff: Duration::from_secs(1),
            total: None,
        }
    }

    /// The policy for this kind of caller. An interactive call has time for a second attempt if the first has no
    /// response within a second, which is enough to open a connection.
    pub(super) fn for_caller(self, urgency: Urgency) -> Self {
        match urgency {
            Urgency::Background => self,
            Urgency::Interactive => Self {
                attempts: self.attempts.min(2),
                attempt_timeout: self.attempt_timeout.min(Duration::from_secs(1)),
                first_backoff: Duration::from_millis(100),
                total: Some(Duration::from_millis(1700)),
            },
        }
    }

    fn retries(self) -> RetryConfig {
        RetryConfig::standard()
            .with_max_attempts(self.attempts)
            .with_initial_backoff(self.first_backoff)
            .with_max_backoff(Duration::from_secs(2))
    }

    fn timeouts(self) -> TimeoutConfig {
        let mut timeouts = TimeoutConfig::builder();
        timeouts.set_operation_attempt_timeout(Some(self.attempt_timeout)).set_operation_timeout(self.total);
        timeouts.build()
    }

    /// The policy as a config override for one SQS call.
    pub(super) fn sqs(self) -> aws_sdk_sqs::config::Builder {
        aws_sdk_sqs::Config::builder().retry_config(self.retries()).timeout_config(self.timeouts())
    }

    /// The policy as a config override for one S3 call.
    pub(super) fn s3(self) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::Config::builder().retry_config(self.retries()).timeout_config(self.timeouts())
    }

    /// The policy as a config override for one DynamoDB call.
    pub(super) fn dynamodb(self) -> aws_sdk_dynamodb::config::Builder {
        aws_sdk_dynamodb::Config::builder().retry_config(self.retries()).timeout_config(self.timeouts())
    }
}

/// The clients of the three services, which share credentials.
#[derive(Clone, Debug)]
pub struct Clients {
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// S3.
    pub s3: aws_sdk_s3::Client,
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
}

impl Clients {
    /// Clients with the SDK's default chain: credentials, region and `AWS_ENDPOINT_URL` from the environment, profiles,
    /// or the role of the container or instance.
    ///
    /// # Errors
    /// When no region is set.
    pub async fn load() -> Result<Self, ConnectError> {
        Ok(Self::from_config(&sdk_config(TimeoutConfig::builder().build()).await?))
    }

    /// As [`Self::load`], and a second set of clients for requests of the API, whose URLs stay valid for
    /// `signature_life` if the role's sessions are long enough.
    ///
    /// # Errors
    /// When no region is set.
    pub(super) async fn load_both(signature_life: Duration) -> Result<(Self, Self), ConnectError> {
        let shared = sdk_config(TimeoutConfig::builder().build()).await?;
        Ok((Self::from_config(&shared), Self::from_config(&renewal::early(&shared, signature_life))))
    }

    /// As [`Self::load`], for `darkroom check`: no call takes longer than `CHECK_TIMEOUT`, its retries included.
    ///
    /// # Errors
    /// When no region is set anywhere.
    pub async fn load_for_check() -> Result<Self, ConnectError> {
        Ok(Self::from_config(&sdk_config(TimeoutConfig::builder().operation_timeout(CHECK_TIMEOUT).build()).await?))
    }

    /// Clients with an existing SDK configuration.
    pub fn from_config(shared: &SdkConfig) -> Self {
        // A custom endpoint (an emulator, a VPC endpoint) seldom has a DNS name per bucket.
        let has_own_endpoint = shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let s3 = aws_sdk_s3::config::Builder::from(shared)
            .force_path_style(has_own_endpoint)
            .interceptor(RemovePartChecksums)
            .build();
        let dynamodb = aws_sdk_dynamodb::config::Builder::from(shared).interceptor(VerifyAnswers).build();
        Self {
            sqs: aws_sdk_sqs::Client::new(shared),
            s3: aws_sdk_s3::Client::from_conf(s3),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb),
        }
    }
}

async fn sdk_config(timeouts: TimeoutConfig) -> Result<SdkConfig, ConnectError> {
    let shared = aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts).load().await;
    if shared.region().is_none() {
        return Err(ConnectError::NoRegion);
    }
    Ok(shared)
}
