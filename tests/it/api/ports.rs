//! Ports for the API's tests: records in memory, and signatures that show the signed values.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use darkroom::clock::{SharedClock, Timestamp};
use darkroom::ports::catalog::Page;
use darkroom::ports::objects::{Fetched, Listed, ObjectInfo, SignedUpload, UploadOptions, VersionCursor, VersionPage};
use darkroom::ports::{Catalog, ErrorKind, ObjectStore, Operation, PortError};
use darkroom::record::{Applied, ImageId, ImageRecord, Transition};

/// A catalog in memory whose calls a test can make fail.
#[derive(Default)]
pub(super) struct Records {
    records: Mutex<HashMap<ImageId, ImageRecord>>,
    failure: Mutex<Option<ErrorKind>>,
    is_silent: AtomicBool,
    looks: AtomicUsize,
}

impl Records {
    pub(super) fn fail_with(&self, kind: Option<ErrorKind>) {
        *self.failure.lock().unwrap() = kind;
    }

    /// After this, no call returns.
    pub(super) fn fall_silent(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }

    pub(super) fn put(&self, record: ImageRecord) {
        self.records.lock().unwrap().insert(record.id.clone(), record);
    }

    pub(super) fn all(&self) -> Vec<ImageRecord> {
        self.records.lock().unwrap().values().cloned().collect()
    }

    pub(super) fn looks(&self) -> usize {
        self.looks.load(Ordering::Relaxed)
    }

    async fn call(&self, operation: Operation) -> Result<(), PortError> {
        if self.is_silent.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        match *self.failure.lock().unwrap() {
            Some(kind) => Err(PortError::new(kind, operation)),
            None => Ok(()),
        }
    }
}

#[async_trait]
impl Catalog for Records {
    async fn create(&self, record: &ImageRecord) -> Result<(), PortError> {
        self.call(Operation::CatalogCreate).await?;
        self.put(record.clone());
        Ok(())
    }

    async fn get(&self, id: &ImageId) -> Result<Option<ImageRecord>, PortError> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.call(Operation::CatalogLook).await?;
        Ok(self.records.lock().unwrap().get(id).cloned())
    }

    async fn update(&self, transition: &Transition) -> Result<Applied, PortError> {
        self.call(Operation::CatalogApply).await?;
        let mut records = self.records.lock().unwrap();
        let current = records.get(&transition.id).cloned();
        if !transition.is_admitted_by(current.as_ref()) {
            return Ok(Applied::Refused { current });
        }
        records.insert(transition.id.clone(), transition.apply_to(current.clone()));
        Ok(Applied::Written { before: current })
    }

    async fn scan(&self, _next: Option<&str>) -> Result<Page, PortError> {
        Ok(Page { records: self.all(), next: None })
    }

    async fn delete(&self, id: &ImageId, _rev: Option<u64>) -> Result<(), PortError> {
        self.call(Operation::CatalogDelete).await?;
        self.records.lock().unwrap().remove(id);
        Ok(())
    }
}

/// A bucket that signs and stores nothing. Its upload URLs are paths on the API's own address.
pub(super) struct Signatures(pub(super) SharedClock);

#[async_trait]
impl ObjectStore for Signatures {
    async fn check_bucket(&self, _prefix: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn get(&self, _key: &str, _version: Option<&str>, _limit_bytes: u64) -> Result<Fetched, PortError> {
        Err(PortError::new(ErrorKind::NotFound, Operation::ObjectsGet))
    }

    async fn head(&self, _key: &str) -> Result<ObjectInfo, PortError> {
        Err(PortError::new(ErrorKind::NotFound, Operation::ObjectsHead))
    }

    async fn put(&self, _key: &str, _bytes: Bytes, _type: &str, _cache: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn sign_upload(&self, key: &str, options: &UploadOptions) -> Result<SignedUpload, PortError> {
        let mut headers = Vec::new();
        if let Some(content_type) = &options.content_type {
            headers.push(("content-type".to_owned(), content_type.clone()));
        }
        if options.is_single_use {
            headers.push(("if-none-match".to_owned(), "*".to_owned()));
        }
        let length = options.content_length.map_or_else(|| "any".to_owned(), |length| length.to_string());
        let expires_at = self.0.now().plus(options.expires_in);
        Ok(SignedUpload { url: format!("/signed/{key}?length={length}"), headers, expires_at })
    }

    async fn sign_download(&self, key: &str, signed_at: Timestamp, valid_for: Duration) -> Result<String, PortError> {
        Ok(format!("/signed/{key}?at={}&for={}", signed_at.as_secs(), valid_for.as_secs()))
    }

    async fn list(&self, _prefix: &str, _after: Option<&str>) -> Result<Vec<Listed>, PortError> {
        Ok(Vec::new())
    }

    async fn list_versions(&self, _prefix: &str, _after: Option<&VersionCursor>) -> Result<VersionPage, PortError> {
        Ok(VersionPage::default())
    }

    async fn delete_version(&self, _key: &str, _id: &str) -> Result<(), PortError> {
        Ok(())
    }

    async fn delete(&self, _key: &str) -> Result<(), PortError> {
        Ok(())
    }
}
