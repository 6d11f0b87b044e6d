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
    /// Bytes of this chunk that were not read; at none it stands between two chunks.
    left: usize,
    /// Over those that were, and the kind.
    checksum: Digest,
    /// Whether nothing stands behind the last chunk of data.
    lacks_end: bool,
}

impl<'a> ImageData<'a> {
    /// From the first chunk of data on.
    pub(super) fn new(source: &'a mut dyn Source, at: u64, lacks_end: bool) -> Self {
        Self { source, at, left: 0, checksum: Digest::new(CrcAlgorithm::Crc32IsoHdlc), lacks_end }
    }

    /// Gives as much as is at hand and there is room for, or nothing behind the last chunk of data.
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

    /// Makes sure that all data was read and that nothing stands behind it but the end and what may be left out.
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
                // Lower case: it may be left out.
                [b'a'..=b'z', ..] => {}
                _ => return Err(Error::Unsupported),
            }
        }
    }

    /// The next chunk, unless this is the end of the file.
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

    /// Hands out what is at hand of the chunk, of which as many bytes are read as `read` says.
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

    /// Holds the checksum behind the chunk against what was read.
    fn leave(&mut self) -> Result<(), Error> {
        let mut sum = [0; 4];
        let is_whole = self.source.read_at(self.at, &mut sum)? == sum.len();
        self.at += sum.len() as u64;
        let is_intact = u64::from(u32::from_be_bytes(sum)) == self.checksum.finalize();
        if is_whole && is_intact { Ok(()) } else { Err(Error::Unsupported) }
    }
}
