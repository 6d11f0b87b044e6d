//! The allowed changes of a record: a guard that must hold, and the change that is then written.
//!
//! Every write of a worker is one [`Transition`]: the catalog checks its [`Guard`] and applies its [`Change`] in one
//! step. Both are plain functions here. A backend either calls them under its own lock or translates them into its
//! database's conditions, and the contract suite checks the translation.

use darkroom_thumbnail::FileKind;

use super::{
    FIRST_SCHEMA, ImageId, ImageRecord, Original, Published, Reason, RefusedKind, Sequencer, SourceId, Status,
};
use crate::clock::Timestamp;

/// One worker's attempt at one event; its identity in the record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Random per attempt: the fencing token.
    pub token: String,
    /// The id of the message that brought the event.
    pub message: String,
}

impl Attempt {
    /// An attempt at an event of `message`, with a token of 64 random bits.
    ///
    /// # Errors
    /// When the system cannot provide random bytes.
    pub fn begin(message: &str) -> Result<Self, getrandom::Error> {
        Ok(Self { token: format!("{:016x}", getrandom::u64()?), message: message.to_owned() })
    }
}

/// The condition of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// An event with a sequencer: the record is absent or older, or holds the same upload and admits this message.
    /// `src` is the object that was read, once one was read.
    Enter {
        /// The event's sequencer.
        seq: Sequencer,
        /// The object that was read.
        src: Option<SourceId>,
    },
    /// An event without a sequencer that found no record: the record is still absent.
    Absent,
    /// An event without a sequencer that read a record: the record has not changed since.
    Unchanged {
        /// The revision that was read.
        rev: u64,
    },
    /// This attempt still holds the claim.
    Hold,
}

/// The change that is written when the guard holds.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// Rendering begins: `waiting_for_thumbnails`. Keeps published thumbnails; removes reason, error and ttl.
    Claim {
        /// The object that was read.
        src: SourceId,
        /// Its header fields.
        original: Original,
        /// How long the claim keeps other messages out.
        lease_until: Timestamp,
        /// Abandoned claims of this version, this message's last one included.
        deaths: u32,
    },
    /// The object is not an accepted image: `invalid_content_type`. Keeps published thumbnails.
    Reject {
        /// The reason.
        reason: Reason,
        /// The object that was read.
        src: Option<SourceId>,
        /// A description of the fault.
        detail: String,
        /// What the file is, if it was recognised.
        kind: Option<FileKind>,
    },
    /// The thumbnails exist: `published`. Keeps the claim, removes the lease.
    Publish(Published),
    /// No attempt is left, or the source is gone: `failed`.
    Fail {
        /// The reason.
        reason: Reason,
        /// The object that was read, if any.
        src: Option<SourceId>,
        /// Abandoned claims of this version.
        deaths: u32,
        /// A description of the error.
        error: String,
    },
    /// The image was deleted: removes its data and keeps what rejects late events: the sequencer, or the last possible
    /// one if none was known, because the first event may then still be with a worker.
    Delete {
        /// When the record may be deleted: no event arrives later than that.
        forget_at: Timestamp,
    },
    /// The attempt failed and others are left: removes the lease, so that the next attempt may start at once.
    Release {
        /// A description of the error.
        error: String,
    },
}

/// One conditional write to the record of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The image.
    pub id: ImageId,
    /// The object's key, written when the record is created.
    pub key: String,
    /// The attempt that writes.
    pub attempt: Attempt,
    /// The condition.
    pub guard: Guard,
    /// The change.
    pub change: Change,
    /// The time of the write.
    pub at: Timestamp,
}

impl Change {
    /// The status of the record after this change.
    pub const fn outcome(&self) -> Status {
        match self {
            Self::Claim { .. } | Self::Release { .. } => Status::WaitingForThumbnails,
            Self::Reject { .. } => Status::InvalidContentType,
            Self::Publish(_) => Status::Published,
            Self::Fail { .. } => Status::Failed,
            Self::Delete { .. } => Status::Deleted,
        }
    }

    /// The reason of a rejection or failure; `None` for other changes.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Reject { reason, .. } | Self::Fail { reason, .. } => Some(*reason),
            Self::Claim { .. } | Self::Publish(_) | Self::Delete { .. } | Self::Release { .. } => None,
        }
    }

    /// The schema of a record after this change; `None` if it is unchanged.
    pub const fn schema(&self) -> Option<u32> {
        match (self, self.reason()) {
            (Self::Release { .. }, _) => None,
            (_, Some(reason)) => Some(reason.schema()),
            (_, None) => Some(FIRST_SCHEMA),
        }
    }
}

impl Change {
    /// Whether it is the final verdict on the upload.
    pub const fn is_verdict(&self) -> bool {
        self.outcome().is_verdict()
    }
}

/// The result of a transition.
#[derive(Clone, Debug, PartialEq)]
pub enum Applied {
    /// The change was written; `before` is the record before it.
    Written {
        /// The record before the write.
        before: Option<ImageRecord>,
    },
    /// The guard did not hold; `current` is the record that it was checked against.
    Refused {
        /// The current record.
        current: Option<ImageRecord>,
    },
}

impl Transition {
    /// Whether the guard holds for `record`. A record of a newer schema admits no write.
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
            Guard::Unchanged { rev } => record.rev == *rev,
        }
    }

    /// Whether this attempt owns the record, or has already written this very change: a retried write may find its own
    /// first success, and the token identifies it.
    ///
    /// A verdict of the attempt is not overwritten by a failure that it reports when the answer to the verdict was
    /// lost, nor by a claim that arrives late.
    fn is_own(&self, record: &ImageRecord) -> bool {
        record.claim.as_deref() == Some(&*self.attempt.token)
            && (record.status == Status::WaitingForThumbnails || record.status == self.change.outcome())
    }

    /// The same upload again: admitted for another message once it failed, and for this one, or for any when no lease
    /// is live.
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

    /// The kind of a refused file as it is stored; `None` for other changes.
    pub fn refused_kind(&self) -> Option<RefusedKind> {
        let Change::Reject { kind: Some(kind), .. } = &self.change else { return None };
        Some(RefusedKind { name: kind.name().to_owned(), at: self.at })
    }

    /// The record after the change. Does not check the guard.
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
        new.refused_kind = self.refused_kind();
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
            Change::Reject { reason, src, detail, kind: _ } => {
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
