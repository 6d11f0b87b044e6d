//! The input of an attempt, and its state so far.

use super::Delivery;
use super::lookup::Lookup;
use crate::event::ObjectCreated;
use crate::record::{Attempt, Guard, ImageRecord, Sequencer, SourceId};

/// How the events of one key are ordered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EventOrder {
    /// By the event's sequencer: the newest upload wins.
    Sequenced(Sequencer),
    /// The event has no sequencer: it refers to the current object.
    Unordered,
}

/// One record of one message, with the token of this attempt.
pub(super) struct Job<'a> {
    pub(super) lookup: Lookup<'a>,
    pub(super) event: &'a ObjectCreated,
    pub(super) delivery: &'a Delivery,
    pub(super) attempt: Attempt,
}

impl<'a> Job<'a> {
    pub(super) fn new(
        lookup: Lookup<'a>,
        event: &'a ObjectCreated,
        delivery: &'a Delivery,
    ) -> Result<Self, getrandom::Error> {
        Ok(Self { lookup, event, delivery, attempt: Attempt::begin(&delivery.message)? })
    }
}

/// Whether this attempt has claimed the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClaimState {
    /// No claim was requested.
    None,
    /// A claim was requested and no answer has arrived: it may have been written.
    Asked,
    /// The claim was written.
    Held,
}

/// What this attempt must know of earlier ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PriorAttempts {
    /// Abandoned claims of this version (neither settled nor released), the last one included.
    pub(super) deaths: u32,
    /// The last claim was abandoned: render alone.
    pub(super) is_dead_claim: bool,
}

/// What an attempt has read and written so far: its writes are conditional on it.
#[derive(Debug)]
pub(super) struct Progress {
    pub(super) order: EventOrder,
    /// Whether the image's record was read; required without a sequencer.
    pub(super) is_record_read: bool,
    /// The record as it was read.
    pub(super) record: Option<ImageRecord>,
    /// The object that was read.
    pub(super) src: Option<SourceId>,
    pub(super) prior: PriorAttempts,
    pub(super) claim: ClaimState,
}

impl Progress {
    /// The state at the start of an attempt.
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

    /// The condition of this attempt's next write; `None` while the record that it depends on is unknown.
    pub(super) fn guard(&self) -> Option<Guard> {
        match (&self.order, &self.record) {
            _ if self.claim == ClaimState::Held => Some(Guard::Hold),
            (EventOrder::Sequenced(seq), _) => Some(Guard::Enter { seq: seq.clone(), src: self.src.clone() }),
            (EventOrder::Unordered, Some(record)) => Some(Guard::Unchanged { rev: record.rev }),
            (EventOrder::Unordered, None) => self.is_record_read.then_some(Guard::Absent),
        }
    }
}
