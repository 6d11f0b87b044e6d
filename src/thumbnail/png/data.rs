//! The data of a picture, out of chunks each of which is held against its checksum.

use crc_fast::{CrcAlgorithm, Digest};

use super::super::dispatch::dispatched;
use super::super::probe::PNG_SIGNATURE;
use super::super::source::Source;
use super::inflate::Bits;
use super::plain::Halt;

/// Goes over the chunks of a file.
pub(super) struct Data<'a> {
    source: &'a mut dyn Source,
    at: u64,
    /// Bytes of this chunk that were not read; at none it stands between two chunks.
    left: u64,
    /// Over those that were, and the kind.
    checksum: Digest,
}

struct Head {
    kind: [u8; 4],
    length: u64,
}

impl<'a> Data<'a> {
    /// Goes to the first chunk of data. Those before it were checked.
    pub(super) fn find(source: &'a mut dyn Source) -> Result<Self, Halt> {
        let mut data =
            Self { source, at: PNG_SIGNATURE.len() as u64, left: 0, checksum: Digest::new(CrcAlgorithm::Crc32IsoHdlc) };
        loop {
            let head = data.head()?;
            if &head.kind == b"IDAT" {
                return Ok(data);
            }
            data.at += 12 + head.length;
        }
    }

    /// Gives as much as is at hand and there is room for, or nothing behind the last chunk of data.
    pub(super) fn feed(&mut self, input: &mut Bits) -> Result<bool, Halt> {
        while self.left == 0 {
            let head = self.head()?;
            if &head.kind != b"IDAT" {
                return Ok(false);
            }
            self.enter(&head)?;
        }
        self.take(|data| {
            dispatched(
                #[inline(always)]
                || input.feed(data),
            )
        })?;
        Ok(true)
    }

    /// Makes sure that all data was read and nothing but the end stands behind it.
    pub(super) fn finish(mut self) -> Result<(), Halt> {
        if self.left != 0 {
            return Err(Halt::Unusual);
        }
        loop {
            let head = self.head()?;
            self.enter(&head)?;
            while self.left != 0 {
                self.take(<[u8]>::len)?;
            }
            match &head.kind {
                b"IEND" => return Ok(()),
                // Lower case: it may be left out.
                [b'a'..=b'z', ..] => {}
                _ => return Err(Halt::Unusual),
            }
        }
    }

    /// The head of the next chunk.
    fn head(&mut self) -> Result<Head, Halt> {
        let mut head = [0; 8];
        if self.source.look(self.at, &mut head)? < head.len() {
            return Err(Halt::Unusual);
        }
        let [l0, l1, l2, l3, kind @ ..] = head;
        Ok(Head { kind, length: u32::from_be_bytes([l0, l1, l2, l3]).into() })
    }

    fn enter(&mut self, head: &Head) -> Result<(), Halt> {
        self.at += 8;
        self.left = head.length;
        self.checksum.reset();
        self.checksum.update(&head.kind);
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Hands out what is at hand of the chunk, of which as many bytes are read as `read` says.
    fn take(&mut self, read: impl FnOnce(&[u8]) -> usize) -> Result<(), Halt> {
        let piece = self.source.piece(self.at)?;
        let piece = &piece[..piece.len().min(usize::try_from(self.left).unwrap_or(usize::MAX))];
        if piece.is_empty() {
            return Err(Halt::Unusual);
        }
        let count = read(piece);
        self.checksum.update(&piece[..count]);
        self.at += count as u64;
        self.left -= count as u64;
        if self.left == 0 { self.leave() } else { Ok(()) }
    }

    /// Holds the checksum behind the chunk against what was read.
    fn leave(&mut self) -> Result<(), Halt> {
        let mut sum = [0; 4];
        let is_whole = self.source.look(self.at, &mut sum)? == sum.len();
        self.at += sum.len() as u64;
        let is_intact = u64::from(u32::from_be_bytes(sum)) == self.checksum.finalize();
        if is_whole && is_intact { Ok(()) } else { Err(Halt::Unusual) }
    }
}
