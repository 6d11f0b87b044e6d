//! The id of an image: random for the API's uploads, derived from the key for other objects.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The id of an image: 1 to 64 characters of `A-Z a-z 0-9 _ -`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageId(String);

/// A text that cannot be an image id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an image id has 1 to 64 characters of A-Z, a-z, 0-9, _ and -, not {0:?}")]
pub struct InvalidImageId(pub String);

impl ImageId {
    /// Longest id, in characters.
    pub const MAX_CHARS: usize = 64;

    /// A new id of 128 random bits.
    ///
    /// # Errors
    /// When the system cannot provide random bytes.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bits = [0u8; 16];
        getrandom::fill(&mut bits)?;
        Ok(Self(data_encoding::BASE32_NOPAD.encode(&bits).to_ascii_lowercase()))
    }

    /// Parses an id.
    ///
    /// # Errors
    /// When the text is empty, too long, or contains another character.
    pub fn parse(text: &str) -> Result<Self, InvalidImageId> {
        let is_name = (1..=Self::MAX_CHARS).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if is_name { Ok(Self(text.to_owned())) } else { Err(InvalidImageId(text.chars().take(80).collect())) }
    }

    /// The id of the object under `key`: what follows the upload prefix if that is an id, else `k` and 32 base32
    /// characters of the key's SHA-256. `None` when the key is outside the prefix.
    pub fn of_key(prefix: &str, key: &str) -> Option<Self> {
        let name = key.strip_prefix(prefix)?;
        Some(Self::parse(name).unwrap_or_else(|_| {
            let hash = data_encoding::BASE32_NOPAD.encode(&Sha256::digest(key.as_bytes()));
            Self(format!("k{}", hash[..32].to_ascii_lowercase()))
        }))
    }

    /// The id of an object that was uploaded. `None` when its key is outside the prefix, or when it is a folder marker:
    /// consoles make an empty object whose key ends with a slash, and show it as a folder.
    pub fn of_upload(prefix: &str, key: &str, bytes: u64) -> Option<Self> {
        let is_folder_marker = key.ends_with('/') && bytes == 0;
        if is_folder_marker { None } else { Self::of_key(prefix, key) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ImageId {
    type Error = InvalidImageId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ImageId> for String {
    fn from(id: ImageId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_to_64_plain_characters() {
        for (text, is_id) in [
            ("", false),
            ("a", true),
            (&*"a".repeat(63), true),
            (&*"a".repeat(64), true),
            (&*"a".repeat(65), false),
            ("..", false),
            ("a/b", false),
            ("a%2fb", false),
            ("ä", false),
            ("A-_9", true),
        ] {
            assert_eq!(ImageId::parse(text).is_ok(), is_id, "{text:?}");
        }
    }

    #[test]
    fn random_ids_are_ids_and_differ() {
        let (one, two) = (ImageId::random().unwrap(), ImageId::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(ImageId::parse(one.as_str()), Ok(one));
    }

    #[test]
    fn a_foreign_key_gets_a_stable_id_of_its_own() {
        assert_eq!(ImageId::of_key("uploads/", "uploads/cat").unwrap().as_str(), "cat");
        let foreign = ImageId::of_key("uploads/", "uploads/2024/a cat.jpg").unwrap();
        assert_eq!(foreign.as_str().len(), 33);
        assert!(foreign.as_str().starts_with('k'));
        assert_eq!(ImageId::of_key("uploads/", "uploads/2024/a cat.jpg"), Some(foreign));
        assert_eq!(ImageId::of_key("uploads/", "elsewhere/cat"), None);
    }

    #[test]
    fn a_folder_marker_is_empty_and_ends_with_a_slash() {
        let is_upload = |key: &str, bytes| ImageId::of_upload("uploads/", key, bytes).is_some();
        assert!(!is_upload("uploads/", 0) && !is_upload("uploads/2024/", 0));
        assert!(is_upload("uploads/2024/", 1) && is_upload("uploads/cat", 0) && is_upload("uploads/cat", 1));
        assert!(!is_upload("elsewhere/cat", 1));
        assert_eq!(ImageId::of_upload("uploads/", "uploads/a/", 1), ImageId::of_key("uploads/", "uploads/a/"));
    }
}
