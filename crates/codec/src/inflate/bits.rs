//! The bit reader of inflate.
//!
//! Deflate packs data into bytes from the lowest bit on, but starts Huffman codes with their highest bit. The bits of
//! each input byte are reversed, so that codes are numerically ordered and comparisons give their lengths.

use super::entry::Entry;

/// The buffer's size; a 16-bit number indexes it.
const BYTES: usize = 1 << 16;
/// The most bytes that are read without checking the end of the input: a block's code lengths take up to 569 bytes.
const AHEAD: usize = 640;
/// Reversed bytes, with padding so that eight bytes can be read from each position.
pub(super) type Buffer = [u8; BYTES + 8];

/// The position of a reader in the buffer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    /// The next byte that is not counted in `word`.
    pub(super) at: usize,
    /// The next bits, the first one highest. The bits below the counted ones are valid too.
    pub(super) word: u64,
    /// The number of counted bits in the word.
    count: u32,
}

impl Reader {
    /// Makes at least 56 bits available. The address of the bytes does not depend on the bits read since the last
    /// refill, so that the load can start early.
    #[inline(always)]
    pub(super) fn refill(&mut self, bytes: &Buffer) {
        if let Some(next) = bytes[usize::from(self.at as u16)..].first_chunk() {
            self.word |= u64::from_be_bytes(*next) >> (self.count & 63);
            self.at += ((63 - self.count) >> 3) as usize;
            self.count |= 56;
        }
    }

    #[inline(always)]
    pub(super) const fn skip(&mut self, count: u32) {
        self.word <<= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// An entry's value plus its extra bits, which are stored lowest bit first.
    #[inline(always)]
    pub(super) fn value(&mut self, entry: Entry) -> usize {
        let [high, low] =
            ((self.word << entry.code_bits() >> 48) as u16).to_be_bytes().map(|byte| REVERSED[usize::from(byte)]);
        let mask = (1 << (entry.total_bits() - entry.code_bits())) - 1;
        self.skip(entry.total_bits());
        (entry.value() + (u32::from(u16::from_le_bytes([high, low])) & mask)) as usize
    }
}

/// Each byte with its bits reversed.
const REVERSED: [u8; 256] = {
    let mut turned = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        turned[byte] = (byte as u8).reverse_bits();
        byte += 1;
    }
    turned
};

/// The buffered input.
pub(crate) struct Input {
    buffer: Box<Buffer>,
    /// The end of the buffered bytes.
    end: usize,
    is_closed: bool,
    reader: Reader,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self { buffer: Box::new([0; BYTES + 8]), end: 0, is_closed: false, reader: Reader::default() }
    }

    /// Buffers as many of these bytes as fit; returns their number.
    #[inline(always)]
    pub(crate) fn feed(&mut self, data: &[u8]) -> usize {
        let place = self.place();
        self.buffer.copy_within(place..self.end, 0);
        self.end -= place;
        self.reader.at -= place;
        let count = data.len().min(BYTES - 2 * AHEAD - self.end);
        let space = &mut self.buffer[self.end..self.end + count];
        space.iter_mut().zip(data).for_each(|(space, byte)| *space = byte.reverse_bits());
        self.end += count;
        count
    }

    /// Marks the end of the input. Zeros follow; a reader that continues into them [overruns](Self::is_overrun) it.
    pub(crate) fn close(&mut self) {
        self.buffer[self.end..].fill(0);
        self.is_closed = true;
    }

    /// Whether all input is in the buffer.
    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether bits behind the end of the input were read.
    pub(super) const fn is_overrun(&self) -> bool {
        self.is_closed && self.place() > self.end
    }

    /// Whether exactly the buffered bytes were read.
    pub(crate) const fn is_drained(&self) -> bool {
        self.place() == self.end
    }

    /// Whether [`AHEAD`] bytes are available, or the input is closed.
    pub(crate) const fn is_ready(&self) -> bool {
        self.is_closed || self.reader.at < self.limit()
    }

    /// The position from which fewer than [`AHEAD`] bytes are left.
    const fn limit(&self) -> usize {
        self.end.saturating_sub(AHEAD)
    }

    /// The next byte without any bit read.
    const fn place(&self) -> usize {
        self.reader.at - (self.reader.count / 8) as usize
    }

    /// The bytes, the end of the readable ones, and the current reader.
    #[inline(always)]
    pub(super) fn reader(&self) -> (&Buffer, usize, Reader) {
        (&self.buffer, self.limit(), self.reader)
    }

    /// Sets the position to that of this reader.
    pub(super) const fn advance_to(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// Reads a number of at most 16 bits.
    pub(super) fn take(&mut self, count: u32) -> usize {
        self.reader.refill(&self.buffer);
        self.reader.value(Entry::number(count))
    }

    /// Reads a code of at most seven bits.
    pub(super) fn symbol(&mut self, table: &[Entry; 128]) -> Entry {
        self.reader.refill(&self.buffer);
        let entry = table[(self.reader.word >> (64 - 7)) as usize];
        self.reader.skip(entry.code_bits());
        entry
    }

    /// Skips the rest of the current byte.
    pub(super) const fn align(&mut self) {
        self.reader.skip(self.reader.count % 8);
    }

    /// Copies whole bytes; returns how many. None are left only at the end of the input.
    pub(super) fn copy(&mut self, out: &mut [u8]) -> usize {
        let place = self.place();
        let count = out.len().min(self.end.saturating_sub(place));
        let bytes = &self.buffer[place..place + count];
        out.iter_mut().zip(bytes).for_each(|(space, byte)| *space = byte.reverse_bits());
        self.reader = Reader { at: place + count, ..Reader::default() };
        count
    }
}
