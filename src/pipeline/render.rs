//! Rendering on a blocking thread, under a deadline.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use darkroom_thumbnail::{Header, RenderError, Rendered, Stop, Stopped};
use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::Pipeline;
use super::admission::{RenderPermit, RenderSlot};
use super::claim::Claimed;
use super::end::{End, Failure, Step};
use super::inspect::InspectedObject;
use super::job::{Job, Progress};
use crate::metrics::{self, Stage};
use crate::record::{Reason, SourceId};

/// Stops the render thread when its result is no longer awaited.
struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// The thumbnails of an object.
pub(super) struct RenderedObject {
    pub(super) src: SourceId,
    pub(super) rendered: Rendered,
}

impl Pipeline {
    /// Renders on a blocking thread. That thread returns slot and memory, even if its caller stopped waiting.
    pub(super) async fn render(&self, job: &Job<'_>, progress: &Progress, claimed: Claimed) -> Step<RenderedObject> {
        let render_permit = self.admission.render_permit(claimed.renders_alone).await;
        let timeout = self.limits.render_timeout;
        let (src, source_bytes) = (claimed.object.info.src.clone(), claimed.object.info.bytes);
        let stop = Stop::default();
        let _stop_on_drop = StopOnDrop(stop.clone());
        let slots = self.admission.slots();
        let begun = Arc::new(OnceLock::new());
        let span = tracing::Span::current();
        let thread = tokio::task::spawn_blocking({
            let begun = Arc::clone(&begun);
            move || {
                let _span = span.entered();
                let Claimed { object, decode_memory, permit, .. } = claimed;
                let InspectedObject { image, source_memory, .. } = object;
                let slot = slots.take();
                let started = *begun.get_or_init(Instant::now);
                let stop = stop.with_deadline(std::time::Instant::now() + timeout);
                let rendered = image.render(&stop);
                metrics::stage(Stage::Render, started.elapsed());
                drop(image);
                drop::<(RenderPermit, RenderSlot, _, _, _)>((
                    render_permit,
                    slot,
                    permit,
                    decode_memory,
                    source_memory,
                ));
                rendered
            }
        });
        let Some(joined) = in_time(thread, &begun, timeout * 2).await else {
            tracing::error!(timeout = ?timeout, "a render thread is past twice its deadline: this process must end");
            self.stuck.cancel();
            return Break(timed_out());
        };
        match joined {
            Ok(Ok(rendered)) => {
                measure(&rendered, source_bytes);
                Continue(RenderedObject { src, rendered })
            }
            // Only decoding showed that the upload is damaged.
            Ok(Err(RenderError::Refused(refusal))) => Break(self.reject(job, progress, refusal).await),
            Ok(Err(RenderError::Stopped(Stopped::Deadline))) => Break(timed_out()),
            Ok(Err(error)) => Break(Failure::internal(error.to_string()).into()),
            Err(panic) => Break(Failure::internal(format!("the renderer panicked: {panic}")).into()),
        }
    }
}

/// The result of the thread, unless it takes longer than `limit` from its start.
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
    rendered.tolerated.iter().copied().for_each(metrics::tolerated);
    for thumbnail in &rendered.thumbnails {
        metrics::thumbnail_bytes(thumbnail.bytes.len() as u64);
    }
}

fn timed_out() -> End {
    Failure::new(Reason::RenderTimeout, "rendering took longer than its deadline".to_owned()).into()
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
            // Tokio's clock has a resolution of a millisecond.
            assert!(started.elapsed().abs_diff(waits + LIMIT) <= SHORT, "{waits:?}");
        }
    }
}
