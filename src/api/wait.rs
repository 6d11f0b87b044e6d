//! Waiting for an image to change: entity tags, and `?wait=`.

use std::time::Duration;

use axum::http::{HeaderMap, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::view::SIGNING_WINDOW;
use super::{ApiState, Problem, ProblemKind};
use crate::clock::Timestamp;
use crate::ports::{Catalog, PortError};
use crate::record::{ImageId, ImageRecord};

/// The first pause between two looks at the catalog; each is a quarter longer than the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(150);

/// The longest pause between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The entity tag of what a client is shown: it changes with the record, and with the signatures of its URLs, so that
/// a client is never told "not modified" about URLs that have expired.
pub(super) fn entity_tag(api: &ApiState, record: &ImageRecord, now: Timestamp) -> String {
    let is_signed = record.published.is_some() && api.settings.public_url.is_none();
    let window = if is_signed { now.floor(SIGNING_WINDOW).as_secs() } else { 0 };
    // The time tells a record from an earlier one of the same id that was deleted.
    format!("\"{}-{:x}-{window:x}\"", record.rev, record.updated_at.as_millis())
}

/// The tags of an `If-None-Match`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct KnownTags(Vec<String>);

impl KnownTags {
    /// The tags that the client named; none when there is no such header.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lists = headers.get_all(header::IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
        let tags = lists.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/").to_owned());
        Self(tags.filter(|tag| !tag.is_empty()).collect())
    }

    /// Whether the client has this version already.
    pub(super) fn contain(&self, tag: &str) -> bool {
        self.0.iter().any(|known| known == tag || known == "*")
    }

    /// Whether the client named none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads `?wait=`: a duration with its unit, such as `20s`, cut to what the server allows.
pub(super) fn parse_wait(text: Option<&str>, longest: Duration) -> Result<Duration, Problem> {
    let Some(text) = text else { return Ok(Duration::ZERO) };
    match humantime::parse_duration(text) {
        Ok(wait) => Ok(wait.min(longest)),
        Err(_) => {
            let shown: String = text.chars().take(40).collect();
            Err(Problem::new(ProblemKind::BadRequest, format!("wait is a duration such as 20s, not {shown:?}")))
        }
    }
}

/// Looks until `is_news` says that the record is worth an answer, or until there is no time left, or until the server
/// shuts down; returns the last look.
pub(super) async fn look_until(
    catalog: &dyn Catalog,
    id: &ImageId,
    wait: Duration,
    shutdown: &CancellationToken,
    mut is_news: impl FnMut(&ImageRecord) -> bool,
) -> Result<Option<ImageRecord>, PortError> {
    let deadline = Instant::now() + wait;
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(record) = catalog.look(id).await? else { return Ok(None) };
        let now = Instant::now();
        if is_news(&record) || now >= deadline || shutdown.is_cancelled() {
            return Ok(Some(record));
        }
        tokio::select! {
            () = tokio::time::sleep_until(deadline.min(now + pause)) => {}
            () = shutdown.cancelled() => {}
        }
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(headers: &[&str]) -> KnownTags {
        let headers = headers.iter().map(|value| (header::IF_NONE_MATCH, value.parse().unwrap())).collect();
        KnownTags::of(&headers)
    }

    #[test]
    fn tags_match_weakly_and_in_lists() {
        for (headers, contain) in [
            (&[][..], false),
            (&[""], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["a"], false),
            (&["\"b\""], false),
        ] {
            assert_eq!(known(headers).contain("\"a\""), contain, "{headers:?}");
        }
        assert!(known(&[]).is_empty());
    }

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
            assert_eq!(parse_wait(text, longest).ok(), expected, "{text:?}");
        }
        assert_eq!(parse_wait(Some("20s"), Duration::ZERO), Ok(Duration::ZERO));
    }
}
