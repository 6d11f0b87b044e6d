//! Presigned URLs. All stated values are signed, so the client can make only that request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::presigning::{PresigningConfig, PresigningConfigError};

use super::errors;
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::ports::objects::{SignedUpload, UploadOptions};
use crate::ports::{ErrorKind, Operation, PortError};

/// Headers that the HTTP client sets and that scripts in a browser cannot set.
const SET_BY_CLIENTS: [&str; 2] = ["content-length", "host"];

/// Signs an upload, starting at the current second.
pub(super) async fn upload(put: PutObjectFluentBuilder, options: &UploadOptions) -> Result<SignedUpload, PortError> {
    const OPERATION: Operation = Operation::ObjectsSignUpload;
    let invalid =
        |error: Box<dyn std::error::Error + Send + Sync>| PortError::with_source(ErrorKind::Invalid, OPERATION, error);
    let signed_at = SystemClock.now().floor(Duration::from_secs(1));
    let length = options.content_length.map(i64::try_from).transpose().map_err(|error| invalid(error.into()))?;
    let signed = put
        .set_content_type(options.content_type.clone())
        .set_content_length(length)
        .set_checksum_sha256(options.checksum_sha256.clone())
        .set_if_none_match(options.is_single_use.then(|| "*".to_owned()))
        .presigned(valid(signed_at, options.expires_in).map_err(|error| invalid(error.into()))?)
        .await
        .map_err(|error| errors::port_error(OPERATION, &error))?;
    let headers = signed
        .headers()
        .filter(|(name, _)| !SET_BY_CLIENTS.contains(&name.to_ascii_lowercase().as_str()))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Ok(SignedUpload { url: signed.uri().to_owned(), headers, expires_at: signed_at.plus(options.expires_in) })
}

/// Signs a download, starting at `signed_at`. Shared caches must not store the response, and the client's cache must
/// not keep it longer than the URL is valid: S3 sends these two headers instead of those stored with the object.
pub(super) async fn download(
    get: GetObjectFluentBuilder,
    signed_at: Timestamp,
    valid_for: Duration,
) -> Result<String, PortError> {
    const OPERATION: Operation = Operation::ObjectsSignDownload;
    let valid =
        valid(signed_at, valid_for).map_err(|error| PortError::with_source(ErrorKind::Invalid, OPERATION, error))?;
    let expires_at = aws_sdk_s3::primitives::DateTime::from_secs(signed_at.plus(valid_for).as_secs());
    let get = get.response_cache_control("private").response_expires(expires_at);
    let signed = get.presigned(valid).await.map_err(|error| errors::port_error(OPERATION, &error))?;
    Ok(signed.uri().to_owned())
}

fn valid(from: Timestamp, expires_in: Duration) -> Result<PresigningConfig, PresigningConfigError> {
    PresigningConfig::builder().start_time(system_time(from)).expires_in(expires_in).build()
}

fn system_time(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}
