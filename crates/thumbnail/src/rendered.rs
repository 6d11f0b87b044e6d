//! The result: the header, the thumbnails, and the time of each stage.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::{Format, Tolerated};

/// The header of an image.
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
    /// Upper bound of the memory that rendering takes, in bytes, without the source's own bytes.
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

/// The time of each stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// From compressed bytes to pixels.
    pub decode: Duration,
    /// Resizing, for all sizes.
    pub resize: Duration,
    /// Encoding, for all sizes.
    pub encode: Duration,
}

/// A rendered image.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The source's header.
    pub header: Header,
    /// One per size of the recipe, in its order.
    pub thumbnails: Vec<Thumbnail>,
    /// The time of each stage.
    pub timings: Timings,
    /// The oddities of the file, none of which cost a pixel.
    pub tolerated: BTreeSet<Tolerated>,
}
