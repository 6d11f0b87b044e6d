//! The path under which a proxy or a gateway serves the API, parsed once.

use super::values::Parsed;

/// `DARKROOM_BASE_PATH`: empty, or a path such as `/photos` without a trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BasePath(String);

impl BasePath {
    /// Parses the setting. `/` is the same as no base path.
    ///
    /// # Errors
    /// When it does not begin with `/`, or has other characters than those that need no escaping in a path.
    pub fn parse(text: &str) -> Parsed<Self> {
        let path = text.strip_suffix('/').unwrap_or(text);
        if path.is_empty() {
            return Ok(Self::default());
        }
        let Some(segments) = path.strip_prefix('/') else { return Err("must begin with /".to_owned()) };
        for segment in segments.split('/') {
            let is_plain = segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte));
            if !is_plain || ["", ".", ".."].contains(&segment) {
                return Err("must be segments of letters, digits, - . _ and ~, such as /photos".to_owned());
            }
        }
        Ok(Self(path.to_owned()))
    }

    /// The path without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rest of a path below this one: `/images` of `/photos/images`, `/` of `/photos`. `None` outside.
    pub fn strip<'path>(&self, path: &'path str) -> Option<&'path str> {
        match path.strip_prefix(self.as_str())? {
            "" => Some("/"),
            rest => rest.starts_with('/').then_some(rest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_path_is_plain_segments() {
        for (text, expected) in
            [("", ""), ("/", ""), ("/photos", "/photos"), ("/photos/", "/photos"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f")]
        {
            assert_eq!(BasePath::parse(text).unwrap().as_str(), expected, "{text}");
        }
        for text in ["photos", "//", "/a//b", "/a/../b", "/.", "/a b", "/a%20b", "/{x}", "/a?b", "https://x/photos"] {
            assert!(BasePath::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn only_whole_segments_are_stripped() {
        let base = BasePath::parse("/photos").unwrap();
        for (path, expected) in [
            ("/photos", Some("/")),
            ("/photos/", Some("/")),
            ("/photos/images", Some("/images")),
            ("/photos2", None),
            ("/images", None),
            ("/", None),
        ] {
            assert_eq!(base.strip(path), expected, "{path}");
        }
        assert_eq!(BasePath::default().strip("/images"), Some("/images"));
    }
}
