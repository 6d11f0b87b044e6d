//! Deflate compression (RFC 1950, RFC 1951) of filtered thumbnail rows: small numbers, and runs of zeros in flat areas.
//!
//! Each block has dynamic Huffman codes; the only matches are runs of zeros. In photographs, searching for other
//! matches is not worth its time, and drawings consist mostly of such runs.

mod codes;
mod writer;

use zlib_rs::adler32::adler32;

use crate::dispatch::dispatched;
use crate::inflate::{CODE_LENGTH_ORDER, LENGTH_CODES};
use codes::{Code, Codes};
use writer::BitWriter;

/// The end-of-block symbol, and the first length symbol.
const END: usize = 256;
const FIRST_LENGTH: usize = 257;
const SYMBOLS: usize = FIRST_LENGTH + LENGTH_CODES.len();
/// Four codes are written at once; they must fit a word.
const MAX_CODE: usize = 12;
const MAX_CODE_OF_LENGTHS: usize = 7;
const MIN_COPY: usize = 3;
const MAX_COPY: usize = 258;

/// A zlib stream for filtered rows, one block per call. It matches only runs of zeros, so other data stays large.
///
/// ```
/// use darkroom_codec::deflate::Deflate;
/// use darkroom_codec::inflate::inflated;
///
/// let mut deflate = Deflate::new();
/// let mut stream = deflate.block(b"one block, ", false).to_vec();
/// stream.extend_from_slice(deflate.block(b"and the last", true));
/// assert_eq!(inflated(&stream, 100).unwrap(), b"one block, and the last");
/// ```
pub struct Deflate {
    out: BitWriter,
    adler: u32,
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflate {
    /// A stream without blocks.
    pub fn new() -> Self {
        let mut out = BitWriter::default();
        out.make_room(2);
        // CMF and FLG: deflate, a window of 32 KB, the fast compression level.
        out.put(0x0178, 16);
        Self { out, adler: 1 }
    }

    /// Compresses one block; returns the new complete bytes of the stream.
    pub fn block(&mut self, bytes: &[u8], is_last: bool) -> &[u8] {
        self.adler = adler32(self.adler, bytes);
        dispatched(
            #[inline(always)]
            || self.write(bytes, is_last),
        );
        if is_last {
            self.out.align();
            self.out.put(u64::from(self.adler.swap_bytes()), 32);
        }
        self.out.take()
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8], is_last: bool) {
        let mut counts = Counts::default();
        tokens(bytes, &mut counts);
        let codes = Codes::<SYMBOLS>::of(&counts.all(), MAX_CODE);
        // Space for the codes of all bytes, and for the block's header, its code lengths and the checksum.
        self.out.make_room(bytes.len() * MAX_CODE / 8 + 1024);
        self.out.put(u64::from(is_last) | 2 << 1, 3);
        write_lengths(&codes.lengths, &mut self.out);
        let mut writing = Writing { out: &mut self.out, codes: &codes.codes };
        tokens(bytes, &mut writing);
        writing.symbol(END);
    }
}

/// Receives the literals and matches of a block.
trait Tokens {
    fn byte(&mut self, byte: u8);
    fn bytes(&mut self, bytes: [u8; 8]);
    /// A match of this length at distance 1.
    fn copy(&mut self, length: usize);
}

#[inline(always)]
fn tokens(bytes: &[u8], to: &mut impl Tokens) {
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk() {
        if u64::from_ne_bytes(*eight) != 0 {
            to.bytes(*eight);
            rest = behind;
            continue;
        }
        let zeros = leading_zeros(rest);
        to.byte(0);
        let mut left = zeros - 1;
        while left >= MIN_COPY {
            let length = left.min(MAX_COPY);
            to.copy(length);
            left -= length;
        }
        rest = &rest[zeros - left..];
    }
    rest.iter().for_each(|byte| to.byte(*byte));
}

fn leading_zeros(bytes: &[u8]) -> usize {
    let of_eights = 8 * bytes.as_chunks::<8>().0.iter().take_while(|eight| u64::from_ne_bytes(**eight) == 0).count();
    of_eights + bytes[of_eights..].iter().take_while(|byte| **byte == 0).count()
}

/// The symbol for a match of this length, with the symbol's first length and its number of extra bits.
fn symbol_of(length: usize) -> (usize, usize, u32) {
    let place = LENGTH_CODES.partition_point(|(first, _)| *first as usize <= length) - 1;
    let (first, bits) = LENGTH_CODES[place];
    (FIRST_LENGTH + place, first as usize, bits)
}

/// The frequency of each symbol. Each has four counters, because neighbouring bytes are often equal and updates of one
/// counter would wait for each other.
struct Counts([[u32; SYMBOLS]; 4]);

impl Default for Counts {
    fn default() -> Self {
        let mut counts = [[0; SYMBOLS]; 4];
        counts[0][END] = 1;
        Self(counts)
    }
}

impl Counts {
    fn all(&self) -> [u32; SYMBOLS] {
        std::array::from_fn(|symbol| self.0.iter().map(|counts| counts[symbol]).sum())
    }
}

impl Tokens for Counts {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.0[0][usize::from(byte)] += 1;
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: [u8; 8]) {
        for four in bytes.as_chunks::<4>().0 {
            self.0.iter_mut().zip(four).for_each(|(counts, byte)| counts[usize::from(*byte)] += 1);
        }
    }

    #[inline(always)]
    fn copy(&mut self, length: usize) {
        self.0[0][symbol_of(length).0] += 1;
    }
}

/// Writes symbols.
struct Writing<'a> {
    out: &'a mut BitWriter,
    codes: &'a [Code; SYMBOLS],
}

impl Writing<'_> {
    #[inline(always)]
    fn symbol(&mut self, symbol: usize) {
        let code = self.codes[symbol];
        self.out.put(code.bits(), code.count());
    }
}

impl Tokens for Writing<'_> {
    #[inline(always)]
    fn byte(&mut self, byte: u8) {
        self.symbol(byte.into());
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: [u8; 8]) {
        for four in bytes.as_chunks::<4>().0 {
            let [a, b, c, d] = four.map(|byte| self.codes[usize::from(byte)]);
            let (low, high) = (a.bits() | b.bits() << a.count(), c.bits() | d.bits() << c.count());
            let in_low = a.count() + b.count();
            self.out.put(low | high << in_low, in_low + c.count() + d.count());
        }
    }

    #[inline(always)]
    fn copy(&mut self, length: usize) {
        let (symbol, first, bits) = symbol_of(length);
        self.symbol(symbol);
        // The additional bit is the code of the only distance.
        self.out.put((length - first) as u64, bits + 1);
    }
}

/// Writes the code lengths of the block's codes, encoded with the code length alphabet.
fn write_lengths(lengths: &[u8; SYMBOLS], out: &mut BitWriter) {
    // The only distance code has one bit.
    let lengths = lengths.iter().copied().chain([1]).collect::<Vec<_>>();
    let packed = packed(&lengths);
    let mut counts = [0; CODE_LENGTH_ORDER.len()];
    packed.iter().for_each(|part| counts[part.symbol] += 1);
    let codes = Codes::<{ CODE_LENGTH_ORDER.len() }>::of(&counts, MAX_CODE_OF_LENGTHS);
    let last = CODE_LENGTH_ORDER.iter().rposition(|symbol| codes.lengths[*symbol] > 0).unwrap_or_default();
    let shown = (last + 1).max(4);
    out.put((SYMBOLS - FIRST_LENGTH) as u64, 5);
    out.put(0, 5);
    out.put(shown as u64 - 4, 4);
    CODE_LENGTH_ORDER[..shown].iter().for_each(|symbol| out.put(codes.lengths[*symbol].into(), 3));
    for Part { symbol, number, bits } in packed {
        let code = codes.codes[symbol];
        out.put(code.bits(), code.count());
        out.put(number, bits);
    }
}

/// A code length, or a repetition of one.
struct Part {
    symbol: usize,
    number: u64,
    bits: u32,
}

fn packed(lengths: &[u8]) -> Vec<Part> {
    let mut parts = Vec::new();
    for run in lengths.chunk_by(|a, b| a == b) {
        let value = usize::from(run[0]);
        let one = || Part { symbol: value, number: 0, bits: 0 };
        let mut left = run.len();
        if value > 0 {
            parts.push(one());
            left -= 1;
        }
        // Zeros have their own repeat symbols; other lengths are repeated by symbol 16.
        let repeats: &[(usize, usize, usize, u32)] =
            if value == 0 { &[(18, 11, 138, 7), (17, 3, 10, 3)] } else { &[(16, 3, 6, 2)] };
        for &(symbol, least, most, bits) in repeats {
            while left >= least {
                let count = left.min(most);
                parts.push(Part { symbol, number: (count - least) as u64, bits });
                left -= count;
            }
        }
        parts.extend((0..left).map(|_| one()));
    }
    parts
}

#[cfg(test)]
mod tests {
    use zlib_rs::{Inflate, InflateFlush, Status};

    use super::*;

    fn deflated(blocks: &[&[u8]]) -> Vec<u8> {
        let mut deflate = Deflate::new();
        let count = blocks.len();
        blocks.iter().enumerate().flat_map(|(at, block)| deflate.block(block, at + 1 == count).to_vec()).collect()
    }

    fn inflated(stream: &[u8], length: usize) -> Vec<u8> {
        let mut all = vec![0; length + 1];
        let mut inflate = Inflate::new(true, 15);
        let status = inflate.decompress(stream, &mut all, InflateFlush::Finish);
        assert_eq!((status, inflate.total_in()), (Ok(Status::StreamEnd), stream.len() as u64));
        all.truncate(inflate.total_out() as usize);
        all
    }

    fn comes_back(bytes: &[u8]) {
        assert!(inflated(&deflated(&[bytes]), bytes.len()) == bytes, "{} bytes", bytes.len());
    }

    #[test]
    fn runs_of_zeros_of_every_length_come_back() {
        for length in (0..600).chain([1000, 5000, 100_000]) {
            comes_back(&vec![0; length]);
            comes_back(&[&[1, 2, 3][..], &vec![0; length], &[4]].concat());
        }
        assert!(deflated(&[&[0; 100_000]]).len() < 200);
    }

    #[test]
    fn bytes_of_every_kind_come_back() {
        let noise = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 23) as u8);
        comes_back(&noise.clone().collect::<Vec<_>>());
        for values in 1..=20 {
            comes_back(&noise.clone().map(|byte| byte % values).collect::<Vec<_>>());
        }
        // Each value is twice as frequent as the one before: without a limit, codes would have 24 bits.
        for count in 2..=20 {
            comes_back(
                &(0..count).flat_map(|value: u8| std::iter::repeat_n(value + 1, 1 << value)).collect::<Vec<_>>(),
            );
        }
        comes_back(&(0..=255).collect::<Vec<u8>>());
    }

    #[test]
    fn blocks_follow_each_other() {
        let blocks: [&[u8]; 4] = [b"a", &[0; 77], &[], b"of the last"];
        assert_eq!(inflated(&deflated(&blocks), 100), blocks.concat());
    }

    #[test]
    fn each_length_has_the_symbol_that_the_format_gives_it() {
        assert_eq!([3, 10, 11, 12, 257, 258].map(|length| symbol_of(length).0), [257, 264, 265, 265, 284, 285]);
    }
}
