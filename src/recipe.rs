//! What is made of an image: sizes, encoder settings, their fingerprint, and the keys of what comes out.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::record::{ImageId, Sequencer, SourceId};

/// Goes up when the encoder's output changes for the same input, so that new thumbnails get new keys.
pub const RENDER_REVISION: u32 = 6;

/// Thumbnails never change under their key, so anyone may keep them.
pub const CACHE_CONTROL: &str = "public, max-age=31536000, immutable";

/// The prefix of every thumbnail's key.
pub const THUMBNAIL_PREFIX: &str = "thumbnails/";

/// One thumbnail to make: the box that it fits inside. An image that is smaller is never enlarged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its name, such as `small`: 1 to 32 characters of `a-z 0-9 _ -`.
    pub name: String,
    /// The box's side in pixels, 1 to 10,000.
    pub side: u32,
}

/// The sizes to make, from small to large, and how they are encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// From small to large; at least one.
    pub sizes: Vec<Size>,
    /// JPEG quality, 1 to 100.
    pub jpeg_quality: u8,
    /// Whether each JPEG gets Huffman tables of its own: about 1% fewer bytes for a fifth more CPU time.
    pub jpeg_optimize: bool,
}

impl Default for Recipe {
    fn default() -> Self {
        let size = |name: &str, side| Size { name: name.to_owned(), side };
        Self {
            sizes: vec![size("small", 100), size("medium", 500), size("large", 1000)],
            jpeg_quality: 80,
            jpeg_optimize: false,
        }
    }
}

/// The format of an image and of the thumbnails made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
}

impl Format {
    /// The media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }

    /// The file name's extension.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// The format of a media type; `image/jpg` is a common misspelling of `image/jpeg`.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        match content_type.to_ascii_lowercase().as_str() {
            "image/jpeg" | "image/jpg" => Some(Self::Jpeg),
            "image/png" => Some(Self::Png),
            _ => None,
        }
    }
}

impl Recipe {
    /// The side of the largest box.
    pub fn largest_side(&self) -> u32 {
        self.sizes.iter().map(|size| size.side).max().unwrap_or(1)
    }

    /// A short text that differs when the thumbnails would.
    pub fn fingerprint(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(|size| format!("{}:{}", size.name, size.side)).collect();
        let tables = if self.jpeg_optimize { "o" } else { "" };
        format!("{};q{}{tables};r{RENDER_REVISION}", sizes.join(","), self.jpeg_quality)
    }

    /// The version in the thumbnails' keys: a hash of what was read and how it is rendered.
    pub fn version(&self, src: &SourceId, seq: Option<&Sequencer>) -> String {
        let seq = seq.map_or("", Sequencer::as_str);
        let hash = Sha256::digest(format!("{}\n{seq}\n{}", src.as_str(), self.fingerprint()));
        data_encoding::BASE32_NOPAD.encode(&hash)[..26].to_ascii_lowercase()
    }
}

/// The key of one thumbnail: immutable, since the version is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThumbnailKey<'a> {
    /// The image.
    pub id: &'a ImageId,
    /// [`Recipe::version`].
    pub version: &'a str,
    /// The size's name.
    pub size: &'a str,
    /// The format, which gives the extension.
    pub format: Format,
}

impl ThumbnailKey<'_> {
    /// What the keys of all thumbnails of an image begin with, of every version.
    pub fn prefix_of(id: &ImageId) -> String {
        format!("{THUMBNAIL_PREFIX}{id}/")
    }

    /// The image and the version in a thumbnail's key; `None` when it is the key of something else.
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
