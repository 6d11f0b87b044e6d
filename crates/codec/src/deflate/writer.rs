//! A writer of bits, lowest bit of a byte first.

/// A partial word, and the bytes before it.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// The number of written bytes.
    at: usize,
    word: u64,
    /// Used bits of the word; fewer than 8 between two calls.
    used: u32,
}

impl BitWriter {
    /// Reserves space for this many more bytes.
    pub(super) fn make_room(&mut self, bytes: usize) {
        let needed = self.at + bytes + size_of::<u64>();
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
    }

    /// Writes the lowest `count` bits, at most 56; the others must be 0. Bits beyond the reserved space are lost.
    #[inline(always)]
    pub(super) fn put(&mut self, bits: u64, count: u32) {
        self.word |= bits << (self.used & 7);
        self.used += count;
        if let Some(space) = self.bytes.get_mut(self.at..).and_then(|bytes| bytes.first_chunk_mut()) {
            *space = self.word.to_le_bytes();
        }
        self.at += (self.used >> 3) as usize;
        self.word >>= self.used & 56;
        self.used &= 7;
    }

    /// Fills the byte with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.used) & 7);
    }

    /// Takes the complete bytes.
    pub(super) fn take(&mut self) -> &[u8] {
        let end = std::mem::take(&mut self.at);
        &self.bytes[..end]
    }
}
