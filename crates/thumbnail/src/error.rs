//! Why there are no thumbnails.

use std::io;

use crate::Stopped;

/// Why there are no thumbnails.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The file is at fault: it will never be rendered under these limits.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The deadline passed, or the work was cancelled.
    #[error("rendering {0}")]
    Stopped(#[from] Stopped),
    /// The file could not be read to its end.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// This library or a codec is at fault.
    #[error("rendering failed: {0}")]
    Internal(String),
}

/// A file that is not an image that is rendered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// Which rule it breaks.
    pub reason: RefusalReason,
    /// What is wrong and with which value.
    pub detail: String,
}

/// Which rule a file breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// Neither JPEG nor PNG by its first bytes, or a kind of them that is not read.
    UnsupportedType,
    /// A JPEG or PNG that is damaged or cut short.
    Corrupt,
    /// It has no bytes.
    Empty,
    /// More bytes than [`Limits::max_bytes`](crate::Limits::max_bytes).
    TooManyBytes,
    /// More pixels than [`Limits::max_pixels`](crate::Limits::max_pixels), or more on a side than any picture may have.
    TooManyPixels,
    /// A JPEG whose scans read more than 50 million blocks.
    TooMuchWork,
}

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}
