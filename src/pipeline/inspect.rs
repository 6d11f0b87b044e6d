//! Reads the header, and waits for admission to render.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use bytes::Bytes;
use darkroom_thumbnail::{Inspected, Limits, RenderError, Stop};

use super::admission::{ClaimPermit, Memory};
use super::end::{End, Failure, Step};
use super::fetch::Object;
use super::job::{Job, Progress};
use super::{EventResult, Pipeline, WorkLimits};
use crate::metrics::{self, Stage};
use crate::ports::objects::ObjectInfo;

/// An object whose header shows that it can be rendered.
pub(super) struct InspectedObject {
    pub(super) info: ObjectInfo,
    pub(super) image: Inspected<Bytes>,
    pub(super) source_memory: Memory,
}

/// An object that may be claimed and rendered soon.
pub(super) struct Admitted {
    pub(super) inspected: InspectedObject,
    pub(super) decode_memory: Memory,
    pub(super) permit: ClaimPermit,
}

impl Pipeline {
    /// Reads the header and checks the limits; a file that is not an image is rejected for good. Runs on a thread that
    /// may block: reading the segments of a large file takes milliseconds.
    pub(super) async fn inspect(&self, job: &Job<'_>, progress: &Progress, object: Object) -> Step<InspectedObject> {
        let started = tokio::time::Instant::now();
        let Object { info, bytes, memory: source_memory } = object;
        let recipe = Arc::clone(&self.recipe);
        let WorkLimits { max_bytes, max_pixels, .. } = self.limits;
        let limits = Limits { max_bytes, max_pixels, stop: Stop::default() };
        // The thread holds the bytes, so it also holds their memory: this future may be dropped before the thread ends.
        let thread = tokio::task::spawn_blocking(move || {
            darkroom_thumbnail::inspect(bytes, &recipe, &limits).map(|image| (image, source_memory))
        });
        let inspected = thread.await;
        metrics::stage(Stage::Inspect, started.elapsed());
        match inspected {
            Ok(Ok((image, source_memory))) => Continue(InspectedObject { info, image, source_memory }),
            Ok(Err(RenderError::Refused(refusal))) => Break(self.reject(job, progress, refusal).await),
            Ok(Err(error)) => Break(Failure::internal(error.to_string()).into()),
            Err(panic) => Break(Failure::internal(format!("reading the header panicked: {panic}")).into()),
        }
    }

    /// Waits for memory and for the permit to claim, unless the process drains: waiting work has not begun.
    pub(super) async fn admit(&self, job: &Job<'_>, inspected: InspectedObject) -> Step<Admitted> {
        let admitted = async {
            let started = tokio::time::Instant::now();
            let decode_memory = self.admission.decode(inspected.image.header().decode_bytes).await;
            metrics::stage(Stage::WaitMemory, started.elapsed());
            let started = tokio::time::Instant::now();
            let permit = self.admission.claim_permit().await;
            metrics::stage(Stage::WaitSlot, started.elapsed());
            (decode_memory, permit)
        };
        tokio::select! {
            biased;
            () = job.delivery.draining.cancelled() => Break(End::Settled(EventResult::GivenBack)),
            (decode_memory, permit) = admitted => Continue(Admitted { inspected, decode_memory, permit }),
        }
    }
}
