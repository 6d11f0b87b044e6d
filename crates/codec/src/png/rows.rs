//! Reading the rows of a plain PNG fast: eight bits a sample, no palette, not interlaced, which most large ones are.
//!
//! Only valid files are read, with or without the end marker. Anything else is [`Error::Unsupported`]: a decoder that reads
//! all of PNG then reports what it is.

use std::io;

use super::idat::ImageData;
use super::unfilter::unfilter;
use crate::Source;
use crate::dispatch::dispatched;
use crate::inflate::{Inflate, Input, MAX_STEP_BYTES, Unsupported, WINDOW};

/// Bytes that are inflated at once, at least: several windows of deflate, and few enough for the second cache.
const BUFFER_BYTES: usize = 128 << 10;

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is damaged, or of a kind that is not read here.
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

/// What the header of a plain PNG says: eight bits a sample, no palette, no transparent colour, not interlaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixels of a row.
    pub width: u32,
    /// Samples of a pixel, 1 to 4.
    pub channels: u8,
    /// Where the first `IDAT` chunk begins.
    pub first_data: u64,
    /// Whether the file ends behind its last `IDAT` chunk, which is then forgiven.
    pub lacks_end: bool,
}

/// The rows of a plain PNG.
pub struct Rows<'a> {
    data: ImageData<'a>,
    input: Input,
    inflate: Inflate,
    /// Inflated bytes: what a copy may reach back to, then rows to come, each behind the number of its filter.
    buffer: Vec<u8>,
    /// Where the next row's filter stands.
    at: usize,
    /// Where the inflated bytes end.
    end: usize,
    /// The row before.
    above: Vec<u8>,
    row_bytes: usize,
    channels: u8,
}

impl<'a> Rows<'a> {
    /// The rows of a file with this layout, from the first on.
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

    /// Decodes the next row into `row`, which has its length.
    ///
    /// # Errors
    /// When the file is damaged or has no more rows, or cannot be read.
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

    /// Inflates as much as there is room for, or input.
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

    /// Makes more input ready, or sure that there is none.
    fn feed(&mut self) -> Result<(), Error> {
        while !self.input.is_ready() {
            if !self.data.feed(&mut self.input)? {
                self.input.close()?;
            }
        }
        Ok(())
    }

    /// Makes sure that nothing that matters stands behind the last row.
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
