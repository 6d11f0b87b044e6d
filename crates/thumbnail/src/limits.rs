//! The limits of a file.

use crate::Stop;

/// The limits of a file, and when to stop working on it.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the file.
    pub max_bytes: u64,
    /// Width times height.
    pub max_pixels: u64,
    /// When to stop.
    pub stop: Stop,
}

impl Default for Limits {
    /// 64 MiB, 100 megapixels, no deadline.
    fn default() -> Self {
        Self { max_bytes: 64 << 20, max_pixels: 100_000_000, stop: Stop::default() }
    }
}
