//! A fast reader of the rows of a PNG: inflates, reverses the filters, and decides whether the data is damaged.
//!
//! Rows are damaged if they are missing, if their filter type is unknown, or if no checksum proves them: neither the
//! CRC of each chunk nor the Adler-32 of the stream. Whatever follows the last row costs no pixel.

use std::io;
use std::ops::Range;

use super::idat::ImageData;
use super::unfilter::unfilter;
use crate::Source;
use crate::dispatch::dispatched;
use crate::inflate::{End, Inflate, Input, MAX_STEP_BYTES, WINDOW};

/// The least number of bytes that are inflated at once: several windows of deflate, but little enough for the L2 cache.
const BUFFER_BYTES: usize = 128 << 10;
/// How many bytes after the last row are inflated to reach the Adler-32.
pub const MAX_EXTRA_BYTES: usize = 64 << 10;

/// Why no row was read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The image data is damaged.
    #[error("{0}")]
    Damaged(&'static str),
    /// The source could not be read.
    #[error(transparent)]
    Source(#[from] io::Error),
}

/// Where the image data is, and how it is laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The chunks from the first IDAT to the last: from the head of the first to the end of the last, or of the file.
    pub chunks: Range<u64>,
    /// Bytes of a pixel, 1 to 8; 1 also for pixels of less than a byte.
    pub pixel_bytes: u8,
    /// Bytes of the longest row.
    pub row_bytes: usize,
}

/// What is wrong with the image data although all rows were read and proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A chunk's CRC is wrong or missing.
    pub wrong_crc: bool,
    /// The Adler-32 is wrong or missing.
    pub wrong_adler: bool,
    /// Data follows the last row, or the end of the stream.
    pub leftovers: bool,
}

/// The rows of a PNG.
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
    pixel_bytes: u8,
}

impl<'a> Rows<'a> {
    /// Opens the rows of a file, each of [`Layout::row_bytes`]. For an interlaced picture call [`Self::begin_pass`]
    /// before each pass.
    pub fn open(source: &'a mut dyn Source, layout: Layout) -> Self {
        let Layout { chunks, pixel_bytes, row_bytes } = layout;
        Self {
            data: ImageData::new(source, chunks),
            input: Input::new(),
            inflate: Inflate::new(),
            buffer: vec![0; WINDOW + BUFFER_BYTES.max(2 * row_bytes) + MAX_STEP_BYTES],
            at: 0,
            end: 0,
            above: vec![0; row_bytes],
            pixel_bytes,
        }
    }

    /// Begins a pass of an interlaced picture, with rows of `row_bytes`, at most [`Layout::row_bytes`].
    pub fn begin_pass(&mut self, row_bytes: usize) {
        self.above.clear();
        self.above.resize(row_bytes, 0);
    }

    /// Decodes the next row into `row`, which must have the row's length.
    ///
    /// # Errors
    /// When the row is missing or damaged, or the source cannot be read.
    pub fn next(&mut self, row: &mut [u8]) -> Result<(), Error> {
        let row_bytes = self.above.len();
        while self.end - self.at <= row_bytes {
            if self.inflate.end().is_some() {
                return Err(Error::Damaged("the image data ends early or holds an impossible code"));
            }
            self.inflate()?;
        }
        let stored = &self.buffer[self.at..=self.at + row_bytes];
        row.copy_from_slice(&stored[1..]);
        let (above, pixel_bytes) = (&self.above, self.pixel_bytes);
        dispatched(
            #[inline(always)]
            || unfilter(stored[0], pixel_bytes, above, row),
        )
        .ok_or(Error::Damaged("a row has an unknown filter type"))?;
        self.above.copy_from_slice(row);
        self.at += 1 + row_bytes;
        Ok(())
    }

    /// Inflates until the buffer is full or the stream ends.
    fn inflate(&mut self) -> io::Result<()> {
        let kept = self.at.min(self.end.saturating_sub(WINDOW));
        self.buffer.copy_within(kept..self.end, 0);
        self.at -= kept;
        self.end -= kept;
        while self.inflate.end().is_none() && self.end + MAX_STEP_BYTES <= self.buffer.len() {
            self.feed()?;
            let (inflate, input, buffer, end) = (&mut self.inflate, &mut self.input, &mut self.buffer, self.end);
            self.end = dispatched(
                #[inline(always)]
                || inflate.inflate(input, buffer, end),
            );
        }
        Ok(())
    }

    /// Feeds more input, or closes it after the last IDAT chunk.
    fn feed(&mut self) -> io::Result<()> {
        while !self.input.is_ready() {
            if !self.data.feed(&mut self.input)? {
                self.input.close();
            }
        }
        Ok(())
    }

    /// Reads the rest of the image data, and decides whether its checksums prove the rows.
    ///
    /// # Errors
    /// When no checksum proves them, or the source cannot be read.
    pub fn finish_and_verify(mut self) -> Result<Faults, Error> {
        let mut extra = self.end - self.at;
        while self.inflate.end().is_none() && extra <= MAX_EXTRA_BYTES {
            self.at = self.end;
            self.inflate()?;
            extra += self.end - self.at;
        }
        let end = self.inflate.end().filter(|_| extra <= MAX_EXTRA_BYTES);
        let has_more_input = !self.input.is_drained() && end != Some(End::Damaged);
        let has_more = self.data.drain()?;
        let crc_is_right = self.data.crcs_match();
        let is_proven = match end {
            Some(End::Intact) => true,
            // More output than rows shows that data is missing between the chunks.
            Some(End::WrongChecksum | End::Damaged) => crc_is_right && extra == 0,
            None => crc_is_right,
        };
        if !is_proven {
            return Err(Error::Damaged("neither the CRCs nor the Adler-32 match the image data"));
        }
        Ok(Faults {
            wrong_crc: !crc_is_right,
            wrong_adler: matches!(end, Some(End::WrongChecksum | End::Damaged)),
            leftovers: extra > 0 || has_more_input || has_more,
        })
    }
}
