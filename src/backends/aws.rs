//! The backend on AWS: messages in SQS, objects in S3, records in DynamoDB.
//!
//! These are thin adapters: `errors` classifies failures, `clients` sets the number of tries, and no type of the SDK is
//! visible outside this module.

mod catalog;
mod clients;
mod errors;
mod integrity;
mod objects;
mod part_checksums;
mod probes;
mod queue;
mod renewal;

use std::sync::Arc;

pub use catalog::DynamoCatalog;
pub use clients::Clients;
pub use objects::S3Store;
pub use queue::SqsQueue;

use super::Probe;
use crate::config::{AwsConfig, Config, Role};
use crate::ports::{Ports, Queue};
use probes::Resources;

/// Why the AWS backend cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Neither the environment, the profile nor the instance metadata sets a region.
    #[error("no AWS region is set: set AWS_REGION, or a region in the profile")]
    NoRegion,
}

/// The ports on AWS.
#[derive(Clone, Copy, Debug)]
pub struct AwsBackend;

impl AwsBackend {
    /// Builds the ports, and those for requests of the API. Calls no service; `darkroom check` does.
    ///
    /// # Errors
    /// When no region is set.
    pub async fn connect(config: &Config, aws: &AwsConfig) -> Result<(Ports, Ports), ConnectError> {
        let (clients, request_clients) = Clients::load_both(config.upload_url_expiry).await?;
        let queue = |url: &Option<String>, variable| -> Arc<dyn Queue> {
            match url {
                Some(url) => Arc::new(SqsQueue::new(clients.sqs.clone(), url.clone())),
                None => Arc::new(queue::UnsetQueue { variable }),
            }
        };
        if aws.queue_url.is_some() && aws.dlq_url.is_none() {
            tracing::warn!("DARKROOM_DLQ_URL is not set: dead letters are not counted");
        }
        let bucket = |clients: &Clients, name: &str| S3Store::new(clients.s3.clone(), name.to_owned());
        let table = |clients: &Clients| DynamoCatalog::new(clients.dynamodb.clone(), aws.table.clone());
        let ports = Ports {
            queue: queue(&aws.queue_url, "DARKROOM_QUEUE_URL"),
            dead_letters: queue(&aws.dlq_url, "DARKROOM_DLQ_URL"),
            uploads: Arc::new(bucket(&clients, &config.upload_bucket)),
            thumbnails: Arc::new(bucket(&clients, &config.thumbnail_bucket)),
            catalog: Arc::new(table(&clients)),
        };
        let request_ports = Ports {
            uploads: Arc::new(bucket(&request_clients, &config.upload_bucket).interactive()),
            thumbnails: Arc::new(bucket(&request_clients, &config.thumbnail_bucket).interactive()),
            catalog: Arc::new(table(&request_clients).interactive()),
            ..ports.clone()
        };
        Ok((ports, request_ports))
    }

    /// Tries every permission that a role needs, with calls that change nothing.
    ///
    /// # Errors
    /// When no region is set.
    pub async fn probe(
        config: &Config,
        aws: &AwsConfig,
        role: Role,
        with_store: bool,
    ) -> Result<Vec<Probe>, ConnectError> {
        let clients = Clients::load_for_check().await?;
        let resources = Resources { clients: &clients, config, aws };
        let mut probes = match role {
            Role::Api => resources.api().await,
            Role::Worker => resources.worker().await,
            Role::Operator => resources.operator().await,
            Role::Sweep => resources.sweep().await,
            Role::Backfill => resources.backfill().await,
            Role::Images => resources.images().await,
            Role::Health => Vec::new(),
            Role::Local => {
                let mut probes = resources.worker().await;
                probes.extend(resources.api().await);
                probes
            }
        };
        if with_store {
            probes.extend(resources.capabilities().await);
        }
        Ok(probes)
    }
}
