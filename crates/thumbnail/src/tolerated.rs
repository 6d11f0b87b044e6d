//! The oddities of a file that cost no pixel, so it is rendered nevertheless.

use darkroom_codec::jpeg::Oddity;

/// An oddity of a file that cost no pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tolerated {
    /// The end marker is missing: EOI of a JPEG, IEND of a PNG.
    MissingEnd,
    /// Bytes follow the end marker, such as a second picture.
    TrailingBytes,
    /// Bytes follow the last MCU of a JPEG's scan, before the next marker, or the last row in a PNG's image data.
    LeftoverBytes,
    /// Bytes between two segments of a JPEG belong to neither.
    StrayBytes,
    /// A JPEG's restart markers are not numbered consecutively.
    RestartNumber,
    /// A sequential JPEG has a scan with spectral selection or successive approximation.
    ScanParameters,
    /// A JPEG's JFIF version is not 1.
    JfifVersion,
    /// A JPEG's Adobe marker has a colour transform that its number of components excludes.
    AdobeTransform,
    /// Parts of a JPEG's profile are missing, repeated, out of order or numbered wrongly.
    ProfileParts,
    /// The CRC of a PNG's image data is wrong or missing, and its Adler-32 proves the data.
    WrongCrc,
    /// The Adler-32 of a PNG's image data is wrong or missing, and the CRCs prove the data.
    WrongAdler,
    /// Other chunks are between the chunks of a PNG's image data.
    ChunkOrder,
    /// A chunk that is not needed for the pixels of a PNG has a wrong CRC, and is ignored.
    DamagedChunk,
}

impl From<Oddity> for Tolerated {
    fn from(oddity: Oddity) -> Self {
        match oddity {
            Oddity::MissingEnd => Self::MissingEnd,
            Oddity::TrailingBytes => Self::TrailingBytes,
            Oddity::LeftoverBytes => Self::LeftoverBytes,
            Oddity::StrayBytes => Self::StrayBytes,
            Oddity::RestartNumber => Self::RestartNumber,
            Oddity::ScanParameters => Self::ScanParameters,
        }
    }
}

impl Tolerated {
    /// All kinds, in the order of their declaration.
    pub const ALL: &[Self] = &[
        Self::MissingEnd,
        Self::TrailingBytes,
        Self::LeftoverBytes,
        Self::StrayBytes,
        Self::RestartNumber,
        Self::ScanParameters,
        Self::JfifVersion,
        Self::AdobeTransform,
        Self::ProfileParts,
        Self::WrongCrc,
        Self::WrongAdler,
        Self::ChunkOrder,
        Self::DamagedChunk,
    ];

    /// The name in metrics and reports.
    ///
    /// ```
    /// use darkroom_thumbnail::Tolerated;
    ///
    /// assert_eq!(Tolerated::MissingEnd.as_str(), "missing_end");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingEnd => "missing_end",
            Self::TrailingBytes => "trailing_bytes",
            Self::LeftoverBytes => "leftover_bytes",
            Self::StrayBytes => "stray_bytes",
            Self::RestartNumber => "restart_number",
            Self::ScanParameters => "scan_parameters",
            Self::JfifVersion => "jfif_version",
            Self::AdobeTransform => "adobe_transform",
            Self::ProfileParts => "profile_parts",
            Self::WrongCrc => "wrong_crc",
            Self::WrongAdler => "wrong_adler",
            Self::ChunkOrder => "chunk_order",
            Self::DamagedChunk => "damaged_chunk",
        }
    }
}
