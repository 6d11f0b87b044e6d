//! Reading the rows of a plain PNG fast: eight bits a sample, no palette, not interlaced, which most large ones are.
//!
//! It takes flawless files alone, with or without the end marker. Whatever is out of the ordinary, damage above all, is [`Halt::Unusual`] and left to the
//! `png` crate, which then decides what it is.

use std::io;

use super::super::dispatch::dispatched;
use super::super::probe::png::PngProbe;
use super::super::source::Source;
use super::super::{RenderError, Stopped};
use super::data::Data;
use super::inflate::{Bits, Inflate, ROOM, Unusual, WINDOW};
use super::unfilter::unfilter;

/// Bytes that are inflated at once, at least: several windows of deflate, and few enough for the second cache.
const BUFFER_BYTES: usize = 128 << 10;

/// Why there are no rows.
#[derive(Debug)]
pub(super) enum Halt {
    Unusual,
    Failed(RenderError),
}

impl From<RenderError> for Halt {
    fn from(error: RenderError) -> Self {
        Self::Failed(error)
    }
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Unusual> for Halt {
    fn from(_: Unusual) -> Self {
        Self::Unusual
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(stopped.into())
    }
}

/// The rows of a plain PNG.
pub(super) struct PlainRows<'a> {
    data: Data<'a>,
    input: Bits,
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

impl<'a> PlainRows<'a> {
    /// The rows of a plain file.
    pub(super) fn open(source: &'a mut dyn Source, probe: &PngProbe, channels: usize) -> Result<Self, Halt> {
        let is_plain = probe.depth == 8
            && !probe.has_palette
            && !probe.is_interlaced
            && usize::from(probe.channels) == channels
            && !probe.has_transparent_colour;
        let (true, Some(first_data)) = (is_plain, probe.first_data) else { return Err(Halt::Unusual) };
        let row_bytes = probe.width as usize * channels;
        Ok(Self {
            data: Data::new(source, first_data, probe.lacks_end),
            input: Bits::new(),
            inflate: Inflate::new(),
            buffer: vec![0; WINDOW + BUFFER_BYTES.max(2 * row_bytes) + ROOM],
            at: 0,
            end: 0,
            above: vec![0; row_bytes],
            row_bytes,
            channels: probe.channels,
        })
    }

    /// Decodes the next row.
    pub(super) fn next(&mut self, row: &mut [u8]) -> Result<(), Halt> {
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
        .ok_or(Halt::Unusual)?;
        self.above.copy_from_slice(row);
        self.at += 1 + self.row_bytes;
        Ok(())
    }

    /// Inflates as much as there is room for, or input.
    fn inflate(&mut self) -> Result<(), Halt> {
        if self.inflate.has_ended() {
            return Err(Halt::Unusual);
        }
        let kept = self.at.min(self.end.saturating_sub(WINDOW));
        self.buffer.copy_within(kept..self.end, 0);
        self.at -= kept;
        self.end -= kept;
        while !self.inflate.has_ended() && self.end + ROOM <= self.buffer.len() {
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
    fn feed(&mut self) -> Result<(), Halt> {
        while !self.input.is_ready() {
            if !self.data.feed(&mut self.input)? {
                self.input.close()?;
            }
        }
        Ok(())
    }

    /// Makes sure that nothing that matters stands behind the last row.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        while self.at == self.end && !self.inflate.has_ended() {
            self.inflate()?;
        }
        if self.at != self.end || !self.input.is_drained() {
            return Err(Halt::Unusual);
        }
        self.data.finish()
    }
}
