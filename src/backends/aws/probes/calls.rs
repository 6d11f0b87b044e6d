//! The calls of the probes: each changes nothing, or fails for another reason than a missing permission.

use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;

use super::{Resources, probe};
use crate::backends::Probe;
use crate::backends::aws::errors;
use crate::clock::{Clock as _, SystemClock};
use crate::ports::queue::Receipt;
use crate::ports::{Catalog as _, ErrorKind, ObjectStore as _, Operation, Queue as _};
use crate::record::{Attempt, Change, Guard, ImageId, Transition};

/// The name that the probes use for objects, records and receipts. Nothing is stored under it.
pub(super) const NAME: &str = "darkroom-check";

/// An MD5 that does not match the body: S3 checks the permission first, then rejects the body.
const WRONG_MD5: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

/// A message body that SQS rejects, and a delay one second above its maximum: SQS checks the permission first.
const NO_BODY: &str = "\u{1}";
const TOO_LONG_A_DELAY: i32 = 901;

/// A condition that is always false.
const NEVER: &str = "attribute_exists(#id) AND attribute_not_exists(#id)";

impl Resources<'_> {
    /// Receives one message, if there is one, and releases it.
    pub(super) async fn receive(&self, url: &str) -> [Probe; 2] {
        let queue = self.sqs(url);
        let received = queue.receive(1, Duration::ZERO, Duration::ZERO).await;
        let extended = queue.extend(&[Receipt(NAME.to_owned())], Duration::from_secs(1)).await;
        let extended = extended.into_iter().collect::<Result<(), _>>();
        [
            probe("sqs:ReceiveMessage", url, &received, &[]),
            // SQS rejects the unknown receipt handle only after it has checked the permission.
            probe("sqs:ChangeMessageVisibility", url, &extended, &[ErrorKind::LeaseLost, ErrorKind::Invalid]),
        ]
    }

    pub(super) async fn delete_message(&self, url: &str) -> Probe {
        let deleted = self.sqs(url).delete(&[Receipt(NAME.to_owned())]).await.into_iter().collect::<Result<(), _>>();
        probe("sqs:DeleteMessage", url, &deleted, &[ErrorKind::LeaseLost, ErrorKind::Invalid])
    }

    pub(super) async fn send(&self, url: &str) -> Probe {
        let send = self.clients.sqs.send_message().queue_url(url).message_body(NO_BODY).delay_seconds(TOO_LONG_A_DELAY);
        let sent = send.send().await.map_err(|error| errors::port_error(Operation::QueueSend, &error));
        probe("sqs:SendMessage", url, &sent, &[ErrorKind::Invalid])
    }

    pub(super) async fn uploads(&self) -> [Probe; 3] {
        let (bucket, prefix) = (&self.config.upload_bucket, &self.config.upload_prefix);
        let key = format!("{prefix}{NAME}");
        let old = self.store(bucket).get(&key, Some("null"), 0).await;
        [
            // Without this permission, S3 answers 403 for a missing object, and a deleted upload is retried in vain.
            self.list(bucket, &key).await,
            self.head().await,
            probe("s3:GetObjectVersion", &format!("{bucket}/{prefix}*"), &old, &[ErrorKind::NotFound]),
        ]
    }

    /// Reads a missing upload.
    pub(super) async fn head(&self) -> Probe {
        let (bucket, prefix) = (&self.config.upload_bucket, &self.config.upload_prefix);
        let found = self.store(bucket).get(&format!("{prefix}{NAME}"), None, 0).await;
        probe("s3:GetObject", &format!("{bucket}/{prefix}*"), &found, &[ErrorKind::NotFound])
    }

    pub(super) async fn list(&self, bucket: &str, prefix: &str) -> Probe {
        probe("s3:ListBucket", bucket, &self.store(bucket).list(prefix, None).await, &[])
    }

    pub(super) async fn list_versions(&self, bucket: &str, prefix: &str) -> Probe {
        let key = format!("{prefix}{NAME}");
        probe("s3:ListBucketVersions", bucket, &self.store(bucket).list_versions(&key, None).await, &[])
    }

    /// Puts a body that does not match its MD5.
    pub(super) async fn put(&self, action: &'static str, bucket: &str, key: &str) -> Probe {
        let put = self.clients.s3.put_object().bucket(bucket).key(key).content_md5(WRONG_MD5);
        let put = put.body(ByteStream::from_static(NAME.as_bytes())).send().await;
        let put = put.map_err(|error| errors::port_error(Operation::ObjectsPut, &error));
        probe(action, &format!("{bucket}/{key}"), &put, &[ErrorKind::Damaged, ErrorKind::Invalid])
    }

    /// Deletes a missing object. The delete without a version has a condition, since it would otherwise leave a delete
    /// marker.
    pub(super) async fn delete_objects(&self, bucket: &str, prefix: &str) -> Vec<Probe> {
        // A random name, since an upload may have any name.
        let Ok(id) = ImageId::random() else { return Vec::new() };
        let delete = || self.clients.s3.delete_object().bucket(bucket).key(format!("{prefix}{NAME}-{id}"));
        let [current, version] = [delete().if_match("*"), delete().version_id("null")];
        let [current, version] = [current.send().await, version.send().await]
            .map(|deleted| deleted.map_err(|error| errors::port_error(Operation::ObjectsDelete, &error)));
        let on = format!("{bucket}/{prefix}*");
        let missing = [ErrorKind::NotFound, ErrorKind::Precondition, ErrorKind::Invalid];
        vec![
            probe("s3:DeleteObject", &on, &current, &missing),
            probe("s3:DeleteObjectVersion", &on, &version, &missing),
        ]
    }

    /// Releases a claim that was never made: the condition fails, and nothing is written.
    pub(super) async fn update(&self) -> Probe {
        let action = "dynamodb:UpdateItem";
        let id = match ImageId::parse(NAME) {
            Ok(id) => id,
            Err(_) => return probe(action, &self.aws.table, &Ok(()), &[]),
        };
        let attempt = Attempt { token: NAME.to_owned(), message: NAME.to_owned() };
        let change = Change::Release { error: NAME.to_owned() };
        let at = SystemClock.now();
        let never = Transition { id, key: NAME.to_owned(), attempt, guard: Guard::Hold, change, at };
        // After a failed condition, the catalog may read the record; another probe covers that permission.
        let written = match self.catalog().update(&never).await {
            Err(error) if error.operation == Operation::CatalogLook => Ok(()),
            applied => applied.map(drop),
        };
        probe(action, &self.aws.table, &written, &[])
    }

    pub(super) async fn look(&self) -> Probe {
        let key = AttributeValue::S(NAME.to_owned());
        let get = self.clients.dynamodb.get_item().table_name(&self.aws.table).key("id", key).consistent_read(true);
        let found = get.send().await.map_err(|error| errors::port_error(Operation::CatalogLook, &error));
        probe("dynamodb:GetItem", &self.aws.table, &found, &[])
    }

    pub(super) async fn create(&self) -> Probe {
        let put = self.clients.dynamodb.put_item().table_name(&self.aws.table);
        let put = put.item("id", AttributeValue::S(NAME.to_owned())).condition_expression(NEVER);
        let put = match put.expression_attribute_names("#id", "id").send().await {
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(|error| errors::port_error(Operation::CatalogCreate, &error)),
        };
        probe("dynamodb:PutItem", &self.aws.table, &put, &[])
    }

    pub(super) async fn delete_record(&self) -> Probe {
        let delete = self.clients.dynamodb.delete_item().table_name(&self.aws.table);
        let delete = delete.key("id", AttributeValue::S(NAME.to_owned())).condition_expression(NEVER);
        let deleted = match delete.expression_attribute_names("#id", "id").send().await {
            Err(error)
                if matches!(error.as_service_error(), Some(DeleteItemError::ConditionalCheckFailedException(_))) =>
            {
                Ok(())
            }
            other => other.map(drop).map_err(|error| errors::port_error(Operation::CatalogDelete, &error)),
        };
        probe("dynamodb:DeleteItem", &self.aws.table, &deleted, &[])
    }
}
