//! Handles dead letters whose images have no verdict: the last worker died, or could not reach the catalog.

use super::Sweep;
use crate::operate::OperateError;
use crate::operate::dead_letters::dead_letter::{Cause, Subject};
use crate::operate::walk::Walk;
use crate::record::{Applied, Attempt, Change, Guard, Reason, SourceId, Transition};

impl Sweep<'_> {
    /// Examines every dead letter. None is deleted.
    pub(super) async fn verdicts(&mut self) -> Result<(), OperateError> {
        let context = self.context;
        let mut walk = Walk::through(&*context.ports.dead_letters);
        let ended = self.judge_each(&mut walk).await;
        walk.end().await;
        ended
    }

    async fn judge_each(&mut self, walk: &mut Walk<'_>) -> Result<(), OperateError> {
        loop {
            let messages = walk.next().await?;
            if messages.is_empty() {
                return Ok(());
            }
            for letter in self.context.read(messages).await? {
                for subject in letter.subjects.iter().filter(|subject| subject.cause == Cause::Unfinished) {
                    self.fail(subject, &letter.message.id).await?;
                }
            }
        }
    }

    /// Writes `failed` as the worker would have, with the id of the dead letter's message. A redelivery of that message
    /// has no effect; a redrive sends a new message, which processes the image again.
    async fn fail(&mut self, subject: &Subject, message: &str) -> Result<(), OperateError> {
        let Some(id) = subject.image.clone() else { return Ok(()) };
        let Subject { event, record, .. } = subject;
        let read = event.version_id.as_deref().map(SourceId::of_version);
        let guard = match (&event.sequencer, record) {
            (Some(seq), _) => Guard::Enter { seq: seq.clone(), src: read.clone() },
            (None, None) => Guard::Absent,
            // An event without an order yields to an active worker.
            (None, Some(record)) if record.has_live_lease(self.now) && record.message.as_deref() != Some(message) => {
                return Ok(());
            }
            (None, Some(record)) => Guard::Unchanged { rev: record.rev },
        };
        let of_this_upload =
            record.as_ref().filter(|record| event.sequencer.is_none() || record.seq == event.sequencer);
        let change = Change::Fail {
            reason: Reason::Killed,
            src: read.or_else(|| of_this_upload.and_then(|record| record.src.clone())),
            deaths: of_this_upload.map_or(0, |record| record.deaths),
            error: "its message became a dead letter before anybody wrote a verdict".to_owned(),
        };
        let attempt = Attempt::begin(message)?;
        let transition = Transition { id, key: event.key.clone(), attempt, guard, change, at: self.now };
        if !transition.is_admitted_by(record.as_ref()) {
            return Ok(());
        }
        if !self.options.is_dry_run
            && let Applied::Refused { .. } = self.context.ports.catalog.update(&transition).await?
        {
            self.report.changed_meanwhile += 1;
            return Ok(());
        }
        let action = self.action("failed", "would fail");
        tracing::info!(image.id = %transition.id, message.id = message, "a dead letter without a verdict: {action}");
        self.report.verdicts_written += 1;
        Ok(())
    }
}
