//! Events of other buckets: sent here by mistake, or a sign that `DARKROOM_UPLOAD_BUCKET` is wrong.

use std::sync::{Mutex, Once, PoisonError};

use crate::event::{Event, ObjectCreated};
use crate::ports::queue::Message;

/// What the events so far show about the setting `DARKROOM_UPLOAD_BUCKET`.
#[derive(Debug)]
pub(super) struct BucketEvidence {
    own: String,
    prefix: String,
    state: Mutex<State>,
    outside_prefix: Once,
}

#[derive(Debug, PartialEq, Eq)]
enum State {
    /// No event has been received.
    Nothing,
    /// One message with events of another bucket was received; its id.
    OneOther(String),
    /// Several messages were received, and all their events are of other buckets.
    OnlyOther,
    /// An event of this worker's bucket was received: the setting is right.
    Own,
}

/// How to treat a message with an event of another bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OtherBucket {
    /// Not meant for this worker: it belongs in the dead-letter queue.
    Unrelated,
    /// It may be meant for this worker, so it is kept.
    Kept {
        /// Whether the setting is probably wrong, so that receiving must pause. A single message does not show that.
        is_trouble: bool,
    },
}

impl BucketEvidence {
    /// No events yet; uploads are expected in the bucket `own`, under `prefix`.
    pub(super) fn new(own: &str, prefix: &str) -> Self {
        let state = Mutex::new(State::Nothing);
        Self { own: own.to_owned(), prefix: prefix.to_owned(), state, outside_prefix: Once::new() }
    }

    /// Records the message's events, and returns how to treat the message if one of them is of another bucket.
    pub(super) fn judge(&self, message: &Message, events: &[Event]) -> Option<OtherBucket> {
        let created = || {
            events.iter().filter_map(|event| match event {
                Event::Created(created) => Some(created),
                Event::Ignored(_) | Event::Unreadable(_) => None,
            })
        };
        let other = created().find(|created| created.bucket != self.own);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if created().any(|created| created.bucket == self.own) {
            *state = State::Own;
        }
        let is_outside = |it: &&ObjectCreated| {
            !it.key.starts_with(&self.prefix)
                && !it.doubts.raw_key.as_ref().is_some_and(|raw_key| raw_key.starts_with(&self.prefix))
        };
        if let Some(outside) = created().filter(|it| it.bucket == self.own).find(is_outside) {
            self.outside_prefix.call_once(|| {
                tracing::warn!(
                    object.key = outside.key,
                    prefix = self.prefix,
                    "an event of a key outside DARKROOM_UPLOAD_PREFIX: such messages are deleted; this line comes once"
                );
            });
        }
        other.map(|other| self.judge_other(&mut state, message, other))
    }

    fn judge_other(&self, state: &mut State, message: &Message, other: &ObjectCreated) -> OtherBucket {
        let (bucket, own) = (&other.bucket, &self.own);
        match state {
            State::Own => return OtherBucket::Unrelated,
            State::Nothing => {
                tracing::warn!(
                    bucket,
                    own,
                    "an event of another bucket came before any event of the own one: its message is kept for now"
                );
                *state = State::OneOther(message.id.clone());
            }
            State::OneOther(id) if *id != message.id => {
                tracing::error!(
                    bucket,
                    own,
                    "all events so far are of other buckets: DARKROOM_UPLOAD_BUCKET is probably wrong; messages \
                     are kept"
                );
                *state = State::OnlyOther;
            }
            State::OneOther(_) | State::OnlyOther => {}
        }
        OtherBucket::Kept { is_trouble: *state == State::OnlyOther }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::ports::queue::Receipt;

    fn judged(evidence: &BucketEvidence, id: &str, buckets: &[&str]) -> Option<OtherBucket> {
        let at = Timestamp::from_millis(0);
        let message = Message {
            id: id.to_owned(),
            receipt: Receipt(String::new()),
            body: String::new(),
            receive_count: 1,
            sent_at: at,
            first_received_at: at,
            trace: crate::ports::queue::TraceHeaders::default(),
        };
        let event = |bucket: &&str| {
            Event::Created(ObjectCreated {
                bucket: (*bucket).to_owned(),
                key: "uploads/cat".to_owned(),
                size: None,
                version_id: None,
                sequencer: None,
                at: None,
                is_forced: false,
                doubts: crate::event::Doubts::default(),
            })
        };
        evidence.judge(&message, &buckets.iter().map(event).collect::<Vec<_>>())
    }

    const KEPT: Option<OtherBucket> = Some(OtherBucket::Kept { is_trouble: false });
    const TROUBLE: Option<OtherBucket> = Some(OtherBucket::Kept { is_trouble: true });

    #[test]
    fn one_message_is_kept_and_a_second_one_is_trouble() {
        let evidence = BucketEvidence::new("photos", "uploads/");
        assert_eq!(judged(&evidence, "a", &["other"]), KEPT);
        assert_eq!(judged(&evidence, "a", &["other", "another"]), KEPT, "the same message received again");
        assert_eq!(judged(&evidence, "b", &[]), None);
        assert_eq!(judged(&evidence, "c", &["other"]), TROUBLE);
        assert_eq!(judged(&evidence, "a", &["other"]), TROUBLE);
    }

    #[test]
    fn after_an_event_of_the_own_bucket_others_are_unrelated() {
        let evidence = BucketEvidence::new("photos", "uploads/");
        assert_eq!(judged(&evidence, "a", &["other"]), KEPT);
        assert_eq!(judged(&evidence, "b", &["other"]), TROUBLE);
        assert_eq!(judged(&evidence, "c", &["photos"]), None);
        assert_eq!(judged(&evidence, "a", &["other"]), Some(OtherBucket::Unrelated));
    }

    #[test]
    fn an_event_of_the_own_bucket_in_the_same_message_counts() {
        let evidence = BucketEvidence::new("photos", "uploads/");
        assert_eq!(judged(&evidence, "a", &["other", "photos"]), Some(OtherBucket::Unrelated));
    }
}
