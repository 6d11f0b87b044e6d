//! Deletes originals that were superseded or refused.
//!
//! Only of images with ids from the API, and only if the record has the time of its verdict, which older builds did not
//! write. By then every upload URL of the image has expired, so that no newer object replaces one that is about to be
//! deleted.

use std::collections::HashSet;
use std::time::Duration;

use super::Sweep;
use super::leftovers::hash_of;
use crate::clock::Timestamp;
use crate::operate::OperateError;
use crate::ports::objects::Version;
use crate::record::{ImageId, ImageRecord, Status};

/// Hashes of the images whose originals may be deleted, eight bytes each. They let the sweep skip nearly all other
/// images without a read of the catalog. A collision costs one read of a record.
#[derive(Debug, Default)]
pub(super) struct Originals {
    published: HashSet<u64>,
    refused: HashSet<u64>,
}

/// Whether originals of the image may be deleted at `now`: the API made it, and its verdict is older than `after`.
fn is_due(record: &ImageRecord, now: Timestamp, after: Duration) -> bool {
    record.by_api && record.verdict_at().is_some_and(|at| now.since(at) > after)
}

/// The versions of an image's original that may be deleted, oldest first. The current version goes last, so that a
/// sweep after a kill also deletes the rest.
fn removable<'a>(record: &ImageRecord, versions: &'a [Version]) -> Vec<&'a Version> {
    let is_judged = |version: &&Version| record.src.as_ref() == Some(&version.src);
    let is_current_judged = versions.iter().find(|version| version.is_current).as_ref().is_some_and(is_judged);
    versions
        .iter()
        .rev()
        .filter(|version| match (record.status, &record.published) {
            // If an upload newer than the published one may be on its way, all versions are kept.
            (Status::Published, _) => is_current_judged && !is_judged(version),
            (Status::InvalidContentType, None) => is_current_judged,
            // The thumbnails were rendered from another version.
            (Status::InvalidContentType, Some(_)) => is_judged(version),
            _ => false,
        })
        .collect()
}

impl Sweep<'_> {
    /// Notes an image whose original may be deleted.
    pub(super) fn note_original(&mut self, record: &ImageRecord) {
        let Some(after) = self.options.delete_originals_after else { return };
        if !is_due(record, self.now, after) {
            return;
        }
        match record.status {
            Status::Published => self.originals.published.insert(hash_of(&record.id, "")),
            Status::InvalidContentType => self.originals.refused.insert(hash_of(&record.id, "")),
            _ => false,
        };
    }

    /// Examines every version of every upload. The listing groups them by key.
    pub(super) async fn originals(&mut self) -> Result<(), OperateError> {
        let Some(after) = self.options.delete_originals_after else { return Ok(()) };
        let mut of_one: Vec<Version> = Vec::new();
        let mut next = None;
        loop {
            let page = self.context.ports.uploads.list_versions(&self.context.prefix, next.as_ref()).await?;
            for version in page.versions {
                if of_one.first().is_some_and(|first| first.key != version.key) {
                    self.remove_originals(&std::mem::take(&mut of_one), after).await?;
                }
                of_one.push(version);
            }
            next = page.next;
            if next.is_none() {
                return self.remove_originals(&of_one, after).await;
            }
        }
    }

    /// Deletes the deletable versions of one key.
    ///
    /// The record is read after the versions were listed, so an upload in between is not among them.
    async fn remove_originals(&mut self, versions: &[Version], after: Duration) -> Result<(), OperateError> {
        let Some(Version { key, .. }) = versions.first() else { return Ok(()) };
        let Some(id) = ImageId::of_key(&self.context.prefix, key) else { return Ok(()) };
        let hash = hash_of(&id, "");
        let is_superseded = versions.len() > 1 && self.originals.published.contains(&hash);
        if !is_superseded && !self.originals.refused.contains(&hash) {
            return Ok(());
        }
        let Some(record) = self.context.ports.catalog.get(&id).await? else { return Ok(()) };
        if record.key != *key || !is_due(&record, self.now, after) {
            return Ok(());
        }
        for version in removable(&record, versions) {
            if !self.options.is_dry_run {
                self.context.ports.uploads.delete_version(key, &version.id).await?;
            }
            self.report.originals_removed += 1;
            self.report.original_bytes_removed += version.bytes;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_original_is_due_once_its_verdict_is_older_than_asked_for() {
        let (id, at) = (ImageId::parse("cat").unwrap(), Timestamp::from_millis(1_000_000));
        let mut record = ImageRecord::waiting_for_upload(id, "uploads/cat".to_owned(), at, at);
        let is_due = |record: &ImageRecord, millis: u64| {
            super::is_due(record, at.plus(Duration::from_millis(millis)), Duration::from_millis(5000))
        };
        assert!(!is_due(&record, 9000), "it has no verdict");
        record.settled_at = Some(at);
        for (millis, expected) in [(0, false), (4999, false), (5000, false), (5001, true)] {
            assert_eq!(is_due(&record, millis), expected, "{millis}");
        }
        record.by_api = false;
        assert!(!is_due(&record, 9000), "another chose its key");
    }
}
