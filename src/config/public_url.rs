//! The base URL of public thumbnails, parsed once.

use axum::http::Uri;

use super::values::{self, Parsed};

/// `DARKROOM_PUBLIC_URL`: scheme, host and optional path, without a trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl {
    url: String,
    /// The length of scheme, host and port.
    origin_length: usize,
    host: String,
}

impl PublicUrl {
    /// Parses the setting.
    ///
    /// # Errors
    /// When it is not an `http` or `https` URL with a host and without a query.
    pub fn parse(text: &str) -> Parsed<Self> {
        let url = values::web_address(text)?;
        let uri: Uri = url.parse().map_err(|error| format!("is not a URL: {error}"))?;
        let host = uri.host().filter(|host| !host.is_empty()).ok_or("names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches([']', '.']).to_ascii_lowercase();
        let after_scheme = url.find("://").map_or(0, |colon| colon + 3);
        let origin_length = url[after_scheme..].find('/').map_or(url.len(), |slash| after_scheme + slash);
        Ok(Self { url, origin_length, host })
    }

    /// The URL without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// The URL without its path, such as `https://images.example:8443`: the source of pictures in the page's policy.
    pub fn origin(&self) -> &str {
        &self.url[..self.origin_length]
    }

    /// The host in lower case, without its port, brackets or trailing dot.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path without a trailing slash: empty, or such as `/images`.
    pub fn path(&self) -> &str {
        &self.url[self.origin_length..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_has_an_origin_a_host_and_a_path() {
        for (text, origin, host, path) in [
            ("https://images.example", "https://images.example", "images.example", ""),
            ("https://images.example/", "https://images.example", "images.example", ""),
            ("https://Images.Example.:8443", "https://Images.Example.:8443", "images.example", ""),
            ("https://images.example/t/", "https://images.example", "images.example", "/t"),
            ("http://[2001:db8::1]:80/a/b", "http://[2001:db8::1]:80", "2001:db8::1", "/a/b"),
        ] {
            let url = PublicUrl::parse(text).unwrap();
            assert_eq!((url.origin(), url.host(), url.path()), (origin, host, path), "{text}");
            assert_eq!(url.as_str(), text.trim_end_matches('/'));
        }
    }

    #[test]
    fn what_is_no_url_is_refused() {
        for text in [
            "",
            "images.example",
            "ftp://images.example",
            "https://",
            "https://:80",
            "https://a b",
            "https://a?b",
            "https://ä",
        ] {
            assert!(PublicUrl::parse(text).is_err(), "{text}");
        }
    }
}
