//! The image data in the IDAT chunks, and whether their CRCs match it. `Rows::finish_and_verify` decides what that
//! means.

use std::io;
use std::ops::Range;

use crc_fast::{CrcAlgorithm, Digest};

use super::chunk::{Chunk, Next};
use crate::Source;
use crate::dispatch::dispatched;
use crate::inflate::Input;

/// Reads the IDAT chunks of a file one after another, and skips the chunks between them.
pub(super) struct ImageData<'a> {
    source: &'a mut dyn Source,
    at: u64,
    /// The end of the last IDAT chunk, or of the file if it is cut there.
    end: u64,
    /// Unread bytes of this chunk; zero between two chunks.
    left: usize,
    is_data: bool,
    /// The checksum of the chunk's type and the bytes read.
    checksum: Digest,
    /// Whether all chunks so far end with their checksum.
    crcs_match: bool,
}

impl<'a> ImageData<'a> {
    /// The chunks in this range of the file, which begins with an IDAT chunk.
    pub(super) fn new(source: &'a mut dyn Source, chunks: Range<u64>) -> Self {
        let checksum = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
        let Range { start: at, end } = chunks;
        Self { source, at, end, left: 0, is_data: false, checksum, crcs_match: true }
    }

    /// Feeds the available bytes to `input`, as far as they fit; returns `false` after the last IDAT chunk.
    pub(super) fn feed(&mut self, input: &mut Input) -> io::Result<bool> {
        let has_more = self.find_data()?;
        if has_more {
            self.take(|data| {
                dispatched(
                    #[inline(always)]
                    || input.feed(data),
                )
            })?;
        }
        Ok(has_more)
    }

    /// Reads the rest of the data for its checksums; returns whether there was any.
    pub(super) fn drain(&mut self) -> io::Result<bool> {
        let mut has_more = false;
        while self.find_data()? {
            has_more = true;
            self.take(<[u8]>::len)?;
        }
        Ok(has_more)
    }

    /// Whether all chunks end with their checksum, after all data was read.
    pub(super) const fn crcs_match(&self) -> bool {
        self.crcs_match
    }

    /// Advances to the next data; returns `false` after the last.
    fn find_data(&mut self) -> io::Result<bool> {
        while self.left == 0 || !self.is_data {
            if self.left != 0 {
                self.take(<[u8]>::len)?;
            } else if self.at >= self.end {
                return Ok(false);
            } else if let Next::Chunk(chunk) = Chunk::read(self.source, self.at)? {
                self.enter(&chunk)?;
            } else {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(true)
    }

    fn enter(&mut self, chunk: &Chunk) -> io::Result<()> {
        self.at = chunk.data();
        self.left = chunk.length as usize;
        self.is_data = &chunk.kind == b"IDAT";
        self.checksum.reset();
        self.checksum.update(&chunk.kind);
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Passes the chunk's available bytes to `read`, which returns how many it has consumed.
    fn take(&mut self, read: impl FnOnce(&[u8]) -> usize) -> io::Result<()> {
        let piece = self.source.bytes_at(self.at)?;
        let piece = &piece[..piece.len().min(self.left)];
        if piece.is_empty() {
            return self.leave_at_end_of_file();
        }
        let count = read(piece);
        self.checksum.update(&piece[..count]);
        self.at += count as u64;
        self.left -= count;
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Compares the checksum after the chunk with that of the bytes read.
    fn leave(&mut self) -> io::Result<()> {
        let mut sum = [0; 4];
        let is_whole = self.source.read_at(self.at, &mut sum)? == sum.len();
        self.at += sum.len() as u64;
        let is_intact = u64::from(u32::from_be_bytes(sum)) == self.checksum.finalize();
        self.crcs_match &= is_whole && is_intact;
        Ok(())
    }

    fn leave_at_end_of_file(&mut self) -> io::Result<()> {
        if self.at < self.source.length() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it became shorter while it was read"));
        }
        self.crcs_match = false;
        self.left = 0;
        self.at = self.end;
        Ok(())
    }
}
