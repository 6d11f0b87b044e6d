//! The faults of a JPEG's data that cost no pixel. The readers of scans find them; `Decoder::oddities` lists them.

/// A fault that does not change the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Oddity {
    /// The end marker is missing.
    MissingEnd,
    /// Bytes follow the end marker, such as a second picture.
    TrailingBytes,
    /// Bytes follow the last MCU of a scan, before the next marker.
    LeftoverBytes,
    /// Bytes between two marker segments belong to neither.
    StrayBytes,
    /// A restart marker is not numbered consecutively.
    RestartNumber,
    /// The header of a sequential scan has values for spectral selection or successive approximation that only a
    /// progressive scan can have.
    ScanParameters,
}
