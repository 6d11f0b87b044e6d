//! What a record says about a refused upload, in sentences that contain nothing of the upload.

use darkroom_thumbnail::FileKind;
use serde::{Deserialize, Serialize};

use super::{ImageRecord, Reason, Status};
use crate::clock::Timestamp;

/// The kind of a refused file. A record without it was refused for another reason, or by an older build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedKind {
    /// The [`FileKind`]'s name. A newer build may write one that this build does not know.
    pub name: String,
    /// When the refusal was written. Valid only if it equals `updated_at`: an older build keeps this field when it
    /// writes another verdict.
    pub at: Timestamp,
}

impl ImageRecord {
    /// Why the upload was refused, and what to send instead; `None` unless it was refused.
    pub fn detail(&self) -> Option<&'static str> {
        let reason = self.reason.filter(|_| self.status == Status::InvalidContentType)?;
        let kind = self.refused_kind.as_ref().filter(|kind| kind.at == self.updated_at);
        reason.detail(kind.and_then(|kind| FileKind::from_name(&kind.name)))
    }
}

impl Reason {
    /// A sentence without a full stop about a refused file, which is of this kind if it was recognised; `None` for the
    /// reasons of failures.
    pub const fn detail(self, kind: Option<FileKind>) -> Option<&'static str> {
        match (self, kind) {
            (Self::UnsupportedType, Some(kind)) => Some(kind.sentence()),
            (Self::UnsupportedType, None) => Some("the file is neither a JPEG nor a PNG, whatever its name says"),
            (Self::Corrupt, _) => Some("the image is damaged or cut short"),
            (Self::Empty, _) => Some("the file is empty"),
            (Self::TooManyBytes, _) => Some("the file is larger than this server accepts"),
            (Self::TooManyPixels, _) => Some("the image has more pixels than this server accepts"),
            (Self::TooMuchWork, _) => Some("the image has more scans than this server decodes"),
            (Self::Unavailable | Self::RenderTimeout | Self::Killed | Self::Internal, _)
            | (Self::SourceMissing | Self::Archived, _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::ImageId;

    #[test]
    fn each_refusal_has_a_sentence_and_no_failure_has_one() {
        for reason in Reason::ALL {
            assert_eq!(reason.detail(None).is_some(), reason.is_rejection(), "{reason}");
        }
        assert_eq!(Reason::UnsupportedType.detail(Some(FileKind::Heic)), Some(FileKind::Heic.sentence()));
        assert_eq!(Reason::Corrupt.detail(Some(FileKind::Heic)), Reason::Corrupt.detail(None));
    }

    #[test]
    fn a_kind_counts_for_the_refusal_that_it_was_written_with() {
        let at = Timestamp::from_millis;
        let mut record =
            ImageRecord::waiting_for_upload(ImageId::parse("cat").unwrap(), "uploads/cat".to_owned(), at(1), at(2));
        assert_eq!(record.detail(), None);
        record.status = Status::InvalidContentType;
        record.reason = Some(Reason::UnsupportedType);
        let unknown = record.detail().unwrap();
        assert!(unknown.contains("neither a JPEG nor a PNG"));
        for (name, written, expected) in
            [("heic", 1, FileKind::Heic.sentence()), ("heic", 0, unknown), ("a kind of a newer build", 1, unknown)]
        {
            record.refused_kind = Some(RefusedKind { name: name.to_owned(), at: at(written) });
            assert_eq!(record.detail(), Some(expected), "{name} at {written}");
        }
        record.status = Status::Published;
        assert_eq!(record.detail(), None);
    }
}
