//! The only ways a record may change: a guard that must hold, and what is then written.
//!
//! Every write of a worker is one [`Transition`]: the catalog checks its [`Guard`] and applies its [`Change`] in one
//! step. Both are plain functions here; a backend either calls them under its own lock or says the same in its
//! database's words, and the contract suite holds it to that.

use super::{FIRST_SCHEMA, ImageId, ImageRecord, Original, Published, Reason, Sequencer, SourceId, Status};
use crate::clock::Timestamp;

/// One worker's attempt at one event: what it writes into the record to recognise itself by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Random per attempt: the fence.
    pub token: String,
    /// The id of the message that brought the event.
    pub message: String,
}

impl Attempt {
    /// An attempt at what a message brought, with a token of 64 random bits.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn begin(message: &str) -> Result<Self, getrandom::Error> {
        Ok(Self { token: format!("{:016x}", getrandom::u64()?), message: message.to_owned() })
    }
}

/// What must be true of the record for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// An event with a sequencer: the record is absent or older, or the same upload stands open to this message.
    /// `src` is what was read, once something was read.
    Enter {
        /// The event's sequencer.
        seq: Sequencer,
        /// The object that was read.
        src: Option<SourceId>,
    },
    /// An event without a sequencer that found no record: there is still none.
    Absent,
    /// An event without a sequencer that saw a record: it has not changed since.
    Seen {
        /// The revision that was seen.
        rev: u64,
    },
    /// The claim is still this attempt's own.
    Hold,
}

/// What is written when the guard holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Rendering begins: `waiting_for_thumbnails`. Published thumbnails stay; reason, error and ttl go.
    Claim {
        /// What was read.
        src: SourceId,
        /// What its header says.
        original: Original,
        /// How long the claim keeps other messages out.
        lease_until: Timestamp,
        /// Claims of this version that died, this message's last one included.
        deaths: u32,
    },
    /// The object is not an image that darkroom takes: `invalid_content_type`. Published thumbnails stay.
    Reject {
        /// Why.
        reason: Reason,
        /// What was read.
        src: Option<SourceId>,
        /// What is wrong, in words.
        detail: String,
    },
    /// The thumbnails exist: `published`. The claim stays, the lease goes.
    Publish(Published),
    /// No attempt is left, or the source is gone: `failed`.
    Fail {
        /// Why.
        reason: Reason,
        /// What was read, if anything was.
        src: Option<SourceId>,
        /// Claims of this version that died.
        deaths: u32,
        /// What went wrong, in words.
        error: String,
    },
    /// The image was deleted: what is known of it goes. What stays keeps late events out: the sequencer, and the last of
    /// all where none was known, since then no event was seen and the first may be in a worker's hands.
    Delete {
        /// When the record itself may go: no event is delivered later than that.
        forget_at: Timestamp,
    },
    /// The attempt failed and others are left: the lease goes, so that the next one may begin at once.
    Release {
        /// What went wrong, in words.
        error: String,
    },
}

/// One conditional write to the record of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The image.
    pub id: ImageId,
    /// The object's key, written when the record is made.
    pub key: String,
    /// Who writes.
    pub attempt: Attempt,
    /// What must hold.
    pub guard: Guard,
    /// What is written.
    pub change: Change,
    /// When.
    pub at: Timestamp,
}

impl Change {
    /// The status that a record in hand has after this change.
    pub const fn outcome(&self) -> Status {
        match self {
            Self::Claim { .. } | Self::Release { .. } => Status::WaitingForThumbnails,
            Self::Reject { .. } => Status::InvalidContentType,
            Self::Publish(_) => Status::Published,
            Self::Fail { .. } => Status::Failed,
            Self::Delete { .. } => Status::Deleted,
        }
    }

    /// Why the upload was rejected or the image given up; `None` for a change that does neither.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Reject { reason, .. } | Self::Fail { reason, .. } => Some(*reason),
            Self::Claim { .. } | Self::Publish(_) | Self::Delete { .. } | Self::Release { .. } => None,
        }
    }

    /// The schema of a record after this change; `None` where it stays.
    pub const fn schema(&self) -> Option<u32> {
        match (self, self.reason()) {
            (Self::Release { .. }, _) => None,
            (_, Some(reason)) => Some(reason.schema()),
            (_, None) => Some(FIRST_SCHEMA),
        }
    }
}

impl Change {
    /// Whether it says for good what became of the upload.
    pub const fn is_verdict(&self) -> bool {
        self.outcome().is_verdict()
    }
}

/// What became of a transition.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// It was written; `before` is what stood there.
    Written {
        /// The record before the write.
        before: Option<ImageRecord>,
    },
    /// The guard did not hold; `current` is what stands there.
    Refused {
        /// The record as it is.
        current: Option<ImageRecord>,
    },
}

impl Transition {
    /// Whether the guard holds for `record`. A record of a newer schema admits nothing.
    pub fn is_admitted_by(&self, record: Option<&ImageRecord>) -> bool {
        let Some(record) = record else {
            return matches!(self.guard, Guard::Enter { .. } | Guard::Absent);
        };
        if record.is_of_a_newer_schema() {
            return false;
        }
        if self.is_own(record) {
            return true;
        }
        match &self.guard {
            Guard::Enter { seq, src } => match &record.seq {
                None => true,
                Some(known) if known < seq => true,
                Some(known) if known > seq => false,
                Some(_) => self.may_take_over(record, src.as_ref()),
            },
            Guard::Absent | Guard::Hold => false,
            Guard::Seen { rev } => record.rev == *rev,
        }
    }

    /// Whether this attempt has the record in hand, or has written this very change: a retried write may meet its own
    /// first success, and the token recognises it.
    ///
    /// What the attempt decided otherwise stands: neither a failure that it notices when the decision's answer got
    /// lost, nor a claim that arrives late, is written over it.
    fn is_own(&self, record: &ImageRecord) -> bool {
        record.claim.as_deref() == Some(&*self.attempt.token)
            && (record.status == Status::WaitingForThumbnails || record.status == self.change.outcome())
    }

    /// The same upload again: open to another message once it failed, and to this one, or to any when no lease is live.
    fn may_take_over(&self, record: &ImageRecord, src: Option<&SourceId>) -> bool {
        let same_source = match (src, &record.src) {
            (Some(read), Some(known)) => read == known,
            _ => true,
        };
        let by_this_message = record.message.as_deref() == Some(&*self.attempt.message);
        same_source
            && match record.status {
                Status::Failed => !by_this_message,
                Status::WaitingForThumbnails => by_this_message || !record.has_live_lease(self.at),
                _ => false,
            }
    }

    /// The record as the change leaves it. Says nothing about the guard.
    pub fn apply_to(&self, record: Option<ImageRecord>) -> ImageRecord {
        let existed = record.is_some();
        let mut new = record.unwrap_or_else(|| ImageRecord::blank(self.id.clone(), self.key.clone(), self.at));
        new.rev = if existed { new.rev + 1 } else { 1 };
        new.updated_at = self.at;
        new.lease_until = None;
        new.v = self.change.schema().unwrap_or(new.v);
        if let Change::Release { error } = &self.change {
            new.last_error = Some(error.clone());
            return new;
        }
        new.claim = Some(self.attempt.token.clone());
        new.message = Some(self.attempt.message.clone());
        new.ttl = None;
        new.settled_at = self.change.is_verdict().then_some(self.at);
        new.status = self.change.outcome();
        new.reason = None;
        new.last_error = None;
        if let Guard::Enter { seq, .. } = &self.guard {
            new.seq = Some(seq.clone());
        }
        if self.guard != Guard::Hold {
            new.original = None;
        }
        match &self.change {
            Change::Claim { src, original, lease_until, deaths } => {
                new.src = Some(src.clone());
                new.original = Some(original.clone());
                new.lease_until = Some(*lease_until);
                new.deaths = *deaths;
            }
            Change::Reject { reason, src, detail } => {
                new.reason = Some(*reason);
                new.src.clone_from(src);
                new.original = None;
                new.deaths = 0;
                new.last_error = Some(detail.clone());
            }
            Change::Publish(published) => {
                new.deaths = 0;
                new.published = Some(published.clone());
            }
            Change::Fail { reason, src, deaths, error } => {
                new.reason = Some(*reason);
                new.src.clone_from(src);
                new.deaths = *deaths;
                new.last_error = Some(error.clone());
            }
            Change::Delete { forget_at } => {
                new.seq.get_or_insert_with(Sequencer::last);
                new.src = None;
                new.deaths = 0;
                new.published = None;
                new.ttl = Some(*forget_at);
            }
            Change::Release { .. } => {}
        }
        new
    }
}
