//! Versions and keys of thumbnails. The recipe itself, with its defaults, is in the crate `darkroom-thumbnail`.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::record::{ImageId, Sequencer, SourceId};

pub use darkroom_thumbnail::{Format, RENDER_REVISION, Recipe, Size};

/// A thumbnail never changes under its key, so any cache may keep it.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The prefix of every thumbnail's key.
pub const THUMBNAIL_PREFIX: &str = "thumbnails/";

/// The version in the thumbnails' keys: a hash of the source's identity and of how it is rendered.
pub fn version(recipe: &Recipe, src: &SourceId, seq: Option<&Sequencer>) -> String {
    let seq = seq.map_or("", Sequencer::as_str);
    let hash = Sha256::digest(format!("{}\n{seq}\n{}", src.as_str(), recipe.fingerprint()));
    data_encoding::BASE32_NOPAD.encode(&hash)[..26].to_ascii_lowercase()
}

/// The key of one thumbnail. It contains the version, so its content never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThumbnailKey<'a> {
    /// The image.
    pub id: &'a ImageId,
    /// [`version`].
    pub version: &'a str,
    /// The size's name.
    pub size: &'a str,
    /// The format, which gives the extension.
    pub format: Format,
}

impl ThumbnailKey<'_> {
    /// The common prefix of the keys of an image's thumbnails, of every version.
    pub fn prefix_of(id: &ImageId) -> String {
        format!("{THUMBNAIL_PREFIX}{id}/")
    }

    /// The image and the version in a thumbnail's key; `None` for any other key.
    pub fn read(key: &str) -> Option<(ImageId, &str)> {
        let (image, rest) = key.strip_prefix(THUMBNAIL_PREFIX)?.split_once('/')?;
        let (version, _size) = rest.split_once('/')?;
        Some((ImageId::parse(image).ok()?, version))
    }
}

impl fmt::Display for ThumbnailKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Self::prefix_of(self.id);
        write!(f, "{prefix}{}/{}.{}", self.version, self.size, self.format.extension())
    }
}
