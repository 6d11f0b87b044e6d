//! Rendering on a blocking thread, under a deadline, and what follows it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use darkroom_thumbnail::{Header, Refusal, RenderError, Rendered, Stop, Stopped};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::admission::{Slot, Turn};
use super::attempt::{Claim, Job};
use super::failure::Failure;
use super::{Fate, Pipeline};
use crate::metrics::{self, Outcome, Stage};
use crate::record::{Applied, Change, Guard, Reason, SourceId};

/// Stops the render thread when nobody waits for it any more.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Why there is nothing to deliver.
enum Unrendered {
    Refused(Refusal),
    Failed(Failure),
}

impl Pipeline {
    /// Everything after the claim; given back when the drain's deadline passes first.
    pub(super) async fn finish(&self, job: &Job<'_>, claim: Claim) -> Fate {
        let src = claim.source.info.src.clone();
        tokio::select! {
            biased;
            () = job.delivery.abandoned.cancelled() => self.abandon(job).await,
            fate = self.render_and_publish(job, claim, &src) => fate,
        }
    }

    async fn render_and_publish(&self, job: &Job<'_>, claim: Claim, src: &SourceId) -> Fate {
        let rendered = match self.render(claim).await {
            Ok(rendered) => rendered,
            Err(Unrendered::Refused(refusal)) => return self.reject_claimed(job, src, refusal).await,
            Err(Unrendered::Failed(failure)) => return self.failed_after_claim(job, Some(src), &failure).await,
        };
        match self.deliver_and_publish(job, src, rendered).await {
            Ok(fate) => fate,
            Err(failure) => self.failed_after_claim(job, Some(src), &failure).await,
        }
    }

    /// Renders on a blocking thread. Slot and memory return with that thread, not with whoever waits for it.
    async fn render(&self, claim: Claim) -> Result<Rendered, Unrendered> {
        let turn = self.admission.turn(claim.past.is_dead_claim).await;
        let timeout = self.limits.render_timeout;
        let bytes = claim.source.info.bytes;
        let stop = Stop::default();
        let _stop_on_drop = StopOnDrop(stop.clone());
        let recipe = Arc::clone(&self.recipe);
        let slots = self.admission.slots();
        let begun = Arc::new(OnceLock::new());
        let span = tracing::Span::current();
        let thread = tokio::task::spawn_blocking({
            let begun = Arc::clone(&begun);
            move || {
                let _span = span.entered();
                let Claim { source, image, decode_memory, place, .. } = claim;
                let slot = slots.take();
                let started = *begun.get_or_init(Instant::now);
                let stop = stop.with_deadline(std::time::Instant::now() + timeout);
                let rendered = image.render(&recipe, &stop);
                metrics::stage(Stage::Render, started.elapsed());
                drop((image, source.bytes));
                drop::<(Turn, Slot, _, _, _)>((turn, slot, place, decode_memory, source.memory));
                rendered
            }
        });
        let Some(joined) = in_time(thread, &begun, timeout * 2).await else {
            tracing::error!(timeout = ?timeout, "a render thread is past twice its deadline: this process must end");
            self.stuck.cancel();
            return Err(timed_out());
        };
        match joined {
            Ok(Ok(rendered)) => {
                measure(&rendered, bytes);
                Ok(rendered)
            }
            Ok(Err(RenderError::Refused(refusal))) => Err(Unrendered::Refused(refusal)),
            Ok(Err(RenderError::Stopped(Stopped::Deadline))) => Err(timed_out()),
            Ok(Err(error)) => Err(Unrendered::Failed(Failure::internal(error.to_string()))),
            Err(panic) => Err(Unrendered::Failed(Failure::internal(format!("the renderer panicked: {panic}")))),
        }
    }

    /// Only decoding showed that the upload is damaged.
    async fn reject_claimed(&self, job: &Job<'_>, src: &SourceId, refusal: Refusal) -> Fate {
        let (reason, detail) = (Reason::from(refusal.reason), refusal.detail);
        tracing::info!(reason = reason.as_str(), detail, "rejected");
        let change = Change::Reject { reason, src: Some(src.clone()), detail };
        match self.write(job, Guard::Hold, change).await {
            Ok(Applied::Written { .. }) => {
                metrics::rejected(reason);
                Fate::Done(Outcome::Rejected)
            }
            Ok(Applied::Refused { .. }) => Fate::Done(Outcome::Superseded),
            Err(failure) => self.failed_after_claim(job, Some(src), &failure).await,
        }
    }

    /// The drain's deadline came before the end: the next worker may begin at once.
    async fn abandon(&self, job: &Job<'_>) -> Fate {
        self.release(job, "the worker ended before the work did".to_owned()).await;
        Fate::GivenBack
    }
}

/// What became of the thread, unless it takes longer than `limit` from when it has begun.
async fn in_time<T>(
    mut thread: JoinHandle<T>,
    begun: &OnceLock<Instant>,
    limit: Duration,
) -> Option<Result<T, JoinError>> {
    let mut look_again = Instant::now() + limit;
    loop {
        if let Ok(joined) = tokio::time::timeout_at(look_again, &mut thread).await {
            return Some(joined);
        }
        let now = Instant::now();
        look_again = *begun.get().unwrap_or(&now) + limit;
        if look_again <= now {
            return None;
        }
    }
}

fn measure(rendered: &Rendered, source_bytes: u64) {
    let Header { width, height, .. } = rendered.header;
    metrics::source(u64::from(width) * u64::from(height), source_bytes);
    metrics::stage(Stage::Decode, rendered.timings.decode);
    metrics::stage(Stage::Resize, rendered.timings.resize);
    metrics::stage(Stage::Encode, rendered.timings.encode);
    if rendered.lacks_end {
        metrics::without_end();
    }
    for thumbnail in &rendered.thumbnails {
        metrics::thumbnail_bytes(thumbnail.bytes.len() as u64);
    }
}

fn timed_out() -> Unrendered {
    let error = "rendering took longer than its deadline".to_owned();
    Unrendered::Failed(Failure { reason: Reason::RenderTimeout, error, is_outage: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A thread that waits for its slot, then works.
    async fn ended_in_time(waits: Duration, works: Duration) -> bool {
        let begun = Arc::new(OnceLock::new());
        let thread = tokio::spawn({
            let begun = Arc::clone(&begun);
            async move {
                tokio::time::sleep(waits).await;
                begun.get_or_init(Instant::now);
                tokio::time::sleep(works).await;
            }
        });
        in_time(thread, &begun, LIMIT).await.is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_a_thread_begins_with_its_slot() {
        const SHORT: Duration = Duration::from_millis(1);
        for waits in [Duration::ZERO, LIMIT / 2, LIMIT - SHORT, LIMIT, LIMIT + SHORT, LIMIT * 7] {
            assert!(ended_in_time(waits, LIMIT - SHORT).await, "{waits:?}");
            let started = Instant::now();
            assert!(!ended_in_time(waits, LIMIT + SHORT).await, "{waits:?}");
            // The clock of tokio goes by milliseconds.
            assert!(started.elapsed().abs_diff(waits + LIMIT) <= SHORT, "{waits:?}");
        }
    }
}
