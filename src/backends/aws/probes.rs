//! Tries every permission that a role needs, by calls that change nothing.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use std::time::Duration;

use super::{Clients, DynamoCatalog, S3Store, SqsQueue, errors};
use crate::backends::Probe;
use crate::clock::{Clock as _, SystemClock};
use crate::config::{AwsConfig, Config};
use crate::ports::queue::Receipt;
use crate::ports::{Catalog as _, ErrorKind, ObjectStore as _, Operation, PortError, Queue as _};
use crate::recipe::THUMBNAIL_PREFIX;
use crate::record::{Attempt, Change, Guard, ImageId, Transition};

/// The name of whatever the probes pretend to read and write. Nothing of that name is ever stored.
const NAME: &str = "darkroom-check";

/// The MD5 of no body that is ever sent: S3 checks the permission first, then refuses the body.
const WRONG_MD5: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// The resources of one installation.
pub(super) struct Resources<'a> {
    pub(super) clients: &'a Clients,
    pub(super) config: &'a Config,
    pub(super) aws: &'a AwsConfig,
}

impl Resources<'_> {
    /// What a worker needs. Its receive costs one message, if there is one, one of its receives.
    pub(super) async fn worker(&self) -> Vec<Probe> {
        let mut probes = Vec::new();
        if let Some(url) = &self.aws.queue_url {
            probes.extend(self.queue(url).await);
        }
        if let Some(url) = &self.aws.dlq_url {
            let depths = SqsQueue::new(self.clients.sqs.clone(), url.clone()).attributes().await;
            probes.push(probe("sqs:GetQueueAttributes", url, &depths, &[]));
        }
        probes.extend(self.uploads().await);
        let key = format!("{THUMBNAIL_PREFIX}{NAME}");
        probes.push(self.put("s3:PutObject", &self.config.thumbnail_bucket, &key).await);
        probes.extend(self.records().await);
        probes
    }

    /// What the API needs; its signatures carry its own rights to clients.
    pub(super) async fn api(&self) -> Vec<Probe> {
        let upload_key = format!("{}{NAME}", self.config.upload_prefix);
        let mut probes = vec![self.put("s3:PutObject", &self.config.upload_bucket, &upload_key).await];
        if self.config.public_url.is_none() {
            let store = S3Store::new(self.clients.s3.clone(), self.config.thumbnail_bucket.clone());
            let found = store.get(&format!("{THUMBNAIL_PREFIX}{NAME}"), None, 0).await;
            let on = format!("{}/{THUMBNAIL_PREFIX}*", self.config.thumbnail_bucket);
            probes.push(probe("s3:GetObject", &on, &found, &[ErrorKind::NotFound]));
        }
        probes.push(self.create().await);
        probes.push(self.look().await);
        probes
    }

    async fn queue(&self, url: &str) -> Vec<Probe> {
        let queue = SqsQueue::new(self.clients.sqs.clone(), url.to_owned());
        let unknown = [Receipt(NAME.to_owned())];
        let received = queue.receive(1, Duration::ZERO, Duration::ZERO).await;
        let extended = queue.extend(&unknown, Duration::from_secs(1)).await.into_iter().collect::<Result<(), _>>();
        let deleted = queue.delete(&unknown).await.into_iter().collect::<Result<(), _>>();
        // What SQS says of a receipt that it never gave: the call was allowed, or it would not have looked.
        let unknown = [ErrorKind::LeaseLost, ErrorKind::Invalid];
        vec![
            probe("sqs:GetQueueAttributes", url, &queue.attributes().await, &[]),
            probe("sqs:ReceiveMessage", url, &received, &[]),
            probe("sqs:ChangeMessageVisibility", url, &extended, &unknown),
            probe("sqs:DeleteMessage", url, &deleted, &unknown),
        ]
    }

    async fn uploads(&self) -> Vec<Probe> {
        let store = S3Store::new(self.clients.s3.clone(), self.config.upload_bucket.clone());
        let (bucket, prefix) = (&self.config.upload_bucket, &self.config.upload_prefix);
        let key = format!("{prefix}{NAME}");
        let objects = format!("{bucket}/{prefix}*");
        let missing = [ErrorKind::NotFound];
        vec![
            // Without it a missing object answers like a forbidden one, and a vanished upload is retried for nothing.
            probe("s3:ListBucket", bucket, &store.list(&key, None).await, &[]),
            probe("s3:GetObject", &objects, &store.get(&key, None, 0).await, &missing),
            probe("s3:GetObjectVersion", &objects, &store.get(&key, Some("null"), 0).await, &missing),
        ]
    }

    /// A put whose body cannot match its digest.
    async fn put(&self, action: &'static str, bucket: &str, key: &str) -> Probe {
        let put = self.clients.s3.put_object().bucket(bucket).key(key).content_md5(WRONG_MD5);
        let put = put.body(ByteStream::from_static(NAME.as_bytes())).send().await;
        let put = put.map_err(|error| errors::port_error(Operation::ObjectsPut, error));
        probe(action, &format!("{bucket}/{key}"), &put, &[ErrorKind::Damaged, ErrorKind::Invalid])
    }

    async fn records(&self) -> Vec<Probe> {
        let catalog = DynamoCatalog::new(self.clients.dynamodb.clone(), self.aws.table.clone());
        let Ok(id) = ImageId::parse(NAME) else { return Vec::new() };
        // A claim that nobody ever made is not held: the condition fails, and nothing is written.
        let attempt = Attempt { token: NAME.to_owned(), message: NAME.to_owned() };
        let change = Change::Release { error: NAME.to_owned() };
        let at = SystemClock.now();
        let never = Transition { id, key: NAME.to_owned(), attempt, guard: Guard::Hold, change, at };
        // A refused write reads the record: that call has a probe of its own.
        let written = match catalog.apply(&never).await {
            Err(error) if error.operation == Operation::CatalogLook => Ok(()),
            applied => applied.map(drop),
        };
        vec![probe("dynamodb:UpdateItem", &self.aws.table, &written, &[]), self.look().await]
    }

    async fn look(&self) -> Probe {
        let key = AttributeValue::S(NAME.to_owned());
        let get = self.clients.dynamodb.get_item().table_name(&self.aws.table).key("id", key).consistent_read(true);
        let found = get.send().await.map_err(|error| errors::port_error(Operation::CatalogLook, error));
        probe("dynamodb:GetItem", &self.aws.table, &found, &[])
    }

    /// A put under a condition that no record can meet.
    async fn create(&self) -> Probe {
        let put = self.clients.dynamodb.put_item().table_name(&self.aws.table);
        let put = put.item("id", AttributeValue::S(NAME.to_owned()));
        let put = put.condition_expression("attribute_exists(#id) AND attribute_not_exists(#id)");
        let put = put.expression_attribute_names("#id", "id").send().await;
        let put = match put {
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(|error| errors::port_error(Operation::CatalogCreate, error)),
        };
        probe("dynamodb:PutItem", &self.aws.table, &put, &[])
    }
}

/// A call with what it answers when it is allowed, besides success.
fn probe<T>(action: &'static str, on: &str, answer: &Result<T, PortError>, allowed: &[ErrorKind]) -> Probe {
    let trouble = match answer {
        Err(error) if !allowed.contains(&error.kind) => Some(in_words(error)),
        _ => None,
    };
    Probe { action, on: on.to_owned(), trouble }
}

/// An error and its sources in one line.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words = format!("{words}: {cause}");
        source = cause.source();
    }
    words
}
