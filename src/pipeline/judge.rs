//! What a record means for an event, before anything is written: `docs/ARCHITECTURE.md` has the whole table.

use super::attempt::{Job, Way};
use super::{Attempted, Fate};
use crate::clock::Timestamp;
use crate::metrics::Outcome;
use crate::record::{Guard, ImageRecord, Reason, SourceId, Status};

/// Dead claims after which an image is given up.
pub(super) const MAX_DEATHS: u32 = 5;

/// What an earlier attempt left behind that this one must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Past {
    /// Claims of this version that died, the last one included.
    pub(super) deaths: u32,
    /// The last claim died without a word: render alone.
    pub(super) is_dead_claim: bool,
}

/// What a look says of an event with a sequencer, before the object is read; `Err` when nothing is left to do.
pub(super) fn of_sequenced(record: &ImageRecord, way: &Way, job: &Job<'_>, now: Timestamp) -> Result<Past, Fate> {
    let (Way::Sequenced(seq), Some(known)) = (way, &record.seq) else { return Ok(Past::default()) };
    if known > seq {
        return Err(Fate::Done(Outcome::Superseded));
    }
    if known < seq {
        return Ok(Past::default());
    }
    // Without a version id, what the sequencer stands for may have been overwritten: only reading tells.
    if let Some(version) = &job.event.version_id {
        of_same_source(record, &SourceId::new(Some(version), ""), job, now)
    } else {
        own_failure(record, job).map_or_else(|| Ok(past(record, job)), Err)
    }
}

/// What a record says once the current object was read, of an event without a sequencer.
pub(super) fn of_current(record: &ImageRecord, src: &SourceId, job: &Job<'_>, now: Timestamp) -> Result<Past, Fate> {
    if record.src.as_ref() != Some(src) {
        return Ok(Past::default());
    }
    of_same_source(record, src, job, now)
}

fn of_same_source(record: &ImageRecord, src: &SourceId, job: &Job<'_>, now: Timestamp) -> Result<Past, Fate> {
    let is_same = record.src.as_ref().is_none_or(|known| known == src);
    if !is_same {
        return Ok(Past::default());
    }
    if let Some(fate) = own_failure(record, job) {
        return Err(fate);
    }
    let is_settled = matches!(record.status, Status::Published | Status::InvalidContentType);
    let is_held_by_another = record.has_live_lease(now) && !is_of_message(record, job);
    if (is_settled && !job.event.is_forced) || is_held_by_another {
        return Err(Fate::Done(Outcome::Duplicate));
    }
    Ok(past(record, job))
}

/// What is known of earlier claims of the same upload.
fn past(record: &ImageRecord, job: &Job<'_>) -> Past {
    if record.status != Status::WaitingForThumbnails {
        return Past::default();
    }
    // A lease that still stands was neither settled nor released: its holder died, or lost the message.
    let is_dead_claim = record.lease_until.is_some();
    let died_with_this_message = is_dead_claim && is_of_message(record, job);
    Past { deaths: record.deaths + u32::from(died_with_this_message), is_dead_claim }
}

/// What the catalog's refusal of a write under `guard` means.
pub(super) fn of_refusal(
    current: Option<&ImageRecord>,
    guard: &Guard,
    src: Option<&SourceId>,
    job: &Job<'_>,
) -> Attempted {
    let Some(current) = current else { return Attempted::RecordChanged };
    if current.is_of_a_newer_schema() {
        tracing::warn!(record.v = current.v, "a newer build wrote the record");
        return Attempted::Settled(Fate::Again { is_outage: false });
    }
    let (Guard::Enter { seq, .. }, Some(known)) = (guard, &current.seq) else { return Attempted::RecordChanged };
    if known > seq {
        return Attempted::Settled(Fate::Done(Outcome::Superseded));
    }
    let is_other_source = matches!((src, &current.src), (Some(read), Some(known)) if read != known);
    if is_other_source {
        return Attempted::SourceChanged;
    }
    Attempted::Settled(own_failure(current, job).unwrap_or(Fate::Done(Outcome::Duplicate)))
}

/// What the refusal of a write that holds a claim means: it was replaced, or this attempt had decided already and the
/// answer got lost.
pub(super) fn of_lost_claim(current: Option<&ImageRecord>, job: &Job<'_>) -> Outcome {
    let own = current.filter(|record| record.claim.as_deref() == Some(&*job.attempt.token));
    match own.map(|record| record.status) {
        Some(Status::Published) => Outcome::Published,
        Some(Status::InvalidContentType) => Outcome::Rejected,
        _ => Outcome::Superseded,
    }
}

fn is_of_message(record: &ImageRecord, job: &Job<'_>) -> bool {
    record.message.as_deref() == Some(&*job.attempt.message)
}

/// What an earlier delivery of this message has come to, or an earlier record in it, if it has failed for good: the
/// message is on its way to the dead letters, or to its end if the object is gone.
fn own_failure(record: &ImageRecord, job: &Job<'_>) -> Option<Fate> {
    let has_failed = record.status == Status::Failed && is_of_message(record, job);
    let is_gone = record.reason == Some(Reason::SourceMissing);
    has_failed.then_some(if is_gone { Fate::Done(Outcome::SourceMissing) } else { Fate::DEAD })
}
