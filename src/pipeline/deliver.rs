//! The last steps: put the thumbnails under keys that never change, then publish them.

use bytes::Bytes;
use darkroom_thumbnail::Rendered;

use super::attempt::Job;
use super::failure::Failure;
use super::{Fate, Pipeline};
use crate::metrics::{self, Outcome, Stage};
use crate::recipe::{self, CACHE_CONTROL, ThumbnailKey};
use crate::record::{Applied, Change, Guard, Published, PublishedThumbnail, SourceId};

impl Pipeline {
    /// Puts the thumbnails, then publishes if the claim is still ours.
    ///
    /// A worker whose claim was replaced may still put: its keys carry its own version, so it overwrites nothing but
    /// bytes that are the same, and what nobody publishes is removed later.
    pub(super) async fn deliver_and_publish(
        &self,
        job: &Job<'_>,
        src: &SourceId,
        rendered: Rendered,
    ) -> Result<Fate, Failure> {
        // A version id is unique by itself; an ETag returns with the same bytes, and the sequencer tells them apart.
        let seq = job.event.sequencer.as_ref().filter(|_| job.event.version_id.is_none());
        let mut published = contents(recipe::version(&self.recipe, src, seq), &rendered, self.clock.now());
        let started = tokio::time::Instant::now();
        self.deliver(job, &published.version, rendered).await?;
        metrics::stage(Stage::Deliver, started.elapsed());
        let started = tokio::time::Instant::now();
        published.at = self.clock.now();
        let applied = self.write(job, Guard::Hold, Change::Publish(published)).await?;
        metrics::stage(Stage::Publish, started.elapsed());
        Ok(match applied {
            Applied::Written { .. } => {
                if let Some(at) = job.event.at {
                    metrics::upload_to_published(self.clock.now().since(at));
                }
                Fate::Done(Outcome::Published)
            }
            Applied::Refused { .. } => Fate::Done(Outcome::Superseded),
        })
    }

    /// Puts all thumbnails at once.
    async fn deliver(&self, job: &Job<'_>, version: &str, rendered: Rendered) -> Result<(), Failure> {
        let format = rendered.header.format;
        let puts = rendered.thumbnails.into_iter().map(|thumbnail| {
            let key = ThumbnailKey { id: &job.id, version, size: &thumbnail.size, format }.to_string();
            let bytes = Bytes::from(thumbnail.bytes);
            async move { self.thumbnails.put(&key, bytes, format.content_type(), CACHE_CONTROL).await }
        });
        futures_util::future::try_join_all(puts).await?;
        Ok(())
    }
}

/// What the record will say of these thumbnails.
fn contents(version: String, rendered: &Rendered, at: crate::clock::Timestamp) -> Published {
    let thumbnails = rendered
        .thumbnails
        .iter()
        .map(|thumbnail| PublishedThumbnail {
            size: thumbnail.size.clone(),
            width: thumbnail.width,
            height: thumbnail.height,
            bytes: thumbnail.bytes.len() as u64,
        })
        .collect();
    Published { version, content_type: rendered.header.format.content_type().to_owned(), at, thumbnails }
}
