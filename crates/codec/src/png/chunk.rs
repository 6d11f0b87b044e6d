//! The chunks of a PNG file, one after another (PNG specification, 5.3).

use std::io;

use crc_fast::{CrcAlgorithm, Digest};

use crate::Source;

/// The eight bytes that every PNG begins with.
pub const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// Bytes of length and type before a chunk's data.
const HEAD_BYTES: u64 = 8;
/// Bytes of the checksum after it.
const CHECKSUM_BYTES: u64 = 4;

/// A chunk's head. Its data may be missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The chunk's type, such as `IDAT`.
    pub kind: [u8; 4],
    /// The position of its head in the file.
    pub at: u64,
    /// Bytes of its data.
    pub length: u32,
}

/// What is at a position where a chunk may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// A chunk.
    Chunk(Chunk),
    /// Fewer bytes than a chunk's head.
    Cut,
    /// The end of the file.
    End,
}

impl Chunk {
    /// Reads the chunk's head at a position in the file: after the [`SIGNATURE`], or at the [end](Self::end) of the
    /// chunk before.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn read(source: &mut dyn Source, at: u64) -> io::Result<Next> {
        let mut head = [0; HEAD_BYTES as usize];
        Ok(match source.read_at(at, &mut head)? {
            0 => Next::End,
            8 => {
                let [l0, l1, l2, l3, kind @ ..] = head;
                Next::Chunk(Self { kind, at, length: u32::from_be_bytes([l0, l1, l2, l3]) })
            }
            _ => Next::Cut,
        })
    }

    /// Whether its data is complete and followed by its CRC.
    ///
    /// # Errors
    /// When the source cannot be read.
    pub fn is_intact(&self, source: &mut dyn Source) -> io::Result<bool> {
        let mut checksum = Digest::new(CrcAlgorithm::Crc32IsoHdlc);
        checksum.update(&self.kind);
        let mut at = self.data();
        while at < self.checksum() {
            let piece = source.bytes_at(at)?;
            let piece = &piece[..piece.len().min((self.checksum() - at) as usize)];
            if piece.is_empty() {
                return Ok(false);
            }
            checksum.update(piece);
            at += piece.len() as u64;
        }
        let mut sum = [0; CHECKSUM_BYTES as usize];
        let is_whole = source.read_at(at, &mut sum)? == sum.len();
        Ok(is_whole && u64::from(u32::from_be_bytes(sum)) == checksum.finalize())
    }

    /// Whether a decoder must know the chunk's type to show the picture.
    pub const fn is_critical(&self) -> bool {
        self.kind[0] & 0x20 == 0
    }

    /// The position of its data.
    pub const fn data(&self) -> u64 {
        self.at + HEAD_BYTES
    }

    /// The position of its checksum, after the data.
    pub const fn checksum(&self) -> u64 {
        self.data() + self.length as u64
    }

    /// The position of the next chunk.
    pub const fn end(&self) -> u64 {
        self.checksum() + CHECKSUM_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_follow_each_other_to_the_end() {
        let mut file = [&SIGNATURE[..], b"\0\0\0\x03abcd123CRC.", b"\0\0\0\0IEND\xae\x42\x60\x82"].concat();
        let first = Chunk { kind: *b"abcd", at: 8, length: 3 };
        assert_eq!(Chunk::read(&mut file, 8).unwrap(), Next::Chunk(first));
        assert_eq!((first.data(), first.checksum(), first.end()), (16, 19, 23));
        let last = Chunk { kind: *b"IEND", at: 23, length: 0 };
        assert_eq!(Chunk::read(&mut file, 23).unwrap(), Next::Chunk(last));
        assert_eq!(Chunk::read(&mut file, last.end()).unwrap(), Next::End);
        for missing in 1..=12 {
            let mut cut = &file[..file.len() - missing];
            let expected = match missing {
                1..=4 => Next::Chunk(last),
                5..=11 => Next::Cut,
                _ => Next::End,
            };
            assert_eq!(Chunk::read(&mut cut, 23).unwrap(), expected, "{missing} bytes are missing");
        }
    }

    #[test]
    fn a_chunk_is_intact_if_its_checksum_matches() {
        let whole = b"\0\0\0\x03abcd123CRC.".to_vec();
        let end = b"\0\0\0\0IEND\xae\x42\x60\x82".to_vec();
        for (file, is_intact) in [(&whole, false), (&end, true)] {
            let Next::Chunk(chunk) = Chunk::read(&mut file.clone(), 0).unwrap() else { panic!("no chunk") };
            assert_eq!(chunk.is_intact(&mut file.clone()).unwrap(), is_intact);
            assert_eq!(chunk.is_critical(), is_intact);
            for length in 0..file.len() {
                assert!(!chunk.is_intact(&mut &file[..length]).unwrap(), "cut at {length}");
            }
        }
    }
}
