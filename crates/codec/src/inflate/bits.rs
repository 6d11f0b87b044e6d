//! The input of inflate, read bit by bit.
//!
//! Its codes are meant to be read from a byte's lowest bit on, but come with their own highest bit first. Bytes are turned
//! over as they come in: then codes are in order, and how long one is can be told by comparing.

use super::Unsupported;
use super::codes::Entry;

/// Bytes that are held, of which a number of 16 bits is the place.
const BYTES: usize = 1 << 16;
/// The longest piece that is read without a look at what is there: a block's codes take up to 569 bytes.
const AHEAD: usize = 640;
/// Bytes turned over, and so many more that eight can be read from each place.
pub(super) type Buffer = [u8; BYTES + 8];

/// Where the bits of some bytes are read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reader {
    /// The next byte that is not counted in `word`.
    pub(super) at: usize,
    /// The bits to come, the first the highest. Those below the counted ones are right as well.
    pub(super) word: u64,
    /// How many bits of the word are counted.
    count: u32,
}

impl Reader {
    /// Makes 56 bits ready at least. Where the bytes are does not depend on what was read since the last time, so that
    /// they can be there early.
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

    /// An entry's value, the bits behind its code added, which come with the lowest first.
    #[inline(always)]
    pub(super) fn value(&mut self, entry: Entry) -> usize {
        let [high, low] =
            ((self.word << entry.code_bits() >> 48) as u16).to_be_bytes().map(|byte| REVERSED[usize::from(byte)]);
        let mask = (1 << (entry.total_bits() - entry.code_bits())) - 1;
        self.skip(entry.total_bits());
        (entry.value() + (u32::from(u16::from_le_bytes([high, low])) & mask)) as usize
    }
}

/// Each byte turned over.
const REVERSED: [u8; 256] = {
    let mut turned = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        turned[byte] = (byte as u8).reverse_bits();
        byte += 1;
    }
    turned
};

/// The input, as far as it is there.
pub(crate) struct Input {
    buffer: Box<Buffer>,
    /// Where the bytes end.
    end: usize,
    is_closed: bool,
    reader: Reader,
}

impl Input {
    pub(crate) fn new() -> Self {
        Self { buffer: Box::new([0; BYTES + 8]), end: 0, is_closed: false, reader: Reader::default() }
    }

    /// Takes as many of these bytes as there is room for; returns how many.
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

    /// There are no more bytes. Zeros follow; a stream that goes on behind them is damaged.
    pub(crate) fn close(&mut self) -> Result<(), Unsupported> {
        if self.is_closed {
            return Err(Unsupported);
        }
        self.buffer[self.end..].fill(0);
        self.is_closed = true;
        Ok(())
    }

    /// Whether each byte was read, and no more.
    pub(crate) const fn is_drained(&self) -> bool {
        self.place() == self.end
    }

    /// Whether the next piece is there, or nothing follows.
    pub(crate) const fn is_ready(&self) -> bool {
        self.reader.at < self.limit()
    }

    /// From where on less than a piece is there.
    const fn limit(&self) -> usize {
        if self.is_closed { self.end + 8 } else { self.end.saturating_sub(AHEAD) }
    }

    /// Where the next byte is of which no bit was read.
    const fn place(&self) -> usize {
        self.reader.at - (self.reader.count / 8) as usize
    }

    /// The bytes, how far they may be read, and from where.
    #[inline(always)]
    pub(super) fn reader(&self) -> (&Buffer, usize, Reader) {
        (&self.buffer, self.limit(), self.reader)
    }

    /// The bits were read up to where this reader is.
    pub(super) const fn advance_to(&mut self, reader: Reader) {
        self.reader = reader;
    }

    /// The number that the next bits are, 16 at most.
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

    /// Leaves out the rest of the byte.
    pub(super) const fn align(&mut self) {
        self.reader.skip(self.reader.count % 8);
    }

    /// Copies whole bytes; returns how many.
    pub(super) fn copy(&mut self, out: &mut [u8]) -> Result<usize, Unsupported> {
        let place = self.place();
        let count = out.len().min(self.end.saturating_sub(place));
        if count == 0 {
            return Err(Unsupported);
        }
        let bytes = &self.buffer[place..place + count];
        out.iter_mut().zip(bytes).for_each(|(space, byte)| *space = byte.reverse_bits());
        self.reader = Reader { at: place + count, ..Reader::default() };
        Ok(count)
    }
}
