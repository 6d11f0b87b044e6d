//! One image's record: its id, its status, and the rules by which the status may change.

mod id;
mod refused_kind;
mod sequencer;
mod transition;

pub use id::{ImageId, InvalidImageId};
pub use refused_kind::RefusedKind;
pub use sequencer::Sequencer;
pub use transition::{Applied, Attempt, Change, Guard, Transition};

use darkroom_thumbnail::RefusalReason;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::names;

/// The newest schema that this build knows; a record with a larger `v` is left to a newer build.
///
/// | `v` | new in it |
/// |---|---|
/// | 1 | |
/// | 2 | [`Reason::TooMuchWork`] |
/// | 3 | [`Reason::Archived`] |
pub const SCHEMA: u32 = 3;

/// The schema of a record without newer features: builds of that schema can continue it.
pub const FIRST_SCHEMA: u32 = 1;

names::named_in_data! {
    /// The public status of an image.
    Status {
        /// An upload URL was issued; no worker has seen an object yet.
        WaitingForUpload = "waiting_for_upload",
        /// The header is valid and rendering has begun.
        WaitingForThumbnails = "waiting_for_thumbnails",
        /// All thumbnails exist and can be fetched.
        Published = "published",
        /// The object is not an accepted image; the reason says why.
        InvalidContentType = "invalid_content_type",
        /// Every attempt failed, or the source is gone; the reason says why.
        Failed = "failed",
        /// The image was deleted. The record stays to reject events that arrive too late; the API does not show it.
        Deleted = "deleted",
    }
}

impl Status {
    /// Whether it is the final verdict on an upload.
    pub const fn is_verdict(self) -> bool {
        matches!(self, Self::Published | Self::InvalidContentType | Self::Failed)
    }

    /// Whether no worker will change this version's status any more.
    pub const fn is_final(self) -> bool {
        self.is_verdict() || matches!(self, Self::Deleted)
    }
}

names::named_in_data! {
    /// Why an image is `invalid_content_type` or `failed`.
    Reason {
        /// Neither JPEG nor PNG, by its bytes.
        UnsupportedType = "unsupported_type",
        /// A JPEG or PNG that is damaged or cut short.
        Corrupt = "corrupt",
        /// The file is empty.
        Empty = "empty",
        /// More bytes than the limit.
        TooManyBytes = "too_many_bytes",
        /// More pixels than the limit.
        TooManyPixels = "too_many_pixels",
        /// Its scans take more work to read than the limit.
        TooMuchWork = "too_much_work",
        /// A service that the work needs did not answer, up to the last receive.
        Unavailable = "unavailable",
        /// Rendering took longer than its deadline.
        RenderTimeout = "render_timeout",
        /// The process died repeatedly while it held the image.
        Killed = "killed",
        /// A fault of darkroom itself.
        Internal = "internal",
        /// The object was gone before it could be read.
        SourceMissing = "source_missing",
        /// The object is in an archive, and must be restored before it can be read.
        Archived = "archived",
    }
}

impl From<RefusalReason> for Reason {
    fn from(reason: RefusalReason) -> Self {
        match reason {
            RefusalReason::UnsupportedType => Self::UnsupportedType,
            RefusalReason::Corrupt => Self::Corrupt,
            RefusalReason::Empty => Self::Empty,
            RefusalReason::TooManyBytes => Self::TooManyBytes,
            RefusalReason::TooManyPixels => Self::TooManyPixels,
            RefusalReason::TooMuchWork => Self::TooMuchWork,
        }
    }
}

impl Reason {
    /// Whether the bytes of the upload are at fault: the image is `invalid_content_type`, else `failed`.
    pub const fn is_rejection(self) -> bool {
        use Reason::{Corrupt, Empty, TooManyBytes, TooManyPixels, TooMuchWork, UnsupportedType};
        matches!(self, UnsupportedType | Corrupt | Empty | TooManyBytes | TooManyPixels | TooMuchWork)
    }

    /// The first schema that has this reason.
    const fn schema(self) -> u32 {
        match self {
            Self::TooMuchWork => 2,
            Self::Archived => 3,
            _ => FIRST_SCHEMA,
        }
    }
}

/// The identity of an object: its version id, or its ETag where the bucket keeps no versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(String);

impl SourceId {
    /// The identity from a read's answer: the version id unless it is S3's literal `null`, else the ETag without its
    /// quotes.
    pub fn new(version_id: Option<&str>, etag: &str) -> Self {
        match version_id {
            Some(version) if Self::is_version(version) => Self(version.to_owned()),
            _ => Self(etag.trim_matches('"').to_owned()),
        }
    }

    /// The identity of a version that an event names.
    pub fn of_version(version: &str) -> Self {
        Self::new(Some(version), "")
    }

    /// Whether this is the id of a bucket that keeps versions; S3 says `null` in one that does not.
    pub fn is_version(version: &str) -> bool {
        !version.is_empty() && version != "null"
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The header fields of the uploaded image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Original {
    /// `image/jpeg` or `image/png`.
    pub content_type: String,
    /// Pixels, after the EXIF orientation.
    pub width: u32,
    /// Pixels, after the EXIF orientation.
    pub height: u32,
    /// Size of the object in bytes.
    pub bytes: u64,
}

/// One thumbnail of a published version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedThumbnail {
    /// The size's name, such as `small`.
    pub size: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Size of the object in bytes.
    pub bytes: u64,
}

/// The published thumbnails of one version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// The version in the thumbnails' keys.
    pub version: String,
    /// `image/jpeg` or `image/png`.
    pub content_type: String,
    /// When they were published.
    pub at: Timestamp,
    /// From small to large, as the recipe lists them.
    pub thumbnails: Vec<PublishedThumbnail>,
}

/// The record of one image in the catalog.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImageRecord {
    /// The image's id; the hash key.
    pub id: ImageId,
    /// The object's key in the upload bucket.
    pub key: String,
    /// Schema of this record.
    pub v: u32,
    /// The image's status.
    pub status: Status,
    /// The reason for the status, if it needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What the refused file is, if it was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_kind: Option<RefusedKind>,
    /// The sequencer of the newest admitted upload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<Sequencer>,
    /// The identity of the object that was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub src: Option<SourceId>,
    /// The token of the last admitted attempt: the fencing token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// The message of that attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// When the claim expires; absent after it was settled or released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_until: Option<Timestamp>,
    /// Abandoned claims of this version: neither settled nor released.
    #[serde(default)]
    pub deaths: u32,
    /// Grows by one with each write.
    pub rev: u64,
    /// The header fields of the claimed version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Original>,
    /// The thumbnails of the last published version; kept until newer ones are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// A description of the last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// When the record was created.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When the record of an upload that never arrived, or of a deleted image, may be deleted. Deletion is late, so
    /// never use this as a clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<Timestamp>,
    /// Whether the API generated the image's id, and so its key. Other keys belong to other systems.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub by_api: bool,
    /// When the record's verdict was written, by a build that writes this field. Valid only if it equals `updated_at`:
    /// an older build leaves it unchanged when it writes another verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<Timestamp>,
    /// Fields of other builds, kept unchanged.
    #[serde(flatten)]
    pub other: serde_json::Map<String, serde_json::Value>,
}

impl ImageRecord {
    /// The record of an upload that a client requested from the API.
    pub fn waiting_for_upload(id: ImageId, key: String, now: Timestamp, ttl: Timestamp) -> Self {
        Self { ttl: Some(ttl), by_api: true, ..Self::blank(id, key, now) }
    }

    /// A record before its first write.
    fn blank(id: ImageId, key: String, now: Timestamp) -> Self {
        Self {
            id,
            key,
            v: FIRST_SCHEMA,
            status: Status::WaitingForUpload,
            reason: None,
            refused_kind: None,
            seq: None,
            src: None,
            claim: None,
            message: None,
            lease_until: None,
            deaths: 0,
            rev: 1,
            original: None,
            published: None,
            last_error: None,
            created_at: now,
            updated_at: now,
            ttl: None,
            by_api: false,
            settled_at: None,
            other: serde_json::Map::new(),
        }
    }

    /// Whether a newer build wrote it, whose rules this build does not know.
    pub fn is_of_a_newer_schema(&self) -> bool {
        self.v > SCHEMA
    }

    /// When its verdict was written; `None` without a verdict, or when an older build wrote it.
    pub fn verdict_at(&self) -> Option<Timestamp> {
        self.settled_at.filter(|at| *at == self.updated_at && !self.is_of_a_newer_schema())
    }

    /// Whether its claim keeps other messages out at `now`.
    pub fn has_live_lease(&self, now: Timestamp) -> bool {
        self.status == Status::WaitingForThumbnails && self.lease_until.is_some_and(|until| until > now)
    }
}
