//! What a record means for an event, before anything is written. `docs/ARCHITECTURE.md` has the whole table.

use std::ops::ControlFlow::{Break, Continue};

use super::EventResult;
use super::end::{End, Step};
use super::job::{EventOrder, Job, PriorAttempts};
use crate::clock::Timestamp;
use crate::metrics::Outcome;
use crate::record::{Guard, ImageRecord, Reason, SourceId, Status};

/// Abandoned claims after which an image is given up.
pub(super) const MAX_DEATHS: u32 = 5;

/// Judges the record for an event with a sequencer, before the object is read.
pub(super) fn of_sequenced(
    record: &ImageRecord,
    order: &EventOrder,
    job: &Job<'_>,
    now: Timestamp,
) -> Step<PriorAttempts> {
    let (EventOrder::Sequenced(seq), Some(known)) = (order, &record.seq) else {
        return Continue(PriorAttempts::default());
    };
    if known > seq {
        return Break(End::done(Outcome::Superseded));
    }
    if known < seq {
        return Continue(PriorAttempts::default());
    }
    // Without a version id, the object of this sequencer may have been overwritten: only a read shows it.
    if let Some(version) = &job.event.version_id {
        of_same_source(record, &SourceId::of_version(version), job, now)
    } else {
        own_failure(record, job).map_or_else(|| Continue(prior_attempts(record, job)), Break)
    }
}

/// Judges the record for an event without a sequencer, after the current object was read.
pub(super) fn of_current(record: &ImageRecord, src: &SourceId, job: &Job<'_>, now: Timestamp) -> Step<PriorAttempts> {
    if record.src.as_ref() != Some(src) {
        return Continue(PriorAttempts::default());
    }
    of_same_source(record, src, job, now)
}

fn of_same_source(record: &ImageRecord, src: &SourceId, job: &Job<'_>, now: Timestamp) -> Step<PriorAttempts> {
    let is_same = record.src.as_ref().is_none_or(|known| known == src);
    if !is_same {
        return Continue(PriorAttempts::default());
    }
    if let Some(end) = own_failure(record, job) {
        return Break(end);
    }
    let is_settled = matches!(record.status, Status::Published | Status::InvalidContentType);
    let is_held_by_another = record.has_live_lease(now) && !is_of_message(record, job);
    if (is_settled && !job.event.is_forced) || is_held_by_another {
        return Break(End::done(Outcome::Duplicate));
    }
    Continue(prior_attempts(record, job))
}

/// The state of earlier claims of the same upload.
fn prior_attempts(record: &ImageRecord, job: &Job<'_>) -> PriorAttempts {
    if record.status != Status::WaitingForThumbnails {
        return PriorAttempts::default();
    }
    // A lease that is still in the record was neither settled nor released: its holder died, or lost the message.
    let is_dead_claim = record.lease_until.is_some();
    let died_with_this_message = is_dead_claim && is_of_message(record, job);
    PriorAttempts { deaths: record.deaths + u32::from(died_with_this_message), is_dead_claim }
}

/// Decides how an attempt ends when the catalog refuses a write under `guard`.
pub(super) fn of_refusal(current: Option<&ImageRecord>, guard: &Guard, src: Option<&SourceId>, job: &Job<'_>) -> End {
    if *guard == Guard::Hold {
        return of_lost_claim(current, job);
    }
    let Some(current) = current else { return End::RecordChanged };
    if current.is_of_a_newer_schema() {
        tracing::warn!(record.v = current.v, "a newer build wrote the record");
        return End::Settled(EventResult::Retry { outage: None });
    }
    let (Guard::Enter { seq, .. }, Some(known)) = (guard, &current.seq) else { return End::RecordChanged };
    if known > seq {
        return End::done(Outcome::Superseded);
    }
    let is_other_source = matches!((src, &current.src), (Some(read), Some(known)) if read != known);
    if is_other_source {
        return End::SourceChanged;
    }
    own_failure(current, job).unwrap_or(End::done(Outcome::Duplicate))
}

/// The meaning of the refusal of a write that holds a claim: the claim was replaced, or this attempt had written its
/// verdict already and the answer was lost.
///
/// If an earlier delivery of the same message holds the claim now, its write was only late, and it may have been
/// dropped since: then this message must come again, because no other one would.
fn of_lost_claim(current: Option<&ImageRecord>, job: &Job<'_>) -> End {
    let Some(current) = current else { return End::done(Outcome::Superseded) };
    let is_own = current.claim.as_deref() == Some(&*job.attempt.token);
    match current.status {
        Status::Published if is_own => End::done(Outcome::Published),
        Status::InvalidContentType if is_own => End::done(Outcome::Rejected),
        Status::WaitingForThumbnails if !is_own && is_of_message(current, job) => {
            End::Settled(EventResult::Retry { outage: None })
        }
        _ => End::done(Outcome::Superseded),
    }
}

fn is_of_message(record: &ImageRecord, job: &Job<'_>) -> bool {
    record.message.as_deref() == Some(&*job.attempt.message)
}

/// The end of the attempt if an earlier delivery of this message, or an earlier record in it, has failed for good: the
/// message is on its way to the dead-letter queue, or is deleted if the object is gone.
fn own_failure(record: &ImageRecord, job: &Job<'_>) -> Option<End> {
    let has_failed = record.status == Status::Failed && is_of_message(record, job);
    let is_gone = record.reason == Some(Reason::SourceMissing);
    has_failed.then_some(if is_gone { End::done(Outcome::SourceMissing) } else { End::Settled(EventResult::DEAD) })
}
