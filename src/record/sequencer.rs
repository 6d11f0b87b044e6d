//! The order of two events of one key.

use serde::{Deserialize, Serialize};

/// S3's sequencer in a form in which two sequencers of one key compare as text: upper-case hexadecimal, padded on the
/// right with zeros to 64 digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sequencer(String);

impl Sequencer {
    /// Digits of the padded form.
    const DIGITS: usize = 64;

    /// Reads a sequencer; `None` when it is empty, longer than 64 digits, or not hexadecimal.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = !text.is_empty() && text.len() <= Self::DIGITS && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_hex.then(|| Self(format!("{:0<width$}", text.to_ascii_uppercase(), width = Self::DIGITS)))
    }

    /// A sequencer that is not less than any other.
    pub fn last() -> Self {
        Self("F".repeat(Self::DIGITS))
    }

    /// The padded digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
