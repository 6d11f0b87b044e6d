//! The first step: reads the image's record, which may already decide the result.

use std::ops::ControlFlow::{Break, Continue};

use super::end::{End, Failure, Step, step};
use super::job::{EventOrder, Job, Progress};
use super::judge::{self, MAX_DEATHS};
use super::lookup::Reading;
use super::{EventResult, Pipeline};
use crate::record::{Reason, Status};

impl Pipeline {
    /// Reads the record on a repeated receive, or for an event without a sequencer.
    pub(super) async fn read_record(&self, job: &Job<'_>, progress: &mut Progress) -> Step<()> {
        if matches!(progress.order, EventOrder::Sequenced(_)) && job.delivery.receive_count <= 1 {
            return Continue(());
        }
        progress.record = step(self.catalog.get(&job.lookup.id).await)?;
        progress.is_record_read = true;
        let Some(record) = &progress.record else { return Continue(()) };
        if record.is_of_a_newer_schema() {
            tracing::warn!(record.v = record.v, "a newer build wrote the record");
            return Break(End::Settled(EventResult::Retry { outage: None }));
        }
        // Such an event has no order, so it may be older than the deletion.
        if record.status == Status::Deleted && job.lookup.reading != Reading::AsWritten {
            return Break(End::NotHere);
        }
        progress.prior = judge::of_sequenced(record, &progress.order, job, self.clock.now())?;
        give_up_after_deaths(job, progress)
    }
}

/// Fails an image whose claims are abandoned again and again, or whose last claim was and no receive is left.
pub(super) fn give_up_after_deaths(job: &Job<'_>, progress: &Progress) -> Step<()> {
    let deaths = progress.prior.deaths;
    let was_ours = progress.prior.is_dead_claim && deaths > 0;
    if deaths < MAX_DEATHS && !(was_ours && job.delivery.is_last) {
        return Continue(());
    }
    let error = format!("the process died {deaths} times while it held this image");
    Break(Failure { is_final: true, ..Failure::new(Reason::Killed, error) }.into())
}
