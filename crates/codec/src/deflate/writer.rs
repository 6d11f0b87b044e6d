//! Bits written one after another, the first the lowest of its byte.

/// A word that is filled up, and the bytes before it.
#[derive(Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// How many of them are written.
    at: usize,
    word: u64,
    /// Bits of the word that are in use, less than a byte between two calls.
    used: u32,
}

impl BitWriter {
    /// Makes room for so many bytes more.
    pub(super) fn make_room(&mut self, bytes: usize) {
        let needed = self.at + bytes + size_of::<u64>();
        if self.bytes.len() < needed {
            self.bytes.resize(needed, 0);
        }
    }

    /// Writes the lowest `count` bits, at most 56, the others of which are 0. What there is no room for is lost.
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

    /// Fills the byte up with zeros.
    pub(super) fn align(&mut self) {
        self.put(0, (8 - self.used) & 7);
    }

    /// The bytes that are whole; the next ones follow them, not here.
    pub(super) fn take(&mut self) -> &[u8] {
        let end = std::mem::take(&mut self.at);
        &self.bytes[..end]
    }
}
