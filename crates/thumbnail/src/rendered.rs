//! What comes out: the header, the thumbnails, and how long they took.

use std::time::Duration;

use crate::Format;

/// What the header of an image says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// JPEG or PNG.
    pub format: Format,
    /// Pixels as stored, before the orientation.
    pub width: u32,
    /// Pixels as stored, before the orientation.
    pub height: u32,
    /// EXIF orientation, 1 to 8.
    pub orientation: u8,
    /// Upper bound of the memory that rendering it takes, in bytes, the source's own bytes left out.
    pub decode_bytes: u64,
}

impl Header {
    /// Width and height as a viewer shows the image: after the orientation.
    pub const fn upright(&self) -> (u32, u32) {
        if self.orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) }
    }
}

/// One thumbnail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thumbnail {
    /// The size's name.
    pub size: String,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// The encoded file.
    pub bytes: Vec<u8>,
}

/// How long the stages took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From compressed bytes to pixels.
    pub decode: Duration,
    /// All sizes.
    pub resize: Duration,
    /// All sizes.
    pub encode: Duration,
}

/// A rendered image.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// What its header says.
    pub header: Header,
    /// One for each size of the recipe, in its order.
    pub thumbnails: Vec<Thumbnail>,
    /// How long it took.
    pub timings: Timings,
    /// Whether the file lacks its end marker and nothing else, which is forgiven.
    pub lacks_end: bool,
}
