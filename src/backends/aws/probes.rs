//! Tries every permission that a role needs, with calls that change nothing, and checks the bucket notification.

mod calls;
mod notification;
mod redrive;
mod store;

use super::{Clients, DynamoCatalog, S3Store, SqsQueue};
use crate::backends::{Finding, Probe};
use crate::config::{AwsConfig, Config};
use crate::ports::{Catalog as _, ErrorKind, ObjectStore as _, PortError, Queue as _};
use crate::recipe::THUMBNAIL_PREFIX;
use calls::NAME;

/// The resources of one installation.
pub(super) struct Resources<'a> {
    pub(super) clients: &'a Clients,
    pub(super) config: &'a Config,
    pub(super) aws: &'a AwsConfig,
}

impl Resources<'_> {
    /// The permissions of a worker. The probe receives a message, if there is one, which increases its receive count.
    pub(super) async fn worker(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        if let Some(url) = &self.aws.queue_url {
            probes.push(self.depth(url).await);
            probes.extend(self.receive(url).await);
            probes.push(self.delete_message(url).await);
        }
        if let Some(url) = &self.aws.dlq_url {
            probes.push(self.depth(url).await);
        }
        probes.extend(self.uploads().await);
        let key = format!("{THUMBNAIL_PREFIX}{NAME}");
        probes.push(self.put("s3:PutObject", &self.config.thumbnail_bucket, &key).await);
        probes.extend([self.update().await, self.look().await]);
        probes.extend(self.redrive_policy().await);
        probes.extend(self.notification().await);
        probes
    }

    /// The permissions of the API. Presigned URLs give clients the API's permissions.
    pub(super) async fn api(&self) -> Vec<Probe> {
        let Config { upload_bucket, upload_prefix, thumbnail_bucket, .. } = self.config;
        let upload_key = format!("{upload_prefix}{NAME}");
        let mut probes = vec![self.put("s3:PutObject", upload_bucket, &upload_key).await];
        if self.config.public_url.is_none() {
            let found = self.store(thumbnail_bucket).get(&format!("{THUMBNAIL_PREFIX}{NAME}"), None, 0).await;
            let on = format!("{thumbnail_bucket}/{THUMBNAIL_PREFIX}*");
            probes.push(probe("s3:GetObject", &on, &found, &[ErrorKind::NotFound]));
        }
        probes.push(self.create().await);
        probes.push(self.look().await);
        if self.config.allow_delete {
            probes.push(self.update().await);
            probes.push(self.list(thumbnail_bucket, THUMBNAIL_PREFIX).await);
            for (bucket, prefix) in [(upload_bucket, &**upload_prefix), (thumbnail_bucket, THUMBNAIL_PREFIX)] {
                probes.push(self.list_versions(bucket, prefix).await);
                probes.extend(self.delete_objects(bucket, prefix).await);
            }
        }
        probes.extend(self.notification().await);
        probes
    }

    /// The permissions of `darkroom dlq`.
    pub(super) async fn operator(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        if let Some(url) = &self.aws.dlq_url {
            probes.push(self.depth(url).await);
            probes.extend(self.receive(url).await);
            probes.push(self.delete_message(url).await);
        }
        if let Some(url) = &self.aws.queue_url {
            probes.push(self.send(url).await);
        }
        probes.push(self.look().await);
        probes.extend(self.redrive_policy().await);
        probes.extend(self.notification().await);
        probes
    }

    /// The permissions of `darkroom sweep`.
    pub(super) async fn sweep(&self) -> Vec<Probe> {
        let Config { upload_bucket, upload_prefix, thumbnail_bucket, .. } = self.config;
        let mut probes = Vec::new();
        if let Some(url) = &self.aws.queue_url {
            probes.extend([self.depth(url).await, self.send(url).await]);
        }
        if let Some(url) = &self.aws.dlq_url {
            probes.extend(self.receive(url).await);
        }
        probes.extend([self.scan().await, self.look().await, self.update().await, self.delete_record().await]);
        probes.extend([self.list(upload_bucket, upload_prefix).await, self.head().await]);
        probes.push(self.list(thumbnail_bucket, THUMBNAIL_PREFIX).await);
        probes.push(self.list_versions(thumbnail_bucket, THUMBNAIL_PREFIX).await);
        probes.extend(self.delete_objects(thumbnail_bucket, THUMBNAIL_PREFIX).await);
        if self.config.delete_originals_after.is_some() {
            probes.push(self.list_versions(upload_bucket, upload_prefix).await);
            probes.extend(self.delete_objects(upload_bucket, upload_prefix).await);
        }
        probes.extend(self.redrive_policy().await);
        probes.extend(self.notification().await);
        probes
    }

    /// The permissions of `darkroom backfill`.
    pub(super) async fn backfill(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        if let Some(url) = &self.aws.queue_url {
            probes.extend([self.depth(url).await, self.send(url).await]);
        }
        probes.push(self.list(&self.config.upload_bucket, &self.config.upload_prefix).await);
        probes.extend([self.head().await, self.look().await]);
        probes.extend(self.notification().await);
        probes
    }

    /// The permissions of `darkroom images`.
    pub(super) async fn images(&self) -> Vec<Probe> {
        vec![self.scan().await, self.look().await]
    }

    fn store(&self, bucket: &str) -> S3Store {
        S3Store::new(self.clients.s3.clone(), bucket.to_owned())
    }

    fn sqs(&self, url: &str) -> SqsQueue {
        SqsQueue::new(self.clients.sqs.clone(), url.to_owned())
    }

    fn catalog(&self) -> DynamoCatalog {
        DynamoCatalog::new(self.clients.dynamodb.clone(), self.aws.table.clone())
    }

    async fn depth(&self, url: &str) -> Probe {
        probe("sqs:GetQueueAttributes", url, &self.sqs(url).attributes().await, &[])
    }

    async fn scan(&self) -> Probe {
        probe("dynamodb:Scan", &self.aws.table, &self.catalog().scan(None).await, &[])
    }
}

/// The probe of one call. It works if the call succeeds or fails with a kind in `allowed`.
fn probe<T>(action: &'static str, on: &str, answer: &Result<T, PortError>, allowed: &[ErrorKind]) -> Probe {
    let finding = match answer {
        Err(error) if !allowed.contains(&error.kind) => Finding::Fails(error.chain()),
        _ => Finding::Works,
    };
    Probe { action, on: on.to_owned(), finding }
}
