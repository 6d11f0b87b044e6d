//! The claim: from here on this attempt owns the image, until another attempt replaces the claim.

use std::ops::ControlFlow::Continue;

use super::admission::{ClaimPermit, Memory};
use super::end::Step;
use super::inspect::{Admitted, InspectedObject};
use super::job::{ClaimState, Job, Progress};
use super::{LEASE, Pipeline};
use crate::metrics::{self, Stage};
use crate::record::{Change, ImageRecord, Original, SourceId, Status};

/// An image that this attempt has claimed, with everything that rendering needs.
pub(super) struct Claimed {
    pub(super) object: InspectedObject,
    pub(super) decode_memory: Memory,
    pub(super) permit: ClaimPermit,
    /// Whether no other image may be rendered meanwhile: this image may have killed its last process.
    pub(super) renders_alone: bool,
}

impl Pipeline {
    /// Claims the image: writes `waiting_for_thumbnails` with this attempt's fencing token.
    ///
    /// Two workers may both reach this step with a duplicate. The catalog admits one. The other learns here that the
    /// image is claimed, and its message is deleted, since the holder's own message is still queued. A worker whose
    /// claim is replaced later learns it when it publishes.
    pub(super) async fn claim(&self, job: &Job<'_>, progress: &mut Progress, admitted: Admitted) -> Step<Claimed> {
        let started = tokio::time::Instant::now();
        let Admitted { inspected: object, decode_memory, permit } = admitted;
        let header = object.image.header();
        let (width, height) = header.upright();
        let content_type = header.format.content_type().to_owned();
        let change = Change::Claim {
            src: object.info.src.clone(),
            original: Original { content_type, width, height, bytes: object.info.bytes },
            lease_until: self.clock.now().plus(LEASE),
            deaths: progress.prior.deaths,
        };
        progress.claim = ClaimState::Asked;
        let before = self.write(job, progress, change).await?;
        progress.claim = ClaimState::Held;
        metrics::stage(Stage::Claim, started.elapsed());
        let renders_alone =
            progress.prior.is_dead_claim || before.is_some_and(|before| took_over(job, &object.info.src, &before));
        if renders_alone {
            tracing::warn!(deaths = progress.prior.deaths, "the last claim died without a word: rendering alone");
            metrics::dead_claim();
        }
        Continue(Claimed { object, decode_memory, permit, renders_alone })
    }
}

/// Whether the record before the claim was another attempt's claim of the same object.
fn took_over(job: &Job<'_>, src: &SourceId, before: &ImageRecord) -> bool {
    before.status == Status::WaitingForThumbnails
        && before.lease_until.is_some()
        && before.src.as_ref() == Some(src)
        && before.claim.as_deref() != Some(&*job.attempt.token)
}
