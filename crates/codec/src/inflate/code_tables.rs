//! The Huffman codes of a block as look-up tables, indexed by the next bits of the input.

use super::Invalid;
use super::bits::Input;
use super::entry::Entry;

/// Index bits of the first table; longer codes use a subtable.
const LENGTH_BITS: usize = 11;
const DISTANCE_BITS: usize = 8;
const MAX_CODE: usize = 15;
/// Symbols of the literal/length code, the larger of the two codes.
const MAX_SYMBOLS: usize = 288;
/// The first table, and at most one subtable per two codes.
const LENGTH_ENTRIES: usize = (1 << LENGTH_BITS) + ((MAX_SYMBOLS / 2) << (MAX_CODE - LENGTH_BITS));
const DISTANCE_ENTRIES: usize = (1 << DISTANCE_BITS) + ((32 / 2) << (MAX_CODE - DISTANCE_BITS));

/// For each length code, its first length and the number of extra bits (RFC 1951, 3.2.5).
pub(crate) const LENGTH_CODES: [(u32, u32); 29] = {
    let mut ranges = ranges(3, 2);
    // Length 258 has its own symbol.
    ranges[28] = (258, 0);
    ranges
};
/// For each distance code, its first distance and the number of extra bits.
pub(super) const DISTANCE_CODES: [(u32, u32); 30] = ranges(1, 1);

/// The order in which the code lengths of the code length alphabet are stored (RFC 1951, 3.2.7).
pub(crate) const CODE_LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The ranges of values of `N` codes: `2^shared` codes in a row have the same number of extra bits, the first
/// `2^(shared + 1)` have none.
const fn ranges<const N: usize>(first: u32, shared: u32) -> [(u32, u32); N] {
    let mut ranges = [(0, 0); N];
    let mut base = first;
    let mut symbol = 0;
    while symbol < N {
        let bits = (symbol as u32 >> shared).saturating_sub(1);
        ranges[symbol] = (base, bits);
        base += 1 << bits;
        symbol += 1;
    }
    ranges
}

/// [`SimilarLengths`] covers this many code lengths and one more.
const BOUNDS: usize = 3;
/// At most one literal in this many, by frequency, may have a code of another length.
const PART: usize = 16;

/// The code lengths of literals that have nearly equal lengths, as in most pictures without filters. Comparing the next
/// word with a few bounds gives the code's length faster than a table look-up; the literal is looked up in parallel.
#[derive(Clone, Copy, Debug)]
pub(super) struct SimilarLengths {
    longest: u32,
    /// The first word that starts with a code of the longest length, of one bit less, and so on.
    bounds: [u64; BOUNDS],
}

impl SimilarLengths {
    #[inline(always)]
    pub(super) const fn length(self, word: u64) -> u32 {
        let mut length = self.longest;
        let mut bound = 0;
        while bound < BOUNDS {
            length -= (word < self.bounds[bound]) as u32;
            bound += 1;
        }
        length
    }

    /// The lengths of most literals, by frequency; `None` where they differ too much.
    fn of(literals: &Counts, ends: &Counts) -> Option<Self> {
        let often: Counts = std::array::from_fn(|length| literals[length] << (MAX_CODE - length));
        let all: usize = often[1..].iter().sum();
        let is_there = |length: &usize| ends[length - 1] < 1 << MAX_CODE;
        let longest = (BOUNDS + 1..=LENGTH_BITS)
            .filter(is_there)
            .max_by_key(|length| often[length - BOUNDS..=*length].iter().sum::<usize>())?;
        let these: usize = often[longest - BOUNDS..=longest].iter().sum();
        let bounds = std::array::from_fn(|less| (ends[longest - 1 - less] as u64) << (64 - MAX_CODE));
        (all - these < all / PART).then_some(Self { longest: longest as u32, bounds })
    }

    const fn includes(self, length: usize) -> bool {
        length as u32 <= self.longest && length + BOUNDS >= self.longest as usize
    }
}

/// The look-up tables of a block's codes.
pub(super) struct CodeTables {
    pub(super) similar_lengths: Option<SimilarLengths>,
    lengths: [Entry; LENGTH_ENTRIES],
    distances: [Entry; DISTANCE_ENTRIES],
}

impl Default for CodeTables {
    fn default() -> Self {
        Self {
            similar_lengths: None,
            lengths: [Entry::INVALID; LENGTH_ENTRIES],
            distances: [Entry::INVALID; DISTANCE_ENTRIES],
        }
    }
}

impl CodeTables {
    #[inline(always)]
    pub(super) const fn length(&self, word: u64) -> Entry {
        self.lengths[(word >> (64 - LENGTH_BITS)) as usize]
    }

    #[inline(always)]
    pub(super) const fn distance(&self, word: u64) -> Entry {
        self.distances[(word >> (64 - DISTANCE_BITS)) as usize]
    }

    /// Looks up the rest of a literal or length code in its subtable.
    #[inline(always)]
    pub(super) fn subtable_length(&self, word: u64, first: Entry) -> Entry {
        let place = first.value() as usize + (word >> (64 + LENGTH_BITS - MAX_CODE)) as usize;
        self.lengths.get(place).copied().unwrap_or(Entry::INVALID)
    }

    /// Looks up the rest of a distance code in its subtable.
    #[inline(always)]
    pub(super) fn subtable_distance(&self, word: u64, first: Entry) -> Entry {
        let place = first.value() as usize + (word >> (64 + DISTANCE_BITS - MAX_CODE)) as usize;
        self.distances.get(place).copied().unwrap_or(Entry::INVALID)
    }

    /// Sets the fixed Huffman codes (RFC 1951, 3.2.6).
    pub(super) fn use_fixed(&mut self) -> Result<(), Invalid> {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.build(&lengths, &[5; 32])
    }

    /// Reads the dynamic Huffman codes of a block (RFC 1951, 3.2.7).
    pub(super) fn read(&mut self, input: &mut Input) -> Result<(), Invalid> {
        let (lengths, distances, count) = (257 + input.take(5), 1 + input.take(5), 4 + input.take(4));
        if lengths > 286 || distances > 30 {
            return Err(Invalid);
        }
        let mut of_lengths = [0; CODE_LENGTH_ORDER.len()];
        for place in &CODE_LENGTH_ORDER[..count] {
            of_lengths[*place] = input.take(3) as u8;
        }
        let mut table = [Entry::INVALID; 128];
        fill(&mut table, 7, &of_lengths, &counts(&of_lengths), |symbol, _| Entry::of_value(symbol as u32, 0))?;

        let mut bits = [0; 286 + 30];
        let mut at = 0;
        while at < lengths + distances {
            let entry = input.symbol(&table);
            let (value, count) = match entry.value() {
                _ if entry.is_special() => return Err(Invalid),
                16 => (*at.checked_sub(1).and_then(|before| bits.get(before)).ok_or(Invalid)?, 3 + input.take(2)),
                17 => (0, 3 + input.take(3)),
                18 => (0, 11 + input.take(7)),
                length => (length as u8, 1),
            };
            bits[..lengths + distances].get_mut(at..at + count).ok_or(Invalid)?.fill(value);
            at += count;
        }
        let (lengths, rest) = bits.split_at(lengths);
        self.build(lengths, &rest[..distances])
    }

    fn build(&mut self, lengths: &[u8], distances: &[u8]) -> Result<(), Invalid> {
        if lengths[256] == 0 {
            return Err(Invalid);
        }
        let (literals, others) = lengths.split_at(256);
        let (literals, others) = (counts(literals), counts(others));
        let of_lengths = std::array::from_fn(|length| literals[length] + others[length]);
        let similar_lengths = SimilarLengths::of(&literals, &ends(&of_lengths));
        fill(&mut self.lengths, LENGTH_BITS, lengths, &of_lengths, |symbol, length| match symbol {
            0..256 if similar_lengths.is_some_and(|similar_lengths| !similar_lengths.includes(length)) => {
                Entry::of_other_literal(symbol)
            }
            0..256 => Entry::of_literal(symbol),
            256 => Entry::END,
            _ => ranged(LENGTH_CODES.get(symbol - 257)),
        })?;
        self.similar_lengths = similar_lengths;
        let of_distances = counts(distances);
        fill(&mut self.distances, DISTANCE_BITS, distances, &of_distances, |symbol, _| {
            ranged(DISTANCE_CODES.get(symbol))
        })
    }
}

const fn ranged(range: Option<&(u32, u32)>) -> Entry {
    match range {
        Some(&(base, bits)) => Entry::of_value(base, bits),
        None => Entry::INVALID,
    }
}

/// A number per code length.
type Counts = [usize; MAX_CODE + 1];

/// The number of codes of each length.
fn counts(lengths: &[u8]) -> Counts {
    // Each has two counters, because neighbours are often equal and updates of one counter would wait for each other.
    let mut counts = [[0; 2]; MAX_CODE + 1];
    for (place, length) in lengths.iter().enumerate() {
        counts[usize::from(length & 15)][place & 1] += 1;
    }
    counts.map(|[a, b]| a + b)
}

/// For each code length, the end of its range in the 15-bit code space.
fn ends(counts: &Counts) -> Counts {
    let mut end = 0;
    std::array::from_fn(|length| {
        end += if length == 0 { 0 } else { counts[length] << (MAX_CODE - length) };
        end
    })
}

/// Fills the table of a canonical Huffman code from the code length of each symbol.
fn fill(
    table: &mut [Entry],
    bits: usize,
    lengths: &[u8],
    counts: &Counts,
    entry: impl Fn(usize, usize) -> Entry,
) -> Result<(), Invalid> {
    let ends = ends(counts);
    let all = ends[MAX_CODE];
    // A code with a single symbol may have one bit and leave one value unused; the distance code may be empty.
    if all > 1 << MAX_CODE || all < 1 << MAX_CODE && counts[2..].iter().any(|count| *count > 0) {
        return Err(Invalid);
    }
    let (first, second) = table.split_at_mut(1 << bits);
    let rest = MAX_CODE - bits;
    let short = ends[bits] >> rest;
    first[short..].fill(Entry::INVALID);
    if all == 1 << MAX_CODE {
        for (place, long) in first[short..].iter_mut().enumerate() {
            *long = Entry::of_subtable((1 << bits) + (place << rest)).coded(bits);
        }
    }
    let mut order = [0; MAX_SYMBOLS];
    let mut place = 0;
    for (length, symbols) in by_length(lengths, counts, &mut order).enumerate().skip(1) {
        let span = 1 << (MAX_CODE - length);
        let entry = |symbol: u16| entry(symbol.into(), length);
        if length <= bits {
            let parts = first[place >> rest..].chunks_exact_mut(span >> rest);
            symbols.iter().zip(parts).for_each(|(symbol, part)| fill_short(part, entry(*symbol).coded(length), bits));
        } else {
            let parts = second[place - ends[bits]..].chunks_exact_mut(span);
            symbols.iter().zip(parts).for_each(|(symbol, part)| part.fill(entry(*symbol).coded(length - bits)));
        }
        place = ends[length];
    }
    Ok(())
}

/// The symbols sorted by code length. Filling the table in this order avoids mispredicted branches.
fn by_length<'a>(
    lengths: &[u8],
    counts: &Counts,
    order: &'a mut [u16; MAX_SYMBOLS],
) -> impl Iterator<Item = &'a [u16]> {
    let mut place = 0;
    let starts = counts.map(|count| {
        place += count;
        place - count
    });
    let mut places = starts;
    for (symbol, length) in lengths.iter().enumerate() {
        let place = &mut places[usize::from(length & 15)];
        if let Some(space) = order.get_mut(*place) {
            *space = symbol as u16;
        }
        *place += 1;
    }
    let order: &[u16] = order;
    std::iter::zip(starts, places).map(|(start, end)| order.get(start..end).unwrap_or_default())
}

/// Fills the entries of a code in the first table. If the index includes the extra bits, they are added to the value.
fn fill_short(part: &mut [Entry], entry: Entry, bits: usize) {
    let extra_bits = entry.total_bits() - entry.code_bits();
    if extra_bits == 0 || entry.total_bits() > bits as u32 {
        let (eights, rest) = part.as_chunks_mut::<8>();
        eights.iter_mut().for_each(|eight| *eight = [entry; 8]);
        rest.iter_mut().for_each(|one| *one = entry);
        return;
    }
    let step = part.len() >> extra_bits;
    for (number, part) in part.chunks_exact_mut(step).enumerate() {
        part.fill(entry.with(number as u32));
    }
}
