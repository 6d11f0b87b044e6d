//! Tells the denial of one object from the denial of all. An object may have an owner or a key of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::ports::{ErrorKind, PortError};
use crate::record::ImageId;

/// How long the success of one image shows that the operation is allowed in general.
const RECENT: Duration = Duration::from_secs(60);

/// An operation on the objects of a bucket, as far as permissions distinguish them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Reads the current object.
    ReadCurrent,
    /// Reads a version, which is a permission of its own.
    ReadVersion,
    /// Puts a thumbnail.
    Write,
}

/// The latest successes of each operation.
#[derive(Debug, Default)]
pub struct AccessHistory {
    latest: Mutex<[Latest; 3]>,
}

/// The latest success, and the latest one of another image.
#[derive(Debug, Default)]
struct Latest {
    of_any: Option<(ImageId, Instant)>,
    of_another: Option<Instant>,
}

impl AccessHistory {
    /// Remembers a success. A denial becomes [`ErrorKind::ObjectDenied`] if the same operation succeeded for another
    /// image within the last minute.
    pub(super) fn judge<T>(&self, access: Access, id: &ImageId, answer: Result<T, PortError>) -> Result<T, PortError> {
        let latest = &mut self.latest.lock().unwrap_or_else(PoisonError::into_inner)[access as usize];
        match answer {
            Ok(answer) => {
                latest.note(id);
                Ok(answer)
            }
            Err(mut error) => {
                if error.kind == ErrorKind::Denied && !error.is_missing() && latest.is_recent_for_another(id) {
                    error.kind = ErrorKind::ObjectDenied;
                }
                Err(error)
            }
        }
    }
}

impl Latest {
    fn note(&mut self, id: &ImageId) {
        match self.of_any.replace((id.clone(), Instant::now())) {
            Some((other, at)) if other != *id => self.of_another = Some(at),
            _ => {}
        }
    }

    fn is_recent_for_another(&self, id: &ImageId) -> bool {
        let at = match &self.of_any {
            Some((other, at)) if other != id => Some(*at),
            _ => self.of_another,
        };
        at.is_some_and(|at| at.elapsed() <= RECENT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::Operation;

    fn id(name: &str) -> ImageId {
        ImageId::parse(name).unwrap()
    }

    fn denied(history: &AccessHistory, access: Access, name: &str) -> ErrorKind {
        let denial = PortError::new(ErrorKind::Denied, Operation::ObjectsGet);
        history.judge::<()>(access, &id(name), Err(denial)).unwrap_err().kind
    }

    fn granted(history: &AccessHistory, access: Access, name: &str) {
        history.judge(access, &id(name), Ok(())).unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_denial_is_the_objects_own_for_a_minute_after_another_success() {
        let history = AccessHistory::default();
        assert_eq!(denied(&history, Access::ReadCurrent, "cat"), ErrorKind::Denied);
        granted(&history, Access::ReadCurrent, "dog");
        for (after, kind) in [
            (Duration::from_secs(59), ErrorKind::ObjectDenied),
            (Duration::from_secs(1), ErrorKind::ObjectDenied),
            (Duration::from_millis(1), ErrorKind::Denied),
        ] {
            tokio::time::advance(after).await;
            assert_eq!(denied(&history, Access::ReadCurrent, "cat"), kind, "{after:?} later");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_same_operation_of_another_image_counts() {
        let history = AccessHistory::default();
        granted(&history, Access::ReadCurrent, "cat");
        assert_eq!(denied(&history, Access::ReadCurrent, "cat"), ErrorKind::Denied, "of itself");
        granted(&history, Access::ReadCurrent, "dog");
        granted(&history, Access::ReadCurrent, "cat");
        granted(&history, Access::ReadCurrent, "cat");
        assert_eq!(denied(&history, Access::ReadCurrent, "cat"), ErrorKind::ObjectDenied, "of the one before");
        assert_eq!(denied(&history, Access::ReadVersion, "cat"), ErrorKind::Denied);
        assert_eq!(denied(&history, Access::Write, "cat"), ErrorKind::Denied);
    }

    #[tokio::test(start_paused = true)]
    async fn other_errors_and_a_missing_bucket_stay_what_they_are() {
        let history = AccessHistory::default();
        granted(&history, Access::Write, "dog");
        for kind in [ErrorKind::Unavailable, ErrorKind::Throttled, ErrorKind::Archived, ErrorKind::NotFound] {
            let error = PortError::new(kind, Operation::ObjectsPut);
            assert_eq!(history.judge::<()>(Access::Write, &id("cat"), Err(error)).unwrap_err().kind, kind);
        }
        let missing = PortError::new(ErrorKind::Denied, Operation::ObjectsPut).of_missing("no such bucket");
        let judged = history.judge::<()>(Access::Write, &id("cat"), Err(missing)).unwrap_err();
        assert_eq!(judged.kind, ErrorKind::Denied);
    }
}
