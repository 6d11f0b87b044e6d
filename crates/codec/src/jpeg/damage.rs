//! The faults of a JPEG's data that lose pixels.

/// A fault that no decoder can repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A marker segment is shorter or longer than its type requires.
    #[error("a marker segment has the wrong length")]
    SegmentLength,
    /// A parameter of a header is outside its range.
    #[error("a header has an impossible parameter")]
    Parameter,
    /// A marker that is invalid in such a file.
    #[error("an unexpected marker between the segments")]
    Marker,
    /// Two frames in one image.
    #[error("more than one frame header")]
    SecondFrame,
    /// A scan comes before the frame that it belongs to.
    #[error("a scan without a frame")]
    NoFrame,
    /// A scan names a component that the frame lacks, or names one twice.
    #[error("a scan of a component that the frame lacks")]
    Component,
    /// A scan needs a table that no segment defines.
    #[error("a table is missing")]
    MissingTable,
    /// A Huffman table has more codes of a length than the code space allows.
    #[error("a Huffman table has more codes than there are")]
    HuffmanTable,
    /// The bits are not a code of the table, or a coefficient is after the block's last.
    #[error("an impossible code in the entropy-coded data")]
    Code,
    /// The entropy-coded data ends before the last block.
    #[error("the entropy-coded data ends early")]
    EndsEarly,
    /// There is no restart marker where one must be.
    #[error("a restart marker is missing")]
    MissingRestart,
    /// A restart interval follows the last one of the image.
    #[error("more restart intervals than the image has")]
    ExtraRestart,
    /// A scan repeats bits of an earlier scan, or refines bits whose higher ones are missing.
    #[error("a scan contradicts the scans before it")]
    Progression,
    /// The image ends, and a component has no scan.
    #[error("the file ends before its picture does")]
    Incomplete,
    /// The planes to fill do not match the frame.
    #[error("the frame is not the one that was announced")]
    Frame,
}
