//! One S3 bucket: verified reads, puts, presigned URLs, listings, deletes.

mod body;
mod sign;
mod versions;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::RequestChecksumCalculation;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_sdk_s3::types::EncodingType;
use bytes::Bytes;

use super::clients::{READ_OBJECT, Urgency, WRITE_OBJECT};
use super::errors;
use crate::clock::Timestamp;
use crate::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadOptions, VersionCursor, VersionPage};
use crate::ports::{ErrorKind, ObjectStore, Operation, PortError};
use crate::record::SourceId;

/// How often a body is read before the object counts as damaged.
const READS: u32 = 4;

/// Pause before the second read; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// What to do about a store that does not take the checksum that the SDK adds to a PUT.
const NO_CHECKSUMS: &str = "if the store does not take checksums, set AWS_REQUEST_CHECKSUM_CALCULATION=when_required";

/// One bucket.
pub struct S3Store {
    client: Client,
    bucket: String,
    urgency: Urgency,
}

impl S3Store {
    /// Uses the bucket named `bucket`.
    pub fn new(client: Client, bucket: String) -> Self {
        Self { client, bucket, urgency: Urgency::Background }
    }

    /// The same bucket for calls that a client of the API waits for: fewer and shorter tries.
    pub fn interactive(self) -> Self {
        Self { urgency: Urgency::Interactive, ..self }
    }

    /// Starts reading an object; the caller reads the body.
    async fn open(&self, key: &str, version: Option<&str>) -> Result<GetObjectOutput, PortError> {
        let read = async |version: Option<&str>| {
            let call = self.client.get_object().bucket(&self.bucket).key(key);
            let call = call.set_version_id(version.map(str::to_owned));
            call.customize().config_override(READ_OBJECT.for_caller(self.urgency).s3()).send().await
        };
        let answer = match read(version).await {
            // In a store without versions, the current object is the only one.
            Err(error) if version.is_some() && errors::is_not_implemented(&error) => read(None).await,
            answer => answer,
        };
        answer.map_err(|error| {
            let service = error.as_service_error();
            let code = service.and_then(|error| error.meta().code());
            let is_no_version =
                service.and_then(|error| error.meta().message()).is_some_and(|text| text.contains("version id"));
            let kind = match (code, version) {
                // The version is a delete marker, or the version id is invalid.
                (Some("MethodNotAllowed"), Some(_)) => ErrorKind::NotFound,
                (Some("InvalidArgument"), Some(_)) if is_no_version => ErrorKind::NotFound,
                // A 404 without S3's error code comes from another service. Acting on it would drop an upload that
                // exists.
                (Some("NotFound"), _) => ErrorKind::Denied,
                _ => errors::kind(&error),
            };
            errors::port_error_of_kind(kind, Operation::ObjectsGet, &error).on(&self.bucket)
        })
    }

    /// One page of the current objects under a prefix, after the key `after`.
    async fn objects(
        &self,
        operation: Operation,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<ListObjectsV2Output, PortError> {
        let call = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            // XML cannot represent every character of a key.
            .encoding_type(EncodingType::Url)
            .set_start_after(after.map(str::to_owned));
        let answer = call.customize().config_override(READ_OBJECT.for_caller(self.urgency).s3()).send().await;
        answer.map_err(|error| errors::port_error(operation, &error).on(&self.bucket))
    }
}

#[async_trait]
impl ObjectStore for S3Store {
    async fn check_bucket(&self, prefix: &str) -> Result<(), PortError> {
        // HeadBucket responds without a body, so it cannot distinguish a missing bucket from an endpoint that is not
        // S3.
        let call = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).max_keys(1);
        let answer = call.customize().config_override(READ_OBJECT.s3()).send().await;
        answer.map(|_| ()).map_err(|error| {
            let code = error.as_service_error().and_then(|error| error.meta().code());
            let kind = if code == Some("NoSuchBucket") { ErrorKind::NotFound } else { errors::kind(&error) };
            errors::port_error_of_kind(kind, Operation::ObjectsList, &error).on(&self.bucket)
        })
    }

    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError> {
        let mut last_read = None;
        let mut pause = FIRST_PAUSE;
        for read in 1.. {
            let answer = self.open(key, version).await?;
            let info = info(&answer)?;
            if info.bytes > limit_bytes {
                return Ok(Fetched::TooLarge(info));
            }
            match body::read(answer, limit_bytes, &mut last_read).await {
                Ok(Some(bytes)) => {
                    return Ok(Fetched::Whole(ObjectInfo { bytes: bytes.len() as u64, ..info }, bytes));
                }
                // If the length is not stated, it is only known to exceed the limit.
                Ok(None) => return Ok(Fetched::TooLarge(ObjectInfo { bytes: limit_bytes + 1, ..info })),
                Err(error) if read == READS => {
                    return Err(PortError::with_source(ErrorKind::Damaged, Operation::ObjectsGet, error));
                }
                Err(error) => tracing::debug!(object.key = key, %error, read, "reading a body again"),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        Err(PortError::new(ErrorKind::Damaged, Operation::ObjectsGet))
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError> {
        let call = self.client.head_object().bucket(&self.bucket).key(key);
        let head = call.customize().config_override(READ_OBJECT.for_caller(self.urgency).s3()).send().await;
        let head = head.map_err(|error| errors::port_error(Operation::ObjectsHead, &error).on(&self.bucket))?;
        let etag = head.e_tag.as_deref().ok_or_else(|| PortError::new(ErrorKind::Damaged, Operation::ObjectsHead))?;
        Ok(ObjectInfo {
            src: SourceId::new(head.version_id.as_deref(), etag),
            bytes: bytes(head.content_length),
            content_type: head.content_type.clone(),
            modified_at: timestamp(head.last_modified),
        })
    }

    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache_control: &str) -> Result<(), PortError> {
        // The SDK adds a CRC of the bytes, and S3 rejects a body that does not match it.
        let call = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .cache_control(cache_control)
            .body(ByteStream::from(bytes));
        let put = call.customize().config_override(WRITE_OBJECT.for_caller(self.urgency).s3()).send().await;
        let has_checksum =
            self.client.config().request_checksum_calculation() != Some(&RequestChecksumCalculation::WhenRequired);
        put.map(|_| ()).map_err(|error| {
            // Of all that this call asks for, the checksum is what not every store has.
            if has_checksum && (errors::is_not_implemented(&error) || errors::is_checksum_refused(&error)) {
                return errors::port_error_with_advice(Operation::ObjectsPut, &error, NO_CHECKSUMS);
            }
            errors::port_error(Operation::ObjectsPut, &error).on(&self.bucket)
        })
    }

    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError> {
        sign::upload(self.client.put_object().bucket(&self.bucket).key(key), options).await
    }

    async fn sign_download(&self, key: &str, signed_at: Timestamp, valid_for: Duration) -> Result<String, PortError> {
        sign::download(self.client.get_object().bucket(&self.bucket).key(key), signed_at, valid_for).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        let answer = self.objects(Operation::ObjectsList, prefix, after).await?;
        let encoding = answer.encoding_type;
        let listed = answer.contents.unwrap_or_default().into_iter().filter_map(|object| {
            Some(Listed {
                key: decoded(&object.key?, encoding.as_ref()),
                bytes: bytes(object.size),
                modified_at: timestamp(object.last_modified),
            })
        });
        let mut listed: Vec<_> = listed.collect();
        // SeaweedFS sorts a page by the encoded keys.
        listed.sort_by(|one, other| one.key.cmp(&other.key));
        Ok(listed)
    }

    async fn list_versions(&self, prefix: &str, after: Option<&VersionCursor>) -> Result<VersionPage, PortError> {
        self.version_page(prefix, after).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<(), PortError> {
        self.remove_version(key, id).await
    }

    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.remove_all_versions(key).await
    }
}

/// The object's description from a read's response; 0 bytes if the length is not stated.
fn info(answer: &GetObjectOutput) -> Result<ObjectInfo, PortError> {
    let etag = answer.e_tag.as_deref().ok_or_else(|| PortError::new(ErrorKind::Damaged, Operation::ObjectsGet))?;
    Ok(ObjectInfo {
        src: SourceId::new(answer.version_id.as_deref(), etag),
        bytes: body::stated_length(answer).unwrap_or(0),
        content_type: answer.content_type.clone(),
        modified_at: timestamp(answer.last_modified),
    })
}

fn bytes(length: Option<i64>) -> u64 {
    length.and_then(|length| length.try_into().ok()).unwrap_or(0)
}

fn timestamp(at: Option<DateTime>) -> Timestamp {
    Timestamp::from_millis(at.and_then(|at| at.to_millis().ok()).unwrap_or(0))
}

/// Decodes a listed key, which is form-encoded (`+` is a space) if the response says so; not every store honours the
/// request.
fn decoded(key: &str, encoding: Option<&EncodingType>) -> String {
    match encoding {
        Some(EncodingType::Url) => {
            percent_encoding::percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
        }
        _ => key.to_owned(),
    }
}
