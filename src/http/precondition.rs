//! Entity tags and `If-None-Match` (RFC 9110).

use axum::http::{HeaderMap, HeaderValue, header};
use headers::{ETag, Header as _};

/// Makes a strong entity tag. `opaque` must be visible ASCII without quotes.
pub(crate) fn entity_tag(opaque: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{opaque}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The `If-None-Match` header, with all its lines. A malformed entity tag matches nothing.
#[derive(Debug)]
pub(crate) struct IfNoneMatch(Option<headers::IfNoneMatch>);

impl IfNoneMatch {
    /// Parses the header. An empty header counts as absent.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let is_blank = |line: &HeaderValue| line.as_bytes().iter().all(|byte| b", \t".contains(byte));
        let lines = headers.get_all(header::IF_NONE_MATCH);
        if lines.iter().all(is_blank) {
            return Self(None);
        }
        let mut usable = lines.iter().filter(|line| has_whole_tags(line));
        Self(headers::IfNoneMatch::decode(&mut usable).ok())
    }

    /// Whether the request has no such header.
    pub(crate) const fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// Whether it is `*`, which matches any existing representation.
    pub(crate) fn is_any(&self) -> bool {
        self.0 == Some(headers::IfNoneMatch::any())
    }

    /// Whether the client already has the version with this entity tag (weak comparison).
    pub(crate) fn matches(&self, tag: &HeaderValue) -> bool {
        let Some(known) = &self.0 else { return false };
        ETag::decode(&mut std::iter::once(tag)).is_ok_and(|tag| !known.precondition_passes(&tag))
    }
}

/// Whether all quotes of a line are closed, without spaces inside tags. A debug build of the parser panics otherwise.
fn has_whole_tags(line: &HeaderValue) -> bool {
    let parts: Vec<&[u8]> = line.as_bytes().split(|byte| *byte == b'"').collect();
    let mut quoted = parts.iter().skip(1).step_by(2);
    parts.len() % 2 == 1 && !quoted.any(|tag| tag.iter().any(u8::is_ascii_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(lines: &[&str]) -> IfNoneMatch {
        let headers = lines.iter().map(|line| (header::IF_NONE_MATCH, line.parse().unwrap())).collect();
        IfNoneMatch::of(&headers)
    }

    #[test]
    fn tags_match_weakly_and_in_lists() {
        for (lines, matches) in [
            (&[][..], false),
            (&[""], false),
            (&["\"a\""], true),
            (&["W/\"a\""], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"a\""], true),
            (&["*"], true),
            (&["a"], false),
            (&["\"b\""], false),
            (&["\"b, a\""], false),
            (&["\"b\ta\"", "\"a\""], true),
            (&["\"", "\"a\""], true),
            (&["\"a", "a\""], false),
            (&["\" \""], false),
            (&["\"b\" \"a\""], false),
        ] {
            assert_eq!(header(lines).matches(&entity_tag("a")), matches, "{lines:?}");
        }
    }

    #[test]
    fn a_header_without_a_value_is_absent_and_garbage_is_not() {
        for (lines, is_absent) in
            [(&[][..], true), (&[""], true), (&["", " , "], true), (&["garbage"], false), (&["", "\"a\""], false)]
        {
            assert_eq!(header(lines).is_absent(), is_absent, "{lines:?}");
        }
        assert!(header(&["*"]).is_any() && !header(&["*", "\"a\""]).is_any() && !header(&[]).is_any());
    }
}
