//! Where the object of an event is looked for. Systems that imitate S3's events may name another key or version than
//! the object has.

use crate::event::ObjectCreated;
use crate::record::ImageId;

/// How an event is read to find its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// As S3 means it: an encoded key, and the version if the event has an order.
    AsWritten,
    /// The current object instead of a version that the store does not know.
    WithoutVersion,
    /// The key is not encoded; the current object under it.
    RawKey,
}

/// One place to look for the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lookup<'a> {
    pub(super) id: ImageId,
    pub(super) key: &'a str,
    pub(super) reading: Reading,
    /// Whether there is no further place: the object is gone if it is not here.
    pub(super) is_last: bool,
}

/// The places to look for the object, in order; empty for a key outside `prefix` and for a folder marker.
///
/// The event as it is written comes first, and once more at the end if there are others: only it has an order, so only
/// it may conclude that the object is gone.
pub(super) fn lookups<'a>(prefix: &str, event: &'a ObjectCreated) -> Vec<Lookup<'a>> {
    // Only a stated size of 0 makes a folder marker: an event without a size may be about an upload.
    let id_of = |key: &str| ImageId::of_upload(prefix, key, event.size.unwrap_or(1));
    let is_outside = !event.key.starts_with(prefix);
    let lookup = |id, key, reading, is_last| Lookup { id, key, reading, is_last };
    let mut others = Vec::new();
    if event.doubts.is_version_doubtful && event.version_id.is_some() && event.sequencer.is_some() {
        others.extend(id_of(&event.key).map(|id| lookup(id, &*event.key, Reading::WithoutVersion, false)));
    }
    if let Some(raw_key) = &event.doubts.raw_key {
        others.extend(id_of(raw_key).map(|id| lookup(id, raw_key, Reading::RawKey, false)));
    }
    match id_of(&event.key) {
        Some(id) if others.is_empty() => vec![lookup(id, &event.key, Reading::AsWritten, true)],
        Some(id) => {
            let first = lookup(id.clone(), &*event.key, Reading::AsWritten, false);
            let last = lookup(id, &*event.key, Reading::AsWritten, true);
            [vec![first], others, vec![last]].concat()
        }
        None if is_outside => others,
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Doubts;
    use crate::record::Sequencer;
    use Reading::{AsWritten, RawKey, WithoutVersion};

    fn readings(prefix: &str, event: &ObjectCreated) -> Vec<(String, Reading, bool)> {
        let lookups = lookups(prefix, event).into_iter();
        lookups.map(|lookup| (lookup.key.to_owned(), lookup.reading, lookup.is_last)).collect()
    }

    fn event(key: &str, raw_key: Option<&str>) -> ObjectCreated {
        ObjectCreated {
            bucket: "photos".to_owned(),
            key: key.to_owned(),
            size: None,
            version_id: Some("1".to_owned()),
            sequencer: Sequencer::parse("0A"),
            at: None,
            is_forced: false,
            doubts: Doubts { raw_key: raw_key.map(str::to_owned), is_version_doubtful: false },
        }
    }

    #[test]
    fn an_event_without_doubts_has_one_place() {
        assert_eq!(readings("up/", &event("up/a", None)), [("up/a".to_owned(), AsWritten, true)]);
        assert_eq!(readings("up/", &event("down/a", None)), []);
    }

    #[test]
    fn the_event_as_written_is_looked_for_first_and_last() {
        let mut doubtful = event("up/a b", Some("up/a+b"));
        doubtful.doubts.is_version_doubtful = true;
        let (key, raw_key) = ("up/a b".to_owned(), "up/a+b".to_owned());
        let expected = [
            (key.clone(), AsWritten, false),
            (key.clone(), WithoutVersion, false),
            (raw_key.clone(), RawKey, false),
            (key.clone(), AsWritten, true),
        ];
        assert_eq!(readings("up/", &doubtful), expected);

        // Without an order, the event as written is about the current object already.
        doubtful.sequencer = None;
        let expected = [(key.clone(), AsWritten, false), (raw_key, RawKey, false), (key, AsWritten, true)];
        assert_eq!(readings("up/", &doubtful), expected);
    }

    #[test]
    fn a_prefix_may_hold_only_one_of_the_two_keys() {
        let minio = event("up/a", Some("up%2Fa"));
        assert_eq!(readings("up/", &minio), [("up/a".to_owned(), AsWritten, true)]);
        let raw = event("u p/a", Some("u+p/a"));
        assert_eq!(readings("u+p/", &raw), [("u+p/a".to_owned(), RawKey, false)]);
    }

    #[test]
    fn a_folder_marker_is_none_by_its_raw_key_either() {
        let marker = ObjectCreated { size: Some(0), ..event("up/a/", Some("up%2Fa%2F")) };
        assert_eq!(readings("up", &marker), []);
    }
}
