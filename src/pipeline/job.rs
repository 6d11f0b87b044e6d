//! What an attempt works on, and what it has learned and done so far.

use super::Delivery;
use crate::event::ObjectCreated;
use crate::record::{Attempt, Guard, ImageId, ImageRecord, Sequencer, SourceId};

/// How the events of one key are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EventOrder {
    /// By the event's sequencer: the newest upload wins.
    Sequenced(Sequencer),
    /// The event has none: it stands for whatever object is there now.
    Unordered,
}

/// One record of one message, with the token of this attempt.
pub(super) struct Job<'a> {
    pub(super) id: ImageId,
    pub(super) event: &'a ObjectCreated,
    pub(super) delivery: &'a Delivery,
    pub(super) attempt: Attempt,
}

impl<'a> Job<'a> {
    pub(super) fn new(id: ImageId, event: &'a ObjectCreated, delivery: &'a Delivery) -> Result<Self, getrandom::Error> {
        Ok(Self { id, event, delivery, attempt: Attempt::begin(&delivery.message)? })
    }
}

/// Whether the image is this attempt's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// No claim was asked for.
    None,
    /// One was asked for, and no answer has come: it may have been written.
    Asked,
    /// The claim was written.
    Held,
}

/// What an earlier attempt left behind that this one must know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PriorAttempts {
    /// Claims of this version that died, the last one included.
    pub(super) deaths: u32,
    /// The last claim died without a word: render alone.
    pub(super) is_dead_claim: bool,
}

/// What an attempt has learned and done so far: its writes are conditional on it.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) order: EventOrder,
    /// Whether the image's record was read; without a sequencer it has to be.
    pub(super) is_record_read: bool,
    /// The record as it was read.
    pub(super) record: Option<ImageRecord>,
    /// The object that was read.
    pub(super) src: Option<SourceId>,
    pub(super) prior: PriorAttempts,
    pub(super) claim: ClaimState,
}

impl Progress {
    /// The begin of an attempt.
    pub(super) fn new(order: EventOrder) -> Self {
        Self {
            order,
            is_record_read: false,
            record: None,
            src: None,
            prior: PriorAttempts::default(),
            claim: ClaimState::None,
        }
    }

    /// The condition of this attempt's next write; `None` while the record that it depends on is not known.
    pub(super) fn guard(&self) -> Option<Guard> {
        match (&self.order, &self.record) {
            _ if self.claim == ClaimState::Held => Some(Guard::Hold),
            (EventOrder::Sequenced(seq), _) => Some(Guard::Enter { seq: seq.clone(), src: self.src.clone() }),
            (EventOrder::Unordered, Some(record)) => Some(Guard::Seen { rev: record.rev }),
            (EventOrder::Unordered, None) => self.is_record_read.then_some(Guard::Absent),
        }
    }
}
