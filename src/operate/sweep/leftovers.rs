//! Deletes thumbnails of versions that were superseded or never published.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use super::Sweep;
use crate::operate::OperateError;
use crate::ports::objects::Listed;
use crate::recipe::{THUMBNAIL_PREFIX, ThumbnailKey};
use crate::record::{ImageId, ImageRecord, Status};

/// How long every thumbnail is kept, because its worker may still publish it.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// How long the URLs of a replaced version stay valid: 60 minutes, and the rounding of the signing time.
const SHOWN_FOR: Duration = Duration::from_hours(2);

/// Hashes a published version to eight bytes.
pub(super) fn hash_of(image: &ImageId, version: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (image, version).hash(&mut hasher);
    hasher.finish()
}

impl Sweep<'_> {
    /// Examines every thumbnail. The listing groups them by image.
    pub(super) async fn leftovers(&mut self) -> Result<(), OperateError> {
        let mut of_one: Option<(ImageId, Vec<Listed>)> = None;
        let mut after = None;
        loop {
            let page = self.context.ports.thumbnails.list(THUMBNAIL_PREFIX, after.as_deref()).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            for object in page {
                let Some((image, version)) = ThumbnailKey::read(&object.key) else { continue };
                let is_old = self.now.since(object.modified_at) > KEPT_FOR;
                if !is_old || self.published.contains(&hash_of(&image, version)) {
                    continue;
                }
                match &mut of_one {
                    Some((known, objects)) if *known == image => objects.push(object),
                    _ => {
                        if let Some((image, objects)) = of_one.replace((image, vec![object])) {
                            self.clear(&image, &objects).await?;
                        }
                    }
                }
            }
        }
        match of_one {
            Some((image, objects)) => self.clear(&image, &objects).await,
            None => Ok(()),
        }
    }

    /// Deletes an image's old thumbnails that its record does not name.
    ///
    /// Between the read of the record and the deletion, a worker may start, write the same thumbnails again and publish
    /// them. So the sweep reads the record again, and enqueues the image if its record was written in the meantime.
    async fn clear(&mut self, image: &ImageId, objects: &[Listed]) -> Result<(), OperateError> {
        let Some(before) = self.context.ports.catalog.get(image).await? else {
            // Without a record it is unknown whether they may go: the table may be the wrong one.
            self.report.thumbnails_unknown += objects.len() as u64;
            return Ok(());
        };
        // A claimed image is about to be published, in whichever version.
        if before.is_of_a_newer_schema() || before.status == Status::WaitingForThumbnails {
            return Ok(());
        }
        if before.published.as_ref().is_some_and(|published| self.now.since(published.at) < SHOWN_FOR) {
            return Ok(());
        }
        let is_superseded = |object: &&Listed| {
            let version = ThumbnailKey::read(&object.key).map(|(_, version)| version);
            version != before.published.as_ref().map(|published| &*published.version)
        };
        for object in objects.iter().filter(is_superseded) {
            if !self.options.is_dry_run {
                self.context.ports.thumbnails.delete(&object.key).await?;
            }
            self.report.thumbnails_removed += 1;
            self.report.bytes_removed += object.bytes;
        }
        if self.options.is_dry_run { Ok(()) } else { self.render_again_if_written(&before).await }
    }

    async fn render_again_if_written(&mut self, before: &ImageRecord) -> Result<(), OperateError> {
        match self.context.ports.catalog.get(&before.id).await? {
            Some(now) if now.rev != before.rev && now.status != Status::Deleted => {
                tracing::info!(image.id = %now.id, "written while its old thumbnails were removed: rendered again");
                self.report.images_enqueued += 1;
                self.enqueue(&now.key, true).await
            }
            _ => Ok(()),
        }
    }
}
