//! Waits for an image to change or to reach its final status: entity tags, `?wait=` and `?until=`.

use std::time::Duration;

use axum::http::HeaderValue;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ApiState;
use super::view::SIGNING_WINDOW;
use crate::clock::Timestamp;
use crate::http::{Problem, ProblemKind, entity_tag};
use crate::ports::{Catalog, PortError};
use crate::record::{ImageId, ImageRecord};

/// The first pause between two reads of the catalog. Each pause is a quarter longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(150);

/// The longest pause between two reads.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The entity tag of a response. It changes with the record and with the signatures of the URLs, so that a client never
/// receives "not modified" for URLs that have expired.
pub(super) fn tag_of(api: &ApiState, record: &ImageRecord, now: Timestamp) -> HeaderValue {
    let is_signed = record.published.is_some() && api.settings.public_url.is_none();
    let window = if is_signed { now.floor(SIGNING_WINDOW).as_secs() } else { 0 };
    // The time distinguishes the record from a deleted record with the same id.
    entity_tag(&format!("{}-{:x}-{window:x}", record.rev, record.updated_at.as_millis()))
}

/// What a request waits for, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wait {
    /// The longest wait, limited to the server's maximum. Zero returns the image immediately.
    pub(super) longest: Duration,
    /// The event that ends the wait early.
    pub(super) until: Until,
    /// Whether the client requested a wait that this server does not allow.
    pub(super) is_denied: bool,
}

/// An event that ends a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// The next change.
    Change,
    /// A status that changes only after a new upload.
    Final,
}

impl Wait {
    /// Parses `?wait=` and `?until=`. `until=final` without `wait` waits for the server's maximum.
    pub(super) fn parse(wait: Option<&str>, until: Option<&str>, longest: Duration) -> Result<Self, Problem> {
        let until = match until {
            None => None,
            Some("change") => Some(Until::Change),
            Some("final") => Some(Until::Final),
            Some(text) => return Err(bad_value("until", "change or final", text)),
        };
        let asked = match (wait, until) {
            (Some(text), _) => {
                humantime::parse_duration(text).map_err(|_| bad_value("wait", "a duration such as 20s", text))?
            }
            (None, Some(Until::Final)) => longest,
            (None, _) => Duration::ZERO,
        };
        let is_denied = (wait.is_some() || until == Some(Until::Final)) && asked.min(longest) == Duration::ZERO;
        Ok(Self { longest: asked.min(longest), until: until.unwrap_or(Until::Change), is_denied })
    }
}

fn bad_value(name: &str, expected: &str, text: &str) -> Problem {
    let shown: String = text.chars().take(40).collect();
    Problem::new(ProblemKind::BadRequest, format!("{name} is {expected}, not {shown:?}"))
}

/// The last record that was read, and how long the response was delayed.
pub(super) struct Looked {
    pub(super) record: Option<ImageRecord>,
    pub(super) held: Duration,
}

/// Reads the record until `is_news` accepts it, `longest` has passed, or the server shuts down.
pub(super) async fn look_until(
    catalog: &dyn Catalog,
    id: &ImageId,
    longest: Duration,
    shutdown: &CancellationToken,
    mut is_news: impl FnMut(&ImageRecord) -> bool,
) -> Result<Looked, PortError> {
    let deadline = Instant::now() + longest;
    let (mut pause, mut held) = (FIRST_PAUSE, Duration::ZERO);
    loop {
        let Some(record) = catalog.get(id).await? else { return Ok(Looked { record: None, held }) };
        let now = Instant::now();
        if is_news(&record) || now >= deadline || shutdown.is_cancelled() {
            return Ok(Looked { record: Some(record), held });
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline.min(now + pause)) => {}
            () = shutdown.cancelled() => {}
        }
        held += now.elapsed();
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_has_a_unit_and_a_limit() {
        let longest = Duration::from_secs(20);
        for (text, expected) in [
            (None, Some(0)),
            (Some("0s"), Some(0)),
            (Some("500ms"), Some(500)),
            (Some("20s"), Some(20_000)),
            (Some("1h"), Some(20_000)),
            (Some(""), None),
            (Some("20"), None),
            (Some("-1s"), None),
            (Some("99999999999999999999s"), None),
            (Some("soon"), None),
        ] {
            let expected = expected.map(Duration::from_millis);
            assert_eq!(Wait::parse(text, None, longest).ok().map(|wait| wait.longest), expected, "{text:?}");
        }
    }

    #[test]
    fn until_final_waits_as_long_as_it_may() {
        let most = Duration::from_secs(20);
        let second = Duration::from_secs(1);
        for (wait, until, longest, expected) in [
            (None, None, most, (Duration::ZERO, Until::Change, false)),
            (None, Some("change"), most, (Duration::ZERO, Until::Change, false)),
            (None, Some("final"), most, (most, Until::Final, false)),
            (Some("1s"), Some("change"), most, (second, Until::Change, false)),
            (Some("1s"), Some("final"), most, (second, Until::Final, false)),
            (Some("1h"), Some("final"), most, (most, Until::Final, false)),
            (Some("0s"), Some("final"), most, (Duration::ZERO, Until::Final, true)),
            (Some("20s"), None, Duration::ZERO, (Duration::ZERO, Until::Change, true)),
            (None, Some("final"), Duration::ZERO, (Duration::ZERO, Until::Final, true)),
            (None, Some("change"), Duration::ZERO, (Duration::ZERO, Until::Change, false)),
        ] {
            let wait = Wait::parse(wait, until, longest).map(|it| (it.longest, it.until, it.is_denied));
            assert_eq!(wait, Ok(expected));
        }
        for until in ["", "Final", "finally", "final ", "published", "20s"] {
            let problem = Wait::parse(None, Some(until), most).unwrap_err();
            assert_eq!(
                (problem.kind, problem.detail),
                (ProblemKind::BadRequest, format!("until is change or final, not {until:?}"))
            );
        }
    }
}
