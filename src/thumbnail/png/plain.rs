//! Reading the rows of a plain PNG fast: eight bits a sample, no palette, not interlaced, which most large ones are.
//!
//! Inflating is most of what a PNG costs; zlib-rs does it in three quarters of the time that the `png` crate takes. It
//! takes flawless files alone. Whatever is out of the ordinary, damage above all, is [`Halt::Unusual`] and left to the
//! `png` crate, which then decides what it is.

use zlib_rs::{Inflate, InflateFlush, Status, crc32::crc32};

use super::super::probe::PNG_SIGNATURE;
use super::super::probe::png::PngProbe;
use super::super::{RenderError, Stopped};
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

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(stopped.into())
    }
}

/// The rows of a plain PNG.
pub(super) struct PlainRows<'a> {
    chunks: Chunks<'a>,
    /// What is left of the data of the chunk.
    data: &'a [u8],
    inflate: Inflate,
    has_ended: bool,
    /// Inflated bytes: the row before, decoded, then rows to come, each behind the number of its filter.
    buffer: Vec<u8>,
    /// Where the next row's filter stands.
    at: usize,
    /// Where the inflated bytes end.
    end: usize,
    row_bytes: usize,
    channels: u8,
}

impl<'a> PlainRows<'a> {
    /// The rows of this file, if it is a plain one; its chunks up to the picture were checked.
    pub(super) fn open(bytes: &'a [u8], probe: &PngProbe, channels: usize) -> Option<Self> {
        let is_plain = probe.depth == 8
            && !probe.has_palette
            && !probe.is_interlaced
            && !probe.lacks_end
            && usize::from(probe.channels) == channels
            && !probe.has_transparent_colour;
        if !is_plain {
            return None;
        }
        let mut chunks = Chunks { bytes, at: PNG_SIGNATURE.len() };
        let data = std::iter::from_fn(|| chunks.next().ok()).find(|chunk| chunk.kind == b"IDAT")?.checked().ok()?;
        let row_bytes = probe.width as usize * channels;
        Some(Self {
            chunks,
            data,
            inflate: Inflate::new(true, 15),
            has_ended: false,
            buffer: vec![0; BUFFER_BYTES.max(row_bytes) + 2 * (row_bytes + 1)],
            at: row_bytes,
            end: row_bytes,
            row_bytes,
            channels: probe.channels,
        })
    }

    /// Decodes the next row.
    pub(super) fn next(&mut self, row: &mut [u8]) -> Result<(), Halt> {
        if self.end - self.at <= self.row_bytes {
            self.fill()?;
        }
        let (decoded, raw) = self.buffer.split_at_mut(self.at);
        let above = &decoded[decoded.len() - self.row_bytes..];
        let (filter, raw) = raw.split_first_mut().ok_or(Halt::Unusual)?;
        let raw = &mut raw[..self.row_bytes];
        unfilter(*filter, self.channels, above, raw).ok_or(Halt::Unusual)?;
        row.copy_from_slice(raw);
        self.at += 1 + self.row_bytes;
        Ok(())
    }

    /// Inflates until a whole row is there, and as much more as there is room for.
    fn fill(&mut self) -> Result<(), Halt> {
        self.buffer.copy_within(self.at - self.row_bytes..self.end, 0);
        self.end -= self.at - self.row_bytes;
        self.at = self.row_bytes;
        while !self.has_ended && self.end < self.buffer.len() {
            if self.data.is_empty() {
                // A row may have come before this chunk; the end of the data may also come without another.
                self.data = self.chunks.next_data()?;
            }
            self.end += self.inflate_into(self.end)?;
        }
        if self.end - self.at > self.row_bytes { Ok(()) } else { Err(Halt::Unusual) }
    }

    /// Inflates what fits behind `from`; returns how much it was.
    fn inflate_into(&mut self, from: usize) -> Result<usize, Halt> {
        let (taken, given) = (self.inflate.total_in(), self.inflate.total_out());
        let room = &mut self.buffer[from..];
        let status = self.inflate.decompress(self.data, room, InflateFlush::NoFlush).map_err(|_| Halt::Unusual)?;
        self.data = &self.data[(self.inflate.total_in() - taken) as usize..];
        self.has_ended = status == Status::StreamEnd;
        Ok((self.inflate.total_out() - given) as usize)
    }

    /// Makes sure that nothing but the end stands behind the last row.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        while !self.has_ended {
            if self.data.is_empty() {
                self.data = self.chunks.next_data()?;
            }
            if self.inflate_into(0)? > 0 {
                return Err(Halt::Unusual);
            }
        }
        if self.at != self.end || !self.data.is_empty() {
            return Err(Halt::Unusual);
        }
        loop {
            let chunk = self.chunks.next()?;
            chunk.checked()?;
            match chunk.kind {
                b"IEND" => return Ok(()),
                // Lower case: it may be left out.
                [b'a'..=b'z', ..] => {}
                _ => return Err(Halt::Unusual),
            }
        }
    }
}

/// Goes over the chunks of a file.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

struct Chunk<'a> {
    kind: &'a [u8; 4],
    /// The kind and what follows it, which the checksum is over.
    body: &'a [u8],
    checksum: [u8; 4],
}

impl<'a> Chunks<'a> {
    fn next(&mut self) -> Result<Chunk<'a>, Halt> {
        let rest = self.bytes.get(self.at..).ok_or(Halt::Unusual)?;
        let (length, rest) = rest.split_first_chunk().ok_or(Halt::Unusual)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (body, rest) = rest.split_at_checked(length.saturating_add(4)).ok_or(Halt::Unusual)?;
        let kind = body.first_chunk().ok_or(Halt::Unusual)?;
        let checksum = *rest.first_chunk().ok_or(Halt::Unusual)?;
        self.at += length + 12;
        Ok(Chunk { kind, body, checksum })
    }

    /// The data of the next chunk, which must be one of the picture.
    fn next_data(&mut self) -> Result<&'a [u8], Halt> {
        let chunk = self.next()?;
        if chunk.kind == b"IDAT" { chunk.checked() } else { Err(Halt::Unusual) }
    }
}

impl<'a> Chunk<'a> {
    /// The data, if it is what the checksum is of.
    fn checked(&self) -> Result<&'a [u8], Halt> {
        let is_intact = crc32(0, self.body).to_be_bytes() == self.checksum;
        if is_intact { Ok(&self.body[4..]) } else { Err(Halt::Unusual) }
    }
}
