//! Repairs records that wait for an event that was lost or never sent.

use super::Sweep;
use super::leftovers::hash_of;
use crate::operate::OperateError;
use crate::ports::ErrorKind;
use crate::record::{ImageRecord, Status};

impl Sweep<'_> {
    /// Examines every record.
    pub(super) async fn records(&mut self) -> Result<(), OperateError> {
        let mut next = None;
        loop {
            let page = self.context.ports.catalog.scan(next.as_deref()).await?;
            for record in &page.records {
                self.report.records += 1;
                if let Some(published) = &record.published {
                    self.published.insert(hash_of(&record.id, &published.version));
                }
                self.note_original(record);
                if !record.is_of_a_newer_schema() {
                    self.repair(record).await?;
                }
            }
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    async fn repair(&mut self, record: &ImageRecord) -> Result<(), OperateError> {
        let is_past_its_ttl = record.ttl.is_some_and(|ttl| ttl < self.now);
        match record.status {
            Status::WaitingForUpload if is_past_its_ttl => self.expired(record).await,
            Status::WaitingForThumbnails if self.is_stuck(record) && self.is_queue_long => {
                self.report.left_for_later += 1;
                Ok(())
            }
            Status::WaitingForThumbnails if self.is_stuck(record) => {
                let action = self.action("enqueued", "would enqueue");
                tracing::info!(image.id = %record.id, since = %record.updated_at, "nobody is at work on it: {action}");
                self.report.images_enqueued += 1;
                self.enqueue(&record.key, false).await
            }
            Status::Deleted if is_past_its_ttl => {
                let is_gone = self.forget(record).await?;
                self.report.deletions_forgotten += u64::from(is_gone);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Whether no worker has held the image for longer than `stuck_after`.
    fn is_stuck(&self, record: &ImageRecord) -> bool {
        let last = record.lease_until.unwrap_or(record.updated_at).max(record.updated_at);
        self.now.since(last) > self.options.stuck_after
    }

    /// Handles a record whose upload URL has expired: the upload never arrived, or its event was lost.
    async fn expired(&mut self, record: &ImageRecord) -> Result<(), OperateError> {
        match self.context.ports.uploads.head(&record.key).await {
            Ok(_) if self.is_queue_long => {
                self.report.left_for_later += 1;
                Ok(())
            }
            Ok(_) => {
                let action = self.action("enqueued", "would enqueue");
                tracing::info!(image.id = %record.id, "its event got lost: {action}");
                self.report.uploads_enqueued += 1;
                self.enqueue(&record.key, false).await
            }
            Err(error) if error.kind == ErrorKind::NotFound => {
                let is_gone = self.forget(record).await?;
                self.report.uploads_forgotten += u64::from(is_gone);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes the record, unless another process has written it since it was read.
    async fn forget(&mut self, record: &ImageRecord) -> Result<bool, OperateError> {
        if self.options.is_dry_run {
            return Ok(true);
        }
        match self.context.ports.catalog.delete(&record.id, Some(record.rev)).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind == ErrorKind::Precondition => {
                self.report.changed_meanwhile += 1;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}
