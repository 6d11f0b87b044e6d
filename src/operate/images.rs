//! `darkroom images`: lists the catalog's records, or shows one of them.

mod list;
mod show;
mod view;

use std::time::Duration;

use crate::clock::Timestamp;
use crate::record::{ImageId, ImageRecord, Status};
pub use list::list;
pub use show::show;
pub(super) use view::View;

/// A point in time, or an age before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// This long before now.
    Ago(Duration),
    /// At this time.
    At(Timestamp),
}

impl Since {
    fn resolve(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(age) => now.minus(age),
            Self::At(at) => at,
        }
    }
}

/// The filter and format of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only records with one of these statuses; if empty, all except `deleted`.
    pub statuses: Vec<Status>,
    /// Only records that were written at this time or later.
    pub since: Option<Since>,
    /// Whether to print JSON, one object per line.
    pub as_json: bool,
}

impl ListOptions {
    /// Whether to list a record; `since` is the earliest time of its last write.
    fn admit(&self, record: &ImageRecord, since: Option<Timestamp>) -> bool {
        let has_status = match &*self.statuses {
            [] => record.status != Status::Deleted,
            statuses => statuses.contains(&record.status),
        };
        has_status && since.is_none_or(|since| record.updated_at >= since)
    }
}

/// The operations of `darkroom images`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// [`list`]
    List(ListOptions),
    /// [`show`]
    Show {
        /// The image.
        id: ImageId,
        /// Whether to print one JSON object.
        as_json: bool,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_listed_from_the_very_millisecond_on() {
        let at = |millis| Timestamp::from_millis(millis);
        let record = |written| {
            ImageRecord::waiting_for_upload(ImageId::parse("cat").unwrap(), "uploads/cat".into(), at(written), at(9))
        };
        let options = ListOptions::default();
        for (written, is_listed) in [(999, false), (1000, true), (1001, true)] {
            assert_eq!(options.admit(&record(written), Some(at(1000))), is_listed, "{written}");
        }
        assert_eq!(Since::Ago(Duration::from_secs(2)).resolve(at(5000)), at(3000));
        assert_eq!(Since::At(at(7)).resolve(at(5000)), at(7));
    }

    #[test]
    fn deleted_images_are_listed_only_when_they_are_asked_for() {
        let at = Timestamp::from_millis(0);
        let mut record = ImageRecord::waiting_for_upload(ImageId::parse("cat").unwrap(), "uploads/cat".into(), at, at);
        for status in Status::ALL {
            record.status = status;
            assert_eq!(ListOptions::default().admit(&record, None), status != Status::Deleted, "{status}");
            let only = |status| ListOptions { statuses: vec![status], ..ListOptions::default() };
            assert!(only(status).admit(&record, None), "{status}");
            assert!(Status::ALL.iter().all(|other| only(*other).admit(&record, None) == (*other == status)));
        }
    }
}
