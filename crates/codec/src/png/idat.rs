//! The image data in the IDAT chunks, each checked against its checksum.

use crc_fast::{CrcAlgorithm, Digest};

use super::chunk::{Chunk, Next};
use super::rows::Error;
use crate::Source;
use crate::dispatch::dispatched;
use crate::inflate::Input;

/// Reads the IDAT chunks of a file one after another.
pub(super) struct ImageData<'a> {
    source: &'a mut dyn Source,
    at: u64,
    /// Unread bytes of this chunk; zero between two chunks.
    left: usize,
    /// The checksum of the chunk's type and the bytes read.
    checksum: Digest,
    /// Whether the file ends after the last IDAT chunk.
    lacks_end: bool,
}

impl<'a> ImageData<'a> {
    /// Starts at the first IDAT chunk.
    pub(super) fn new(source: &'a mut dyn Source, at: u64, lacks_end: bool) -> Self {
        Self { source, at, left: 0, checksum: Digest::new(CrcAlgorithm::Crc32IsoHdlc), lacks_end }
    }

    /// Feeds the available bytes to `input`, as far as they fit; returns `false` after the last IDAT chunk.
    pub(super) fn feed(&mut self, input: &mut Input) -> Result<bool, Error> {
        while self.left == 0 {
            match self.chunk()? {
                Some(chunk) if &chunk.kind == b"IDAT" => self.enter(&chunk)?,
                _ => return Ok(false),
            }
        }
        self.take(|data| {
            dispatched(
                #[inline(always)]
                || input.feed(data),
            )
        })?;
        Ok(true)
    }

    /// Checks that all data was read and that only ancillary chunks and IEND follow.
    pub(super) fn finish(mut self) -> Result<(), Error> {
        if self.left != 0 {
            return Err(Error::Unsupported);
        }
        loop {
            let Some(chunk) = self.chunk()? else {
                return if self.lacks_end { Ok(()) } else { Err(Error::Unsupported) };
            };
            self.enter(&chunk)?;
            while self.left != 0 {
                self.take(<[u8]>::len)?;
            }
            match &chunk.kind {
                b"IEND" if chunk.length == 0 => return Ok(()),
                // Lower case: an ancillary chunk.
                [b'a'..=b'z', ..] => {}
                _ => return Err(Error::Unsupported),
            }
        }
    }

    /// The next chunk; `None` at the end of the file.
    fn chunk(&mut self) -> Result<Option<Chunk>, Error> {
        match Chunk::read(self.source, self.at)? {
            Next::Chunk(chunk) => Ok(Some(chunk)),
            Next::End => Ok(None),
            Next::Cut => Err(Error::Unsupported),
        }
    }

    fn enter(&mut self, chunk: &Chunk) -> Result<(), Error> {
        self.at = chunk.data();
        self.left = chunk.length as usize;
        self.checksum.reset();
        self.checksum.update(&chunk.kind);
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Passes the chunk's available bytes to `read`, which returns how many it has consumed.
    fn take(&mut self, read: impl FnOnce(&[u8]) -> usize) -> Result<(), Error> {
        let piece = self.source.bytes_at(self.at)?;
        let piece = &piece[..piece.len().min(self.left)];
        if piece.is_empty() {
            return Err(Error::Unsupported);
        }
        let count = read(piece);
        self.checksum.update(&piece[..count]);
        self.at += count as u64;
        self.left -= count;
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Compares the checksum after the chunk with that of the bytes read.
    fn leave(&mut self) -> Result<(), Error> {
        let mut sum = [0; 4];
        let is_whole = self.source.read_at(self.at, &mut sum)? == sum.len();
        self.at += sum.len() as u64;
        let is_intact = u64::from(u32::from_be_bytes(sum)) == self.checksum.finalize();
        if is_whole && is_intact { Ok(()) } else { Err(Error::Unsupported) }
    }
}
