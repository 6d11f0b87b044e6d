//! A fast reader of the rows of plain PNGs, which most large ones are: eight bits a sample, no palette, not interlaced.
//!
//! Reads only valid files, with or without IEND. Anything else is [`Error::Unsupported`]: a decoder that reads all of
//! PNG then reports the fault.

use std::io;

use super::idat::ImageData;
use super::unfilter::unfilter;
use crate::Source;
use crate::dispatch::dispatched;
use crate::inflate::{Inflate, Input, MAX_STEP_BYTES, Unsupported, WINDOW};

/// The least number of bytes that are inflated at once: several windows of deflate, but little enough for the L2 cache.
const BUFFER_BYTES: usize = 128 << 10;

/// Why no row was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is damaged, or of a kind that this reader does not support.
    #[error("not a plain PNG, or a damaged one")]
    Unsupported,
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] io::Error),
}

impl From<Unsupported> for Error {
    fn from(_: Unsupported) -> Self {
        Self::Unsupported
    }
}

/// The layout of a plain PNG: eight bits a sample, no palette, no transparent colour, not interlaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixels of a row.
    pub width: u32,
    /// Samples of a pixel, 1 to 4.
    pub channels: u8,
    /// The position of the first `IDAT` chunk.
    pub first_data: u64,
    /// Whether the file ends after its last `IDAT` chunk, which is accepted.
    pub lacks_end: bool,
}

/// The rows of a plain PNG.
pub struct Rows<'a> {
    data: ImageData<'a>,
    input: Input,
    inflate: Inflate,
    /// Inflated bytes: the sliding window, then rows to come, each after its filter type.
    buffer: Vec<u8>,
    /// The position of the next row's filter type.
    at: usize,
    /// The end of the inflated bytes.
    end: usize,
    /// The row before.
    above: Vec<u8>,
    row_bytes: usize,
    channels: u8,
}

impl<'a> Rows<'a> {
    /// Opens the rows of a file with this layout.
    pub fn open(source: &'a mut dyn Source, layout: Layout) -> Self {
        let row_bytes = layout.width as usize * usize::from(layout.channels);
        Self {
            data: ImageData::new(source, layout.first_data, layout.lacks_end),
            input: Input::new(),
            inflate: Inflate::new(),
            buffer: vec![0; WINDOW + BUFFER_BYTES.max(2 * row_bytes) + MAX_STEP_BYTES],
            at: 0,
            end: 0,
            above: vec![0; row_bytes],
            row_bytes,
            channels: layout.channels,
        }
    }

    /// Decodes the next row into `row`, which must have the row's length.
    ///
    /// # Errors
    /// When the file is damaged, has no more rows, or cannot be read.
    pub fn next(&mut self, row: &mut [u8]) -> Result<(), Error> {
        while self.end - self.at <= self.row_bytes {
            self.inflate()?;
        }
        let stored = &self.buffer[self.at..=self.at + self.row_bytes];
        row.copy_from_slice(&stored[1..]);
        let (above, channels) = (&self.above, self.channels);
        dispatched(
            #[inline(always)]
            || unfilter(stored[0], channels, above, row),
        )
        .ok_or(Error::Unsupported)?;
        self.above.copy_from_slice(row);
        self.at += 1 + self.row_bytes;
        Ok(())
    }

    /// Inflates until the buffer is full or the input is used up.
    fn inflate(&mut self) -> Result<(), Error> {
        if self.inflate.has_ended() {
            return Err(Error::Unsupported);
        }
        let kept = self.at.min(self.end.saturating_sub(WINDOW));
        self.buffer.copy_within(kept..self.end, 0);
        self.at -= kept;
        self.end -= kept;
        while !self.inflate.has_ended() && self.end + MAX_STEP_BYTES <= self.buffer.len() {
            self.feed()?;
            let (inflate, input, buffer, end) = (&mut self.inflate, &mut self.input, &mut self.buffer, self.end);
            self.end = dispatched(
                #[inline(always)]
                || inflate.inflate(input, buffer, end),
            )?;
        }
        Ok(())
    }

    /// Feeds more input, or closes it after the last IDAT chunk.
    fn feed(&mut self) -> Result<(), Error> {
        while !self.input.is_ready() {
            if !self.data.feed(&mut self.input)? {
                self.input.close()?;
            }
        }
        Ok(())
    }

    /// Checks that nothing relevant follows the last row.
    ///
    /// # Errors
    /// When rows are left, or the rest of the file is damaged or cannot be read.
    pub fn finish(mut self) -> Result<(), Error> {
        while self.at == self.end && !self.inflate.has_ended() {
            self.inflate()?;
        }
        if self.at != self.end || !self.input.is_drained() {
            return Err(Error::Unsupported);
        }
        self.data.finish()
    }
}
