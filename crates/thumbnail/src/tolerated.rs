//! The oddities of a file that cost no pixel, so it is rendered nevertheless.

/// An oddity of a file that cost no pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tolerated {
    /// The end marker is missing: EOI of a JPEG, IEND of a PNG.
    MissingEnd,
}

impl Tolerated {
    /// All kinds, in the order of their declaration.
    pub const ALL: &[Self] = &[Self::MissingEnd];

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
        }
    }
}
