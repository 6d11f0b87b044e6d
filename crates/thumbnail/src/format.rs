//! The supported formats.

use darkroom_codec::png::SIGNATURE;

/// The format of an image and of the thumbnails made from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// `image/jpeg`
    Jpeg,
    /// `image/png`
    Png,
}

impl Format {
    /// The format of a file by its first eight bytes; `None` when it is neither JPEG nor PNG.
    ///
    /// ```
    /// use darkroom_thumbnail::Format;
    ///
    /// assert_eq!(Format::of(b"\xff\xd8\xff\xe0\0\x10JF"), Some(Format::Jpeg));
    /// assert_eq!(Format::of(b"GIF89a"), None);
    /// ```
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\xff\xd8") {
            Some(Self::Jpeg)
        } else if bytes.starts_with(SIGNATURE) {
            Some(Self::Png)
        } else {
            None
        }
    }

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
