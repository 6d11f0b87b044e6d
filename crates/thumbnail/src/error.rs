//! Errors of rendering.

use std::io;

use crate::{FileKind, Stopped};

/// Why no thumbnails were made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RenderError {
    /// The file is at fault: under these limits, rendering it always fails.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The deadline passed, or the work was cancelled.
    #[error("rendering {0}")]
    Stopped(#[from] Stopped),
    /// The file could not be read completely.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// This library or a codec is at fault.
    #[error("rendering failed: {0}")]
    Internal(String),
}

/// The refusal of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    /// The rule that the file breaks.
    pub reason: RefusalReason,
    /// What is wrong, with the value.
    pub detail: String,
    /// What the file is, if it is of an unsupported kind that is recognised.
    pub kind: Option<FileKind>,
}

/// The rule that a refused file breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalReason {
    /// Neither JPEG nor PNG by its first bytes, or an unsupported kind of these.
    UnsupportedType,
    /// A JPEG or PNG that is damaged or truncated.
    Corrupt,
    /// The file is empty.
    Empty,
    /// More bytes than [`Limits::max_bytes`](crate::Limits::max_bytes).
    TooManyBytes,
    /// More pixels than [`Limits::max_pixels`](crate::Limits::max_pixels), or more on a side than the format's limit.
    TooManyPixels,
    /// A JPEG with scans that read more than 50 million blocks in total.
    TooMuchWork,
}

/// A refusal for `reason`.
pub(crate) fn refuse(reason: RefusalReason, detail: String) -> Refusal {
    Refusal { reason, detail, kind: None }
}

/// The refusal of a damaged file.
pub(crate) fn corrupt(detail: impl Into<String>) -> Refusal {
    refuse(RefusalReason::Corrupt, detail.into())
}

/// The refusal of an unsupported kind of file.
pub(crate) fn unsupported(kind: FileKind, detail: impl Into<String>) -> Refusal {
    Refusal { kind: Some(kind), ..refuse(RefusalReason::UnsupportedType, detail.into()) }
}

/// The refusal of a JPEG with an unsupported process.
pub(crate) fn rare_jpeg(detail: impl Into<String>) -> Refusal {
    unsupported(FileKind::RareJpeg, detail)
}

impl From<io::Error> for RenderError {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}
