//! What can be wrong with the data of a JPEG, so that pixels are lost.

/// A fault that no decoder can make good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A segment is shorter than its marker asks for, or longer.
    #[error("a marker segment has the wrong length")]
    SegmentLength,
    /// A parameter of a header is outside its range.
    #[error("a header has an impossible parameter")]
    Parameter,
    /// A marker that no file of this kind has.
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
    /// The code lengths of a Huffman table leave no room for its codes.
    #[error("a Huffman table has more codes than there are")]
    HuffmanTable,
    /// The bits are no code of the table, or a coefficient lies behind the block's last.
    #[error("an impossible code in the entropy-coded data")]
    Code,
    /// The entropy-coded data ends before the last block.
    #[error("the entropy-coded data ends early")]
    EndsEarly,
    /// There is no restart marker where one must be.
    #[error("a restart marker is missing")]
    MissingRestart,
    /// There is data of a restart interval behind the last one.
    #[error("more restart intervals than the image has")]
    ExtraRestart,
    /// A scan brings bits that came before, or whose upper bits have not come.
    #[error("a scan contradicts the scans before it")]
    Progression,
    /// The image ends, and a component has had no scan.
    #[error("the file ends before its picture does")]
    Incomplete,
    /// The planes that are to be filled are not those of the frame.
    #[error("the frame is not the one that was announced")]
    Frame,
}
