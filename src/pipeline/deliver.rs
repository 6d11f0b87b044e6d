//! The last steps: put the thumbnails under immutable keys, then publish them.

use std::ops::ControlFlow::Continue;

use bytes::Bytes;
use darkroom_thumbnail::Rendered;

use super::Pipeline;
use super::access::Access;
use super::end::{End, Step, step};
use super::job::{Job, Progress};
use super::render::RenderedObject;
use crate::metrics::{self, Outcome, Stage};
use crate::recipe::{self, CACHE_CONTROL, ThumbnailKey};
use crate::record::{Change, Published, PublishedThumbnail};

impl Pipeline {
    /// Puts all thumbnails at once; returns what to write into the record.
    ///
    /// A worker whose claim was replaced may still put them: its keys contain its own version, so it can only overwrite
    /// identical bytes. Thumbnails that are never published are removed later.
    pub(super) async fn deliver(&self, job: &Job<'_>, object: RenderedObject) -> Step<Published> {
        let started = tokio::time::Instant::now();
        let RenderedObject { src, rendered } = object;
        // A version id is unique. The same bytes give the same ETag again, so the sequencer distinguishes two such
        // uploads.
        let seq = job.event.sequencer.as_ref().filter(|_| job.event.version_id.is_none());
        let published = contents(recipe::version(&self.recipe, &src, seq), &rendered, self.clock.now());
        let (version, format) = (&published.version, rendered.header.format);
        let puts = rendered.thumbnails.into_iter().map(|thumbnail| {
            let key = ThumbnailKey { id: &job.lookup.id, version, size: &thumbnail.size, format }.to_string();
            let bytes = Bytes::from(thumbnail.bytes);
            async move {
                let put = self.thumbnails.put(&key, bytes, format.content_type(), CACHE_CONTROL).await;
                self.access_history.judge(Access::Write, &job.lookup.id, put)
            }
        });
        step(futures_util::future::try_join_all(puts).await)?;
        metrics::stage(Stage::Deliver, started.elapsed());
        Continue(published)
    }

    /// Publishes the thumbnails, if this attempt still holds the claim.
    pub(super) async fn publish(&self, job: &Job<'_>, progress: &Progress, mut published: Published) -> Step<End> {
        let started = tokio::time::Instant::now();
        published.at = self.clock.now();
        self.write(job, progress, Change::Publish(published)).await?;
        metrics::stage(Stage::Publish, started.elapsed());
        if let Some(at) = job.event.at {
            metrics::upload_to_published(self.clock.now().since(at));
        }
        Continue(End::done(Outcome::Published))
    }
}

/// The record's entry for these thumbnails.
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
