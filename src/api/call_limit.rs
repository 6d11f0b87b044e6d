//! Limits how long a request waits for a port, so that the API answers 503 within two seconds of an outage.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;

use super::ApiState;
use crate::clock::Timestamp;
use crate::ports::catalog::Page;
use crate::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadOptions, VersionCursor, VersionPage};
use crate::ports::{Catalog, ErrorKind, ObjectStore, Operation, PortError};
use crate::record::{Applied, ImageId, ImageRecord, Transition};

/// The longest wait for one call. The rest of the two seconds remains for other work on the request.
const CALL_LIMIT: Duration = Duration::from_millis(1800);

/// Limits every call of a request, independent of the backend's own limits.
pub(super) fn limit_calls(state: ApiState) -> ApiState {
    ApiState {
        catalog: Arc::new(LimitedCatalog(state.catalog)),
        uploads: Arc::new(LimitedStore(state.uploads)),
        thumbnails: Arc::new(LimitedStore(state.thumbnails)),
        ..state
    }
}

/// A catalog whose calls end after [`CALL_LIMIT`]. A write may still take effect after that; all writes are repeatable.
struct LimitedCatalog(Arc<dyn Catalog>);

/// A bucket whose calls end after [`CALL_LIMIT`].
struct LimitedStore(Arc<dyn ObjectStore>);

async fn limit<T>(operation: Operation, call: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
    tokio::time::timeout(CALL_LIMIT, call).await.unwrap_or_else(|_| {
        let limit = humantime::format_duration(CALL_LIMIT);
        Err(PortError::with_source(ErrorKind::Unavailable, operation, format!("no answer within {limit}")))
    })
}

#[async_trait]
impl Catalog for LimitedCatalog {
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError> {
        limit(Operation::CatalogCreate, self.0.create(record)).await
    }

    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError> {
        limit(Operation::CatalogLook, self.0.get(id)).await
    }

    async fn update(&self, transition: &Transition) -> Result<Applied, PortError> {
        limit(Operation::CatalogApply, self.0.update(transition)).await
    }

    async fn scan(&self, next: Option<&str>) -> Result<Page, PortError> {
        limit(Operation::CatalogScan, self.0.scan(next)).await
    }

    async fn delete(&self, id: &ImageId, rev: Option<u64>) -> Result<(), PortError> {
        limit(Operation::CatalogDelete, self.0.delete(id, rev)).await
    }
}

#[async_trait]
impl ObjectStore for LimitedStore {
    async fn get(&self, key: &str, version: Option<&str>, limit_bytes: u64) -> Result<Fetched, PortError> {
        limit(Operation::ObjectsGet, self.0.get(key, version, limit_bytes)).await
    }

    async fn check_bucket(&self, prefix: &str) -> Result<(), PortError> {
        limit(Operation::ObjectsList, self.0.check_bucket(prefix)).await
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, PortError> {
        limit(Operation::ObjectsHead, self.0.head(key)).await
    }

    async fn put(&self, key: &str, bytes: Bytes, content_type: &str, cache_control: &str) -> Result<(), PortError> {
        limit(Operation::ObjectsPut, self.0.put(key, bytes, content_type, cache_control)).await
    }

    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError> {
        limit(Operation::ObjectsSignUpload, self.0.sign_upload(key, options)).await
    }

    async fn sign_download(&self, key: &str, signed_at: Timestamp, valid_for: Duration) -> Result<String, PortError> {
        limit(Operation::ObjectsSignDownload, self.0.sign_download(key, signed_at, valid_for)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        limit(Operation::ObjectsList, self.0.list(prefix, after)).await
    }

    async fn list_versions(&self, prefix: &str, after: Option<&VersionCursor>) -> Result<VersionPage, PortError> {
        limit(Operation::ObjectsListVersions, self.0.list_versions(prefix, after)).await
    }

    async fn delete_version(&self, key: &str, id: &str) -> Result<(), PortError> {
        limit(Operation::ObjectsDeleteVersion, self.0.delete_version(key, id)).await
    }

    /// Not limited here, since S3 needs a call for each version of the object, and the AWS backend limits each call.
    /// The local backend deletes all versions in one write, which waits up to 5 s for the lock of the database.
    async fn delete(&self, key: &str) -> Result<(), PortError> {
        self.0.delete(key).await
    }
}
