//! The header, and what may be rendered at once.

use std::ops::ControlFlow::{Break, Continue};
use std::sync::Arc;

use super::Pipeline;
use super::admission::{ClaimPermit, Memory};
use super::end::{End, Failure, Step};
use super::fetch::Object;
use super::job::{Job, Progress};
use crate::metrics::{self, Stage};
use crate::pipeline::Fate;
use crate::thumbnail::{self, Header, RenderError, Stop};

/// An object whose header says that it can be rendered.
pub(super) struct Inspected {
    pub(super) object: Object,
    pub(super) header: Header,
}

/// An object that may be claimed and rendered soon.
pub(super) struct Admitted {
    pub(super) inspected: Inspected,
    pub(super) decode_memory: Memory,
    pub(super) permit: ClaimPermit,
}

impl Pipeline {
    /// Reads the header and checks the limits; what is no image is rejected for good. On a thread that may block: the
    /// segments of a large file take milliseconds.
    pub(super) async fn inspect(&self, job: &Job<'_>, progress: &Progress, object: Object) -> Step<Inspected> {
        let started = tokio::time::Instant::now();
        let (bytes, recipe) = (object.bytes.clone(), Arc::clone(&self.recipe));
        let limits = self.limits_with(Stop::default());
        let thread = tokio::task::spawn_blocking(move || thumbnail::inspect(&bytes, &recipe, &limits));
        let inspected = thread.await;
        metrics::stage(Stage::Inspect, started.elapsed());
        match inspected {
            Ok(Ok(header)) => Continue(Inspected { object, header }),
            Ok(Err(RenderError::Refused(refusal))) => Break(self.reject(job, progress, refusal).await),
            Ok(Err(error)) => Break(Failure::internal(error.to_string()).into()),
            Err(panic) => Break(Failure::internal(format!("reading the header panicked: {panic}")).into()),
        }
    }

    /// Waits for memory and for the permit to claim, unless the process drains: what waits has not begun.
    pub(super) async fn admit(&self, job: &Job<'_>, inspected: Inspected) -> Step<Admitted> {
        let admitted = async {
            let started = tokio::time::Instant::now();
            let decode_memory = self.admission.decode(inspected.header.decode_bytes).await;
            metrics::stage(Stage::WaitMemory, started.elapsed());
            let started = tokio::time::Instant::now();
            let permit = self.admission.claim_permit().await;
            metrics::stage(Stage::WaitSlot, started.elapsed());
            (decode_memory, permit)
        };
        tokio::select! {
            biased;
            () = job.delivery.draining.cancelled() => Break(End::Settled(Fate::GivenBack)),
            (decode_memory, permit) = admitted => Continue(Admitted { inspected, decode_memory, permit }),
        }
    }
}
