//! One bucket of objects: read with a limit, put, sign, list, delete.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::PortError;
use crate::clock::Timestamp;
use crate::record::SourceId;

/// The metadata of a stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Which object this is: its version, or its ETag where there are no versions.
    pub src: SourceId,
    /// Size in bytes.
    pub bytes: u64,
    /// The Content-Type that the uploader declared. Never trusted.
    pub content_type: Option<String>,
    /// When it was stored.
    pub modified_at: Timestamp,
}

/// The result of a read.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// The whole object, verified against its length and, where there is one, its checksum.
    Whole(ObjectInfo, Bytes),
    /// The object is larger than the limit. Where its length is not stated, `bytes` is one more than the limit.
    TooLarge(ObjectInfo),
}

/// The conditions of a presigned upload; all of them are signed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadOptions {
    /// The Content-Type that the client must send.
    pub content_type: Option<String>,
    /// The Content-Length that the client must send.
    pub content_length: Option<u64>,
    /// The SHA-256 of the bytes that the client must send, in base64: the header `x-amz-checksum-sha256`.
    pub checksum_sha256: Option<String>,
    /// Whether the URL works only while there is no object under its key (`If-None-Match: *`).
    pub is_single_use: bool,
    /// How long the URL works.
    pub expires_in: Duration,
}

/// A presigned upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedUpload {
    /// Where to `PUT` the bytes: absolute, or a path (beginning with `/`) on the API's own address.
    pub url: String,
    /// Headers that the client must send besides `host` and `content-length`, which clients set themselves.
    pub headers: Vec<(String, String)>,
    /// When the URL expires.
    pub expires_at: Timestamp,
}

/// One object of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The object's key.
    pub key: String,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was stored.
    pub modified_at: Timestamp,
}

/// One version of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The object's key.
    pub key: String,
    /// The id for [`ObjectStore::delete_version`].
    pub id: String,
    /// The identity that a read of this version returns.
    pub src: SourceId,
    /// Whether a read without a version returns this one.
    pub is_current: bool,
    /// Size in bytes.
    pub bytes: u64,
    /// When it was stored.
    pub modified_at: Timestamp,
}

/// The position from which a listing of versions continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionCursor {
    /// The last key that was listed.
    pub key: String,
    /// The last listed version of that key, in the backend's own format.
    pub version: Option<String>,
}

/// One page of a listing of versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionPage {
    /// In the order of their keys; those of one key from new to old.
    pub versions: Vec<Version>,
    /// Where the next page begins; `None` after the last. A page may be empty and not be the last.
    pub next: Option<VersionCursor>,
}

/// The setting names a bucket that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "DARKROOM_UPLOAD_BUCKET is {bucket:?}, and there is no bucket of that name: set it to the bucket that uploads \
     land in"
)]
pub struct NoSuchBucket {
    /// The bucket's name in the setting.
    pub bucket: String,
}

/// One bucket.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Checks that objects under `prefix` can be listed. Only this call reports a missing bucket as `NotFound`; all
    /// others report it as `Denied`, because there `NotFound` means that the object is gone.
    async fn check_bucket(&self, prefix: &str) -> Result<(), PortError>;

    /// Reads an object: the named version, otherwise the current one.
    ///
    /// A body that breaks off or arrives damaged is read again a few times, then the call returns
    /// [`ErrorKind::Damaged`](super::ErrorKind::Damaged). `NotFound` means that the object or the version is gone.
    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError>;

    /// The metadata of the current object. `NotFound` when it does not exist.
    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError>;

    /// Puts an object, replacing any other; `Ok` means that every later read finds it.
    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache_control: &str) -> Result<(), PortError>;

    /// Signs an upload, without a call to the service. [`ErrorKind::NoSpace`](super::ErrorKind::NoSpace) when a backend
    /// knows that it has no space for the upload.
    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError>;

    /// Signs a download as of `signed_at`, valid for `valid_for` from then: the same URL for the same arguments.
    ///
    /// The answer is always `private`, and fresh for no longer than the URL is valid, whatever was stored with the
    /// object.
    async fn sign_download(&self, key: &str, signed_at: Timestamp, valid_for: Duration) -> Result<String, PortError>;

    /// Lists objects under a prefix in the order of their keys, after the key `after`; at most 1,000. Empty at the end.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError>;

    /// Lists versions of the objects under a prefix, at most 1,000. In a bucket without versions, each object has one.
    async fn list_versions(&self, prefix: &str, after: Option<&VersionCursor>) -> Result<VersionPage, PortError>;

    /// Deletes one version permanently; `id` is [`Version::id`]. `Ok` also when it does not exist. If it was the
    /// current version, the newest remaining one becomes current.
    async fn delete_version(&self, key: &str, id: &str) -> Result<(), PortError>;

    /// Deletes an object with all its versions. `Ok` also when it does not exist.
    async fn delete(&self, key: &str) -> Result<(), PortError>;
}
