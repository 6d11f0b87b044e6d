//! The oddities of a file that cost no pixel, so it is rendered nevertheless.

/// An oddity of a file that cost no pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tolerated {
    /// The end marker is missing: EOI of a JPEG, IEND of a PNG.
    MissingEnd,
    /// The CRC of a PNG's image data is wrong or missing, and its Adler-32 proves the data.
    WrongCrc,
    /// The Adler-32 of a PNG's image data is wrong or missing, and the CRCs prove the data.
    WrongAdler,
    /// Bytes follow the last row of a PNG in its image data.
    Leftovers,
    /// Other chunks are between the chunks of a PNG's image data.
    ChunkOrder,
    /// A chunk that is not needed for the pixels of a PNG has a wrong CRC, and is ignored.
    DamagedChunk,
}

impl Tolerated {
    /// All kinds, in the order of their declaration.
    pub const ALL: &[Self] =
        &[Self::MissingEnd, Self::WrongCrc, Self::WrongAdler, Self::Leftovers, Self::ChunkOrder, Self::DamagedChunk];

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
            Self::WrongCrc => "wrong_crc",
            Self::WrongAdler => "wrong_adler",
            Self::Leftovers => "leftovers",
            Self::ChunkOrder => "chunk_order",
            Self::DamagedChunk => "damaged_chunk",
        }
    }
}
