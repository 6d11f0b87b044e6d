//! The codes of a block as tables: the next bits of the input are the index of what they stand for.

use super::Unusual;
use super::bits::Bits;

/// Bits that are looked up at once; longer codes take a second look.
const LENGTH_BITS: usize = 11;
const DISTANCE_BITS: usize = 8;
const MAX_CODE: usize = 15;
/// Symbols of the larger of the two codes.
const MAX_SYMBOLS: usize = 288;
/// A look takes each of its bits' values, a second one that for each two codes at most.
const LENGTH_ENTRIES: usize = (1 << LENGTH_BITS) + ((MAX_SYMBOLS / 2) << (MAX_CODE - LENGTH_BITS));
const DISTANCE_ENTRIES: usize = (1 << DISTANCE_BITS) + ((32 / 2) << (MAX_CODE - DISTANCE_BITS));

/// What some bits stand for: a value in the upper half, how many bits its code has in the second byte, and how many with
/// those that are added to the value in the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

/// A byte of the output.
const LITERAL: u32 = 1 << 31;
/// Neither such a byte nor a number.
const SPECIAL: u32 = 1 << 15;
/// A byte whose code is not as long as most.
const RARE: u32 = SPECIAL | 1 << 14;
/// The code goes on: the value is where its second table begins.
const LONG: u32 = SPECIAL | 1 << 13;
const INVALID: Entry = Entry(SPECIAL | 1 << 12);

impl Entry {
    /// A number of so many bits.
    pub(super) const fn number(bits: u32) -> Self {
        Self(bits)
    }

    #[inline(always)]
    pub(super) const fn is_literal(self) -> bool {
        self.0 & LITERAL != 0
    }

    #[inline(always)]
    pub(super) const fn is_special(self) -> bool {
        self.0 & SPECIAL != 0
    }

    /// Whether it is a byte, however long its code.
    #[inline(always)]
    pub(super) const fn is_byte(self) -> bool {
        self.is_literal() || self.is_rare()
    }

    #[inline(always)]
    pub(super) const fn is_rare(self) -> bool {
        self.0 & RARE == RARE
    }

    #[inline(always)]
    pub(super) const fn is_long(self) -> bool {
        self.0 & LONG == LONG
    }

    #[inline(always)]
    pub(super) const fn is_end(self) -> bool {
        self.0 & 0xF000 == SPECIAL
    }

    /// Whether bits follow that are to be added.
    #[inline(always)]
    pub(super) const fn is_wide(self) -> bool {
        self.all_bits() > self.bits()
    }

    #[inline(always)]
    pub(super) const fn literal(self) -> u8 {
        (self.0 >> 16) as u8
    }

    #[inline(always)]
    pub(super) const fn value(self) -> u32 {
        self.0 >> 16
    }

    /// Bits of the code.
    #[inline(always)]
    pub(super) const fn bits(self) -> u32 {
        self.0 >> 8 & 15
    }

    /// Bits of the code and those that are added.
    #[inline(always)]
    pub(super) const fn all_bits(self) -> u32 {
        self.0 & 63
    }

    /// With what the bits behind its code add, these bits being part of the code.
    const fn with(self, bits: u32) -> Self {
        let added = self.all_bits() - self.bits();
        let number = if added == 0 { 0 } else { bits.reverse_bits() >> (32 - added) };
        Self(self.0 + (number << 16) + (added << 8))
    }

    /// With a code of so many bits.
    const fn coded(self, bits: usize) -> Self {
        Self(self.0 + bits as u32 * 0x101)
    }
}

/// From which value on a symbol counts, and how many bits are added.
pub(crate) const LENGTHS: [(u32, u32); 29] = {
    let mut ranges = ranges(3, 2);
    // The greatest has a symbol of its own.
    ranges[28] = (258, 0);
    ranges
};
pub(super) const DISTANCES: [(u32, u32); 30] = ranges(1, 1);

/// In which order the lengths of the codes for lengths come.
pub(crate) const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// The values behind symbols: two to the power of `shared` symbols have as many bits each, and twice as many have none.
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

/// Codes of so many lengths more than one are told apart by comparing.
const BOUNDS: usize = 3;
/// Fewer than one literal in so many may have a code of another length.
const PART: usize = 16;

/// Most literals of a picture without filters have codes of nearly the same length. How long one is follows from comparing
/// it with some bounds, which takes less time than to look it up; what it stands for can be looked up meanwhile.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alike {
    longest: u32,
    /// The first word that begins with a code so long, with one of a bit less, and so on.
    bounds: [u64; BOUNDS],
}

impl Alike {
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

    /// Codes of so many lengths, if they are most of the literals by how often they come.
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

    const fn is_so(self, length: usize) -> bool {
        length as u32 <= self.longest && length + BOUNDS >= self.longest as usize
    }
}

/// The codes of a block.
pub(super) struct Codes {
    pub(super) alike: Option<Alike>,
    lengths: [Entry; LENGTH_ENTRIES],
    distances: [Entry; DISTANCE_ENTRIES],
}

impl Default for Codes {
    fn default() -> Self {
        Self { alike: None, lengths: [INVALID; LENGTH_ENTRIES], distances: [INVALID; DISTANCE_ENTRIES] }
    }
}

impl Codes {
    #[inline(always)]
    pub(super) const fn length(&self, word: u64) -> Entry {
        self.lengths[(word >> (64 - LENGTH_BITS)) as usize]
    }

    #[inline(always)]
    pub(super) const fn distance(&self, word: u64) -> Entry {
        self.distances[(word >> (64 - DISTANCE_BITS)) as usize]
    }

    /// The second look for a literal or a length, behind the bits of the first.
    #[inline(always)]
    pub(super) fn long_length(&self, word: u64, first: Entry) -> Entry {
        let place = first.value() as usize + (word >> (64 + LENGTH_BITS - MAX_CODE)) as usize;
        self.lengths.get(place).copied().unwrap_or(INVALID)
    }

    /// The second look for a distance.
    #[inline(always)]
    pub(super) fn long_distance(&self, word: u64, first: Entry) -> Entry {
        let place = first.value() as usize + (word >> (64 + DISTANCE_BITS - MAX_CODE)) as usize;
        self.distances.get(place).copied().unwrap_or(INVALID)
    }

    /// The codes that are fixed by the format.
    pub(super) fn fix(&mut self) -> Result<(), Unusual> {
        let mut lengths = [8; 288];
        lengths[144..256].fill(9);
        lengths[256..280].fill(7);
        self.build(&lengths, &[5; 32])
    }

    /// Reads the codes of a block.
    pub(super) fn read(&mut self, input: &mut Bits) -> Result<(), Unusual> {
        let (lengths, distances, count) = (257 + input.take(5), 1 + input.take(5), 4 + input.take(4));
        if lengths > 286 || distances > 30 {
            return Err(Unusual);
        }
        let mut of_lengths = [0; ORDER.len()];
        for place in &ORDER[..count] {
            of_lengths[*place] = input.take(3) as u8;
        }
        let mut table = [INVALID; 128];
        fill(&mut table, 7, &of_lengths, &counts(&of_lengths), |symbol, _| Entry((symbol as u32) << 16))?;

        let mut bits = [0; 286 + 30];
        let mut at = 0;
        while at < lengths + distances {
            let entry = input.symbol(&table);
            let (value, count) = match entry.value() {
                _ if entry.is_special() => return Err(Unusual),
                16 => (*at.checked_sub(1).and_then(|before| bits.get(before)).ok_or(Unusual)?, 3 + input.take(2)),
                17 => (0, 3 + input.take(3)),
                18 => (0, 11 + input.take(7)),
                length => (length as u8, 1),
            };
            bits[..lengths + distances].get_mut(at..at + count).ok_or(Unusual)?.fill(value);
            at += count;
        }
        let (lengths, rest) = bits.split_at(lengths);
        self.build(lengths, &rest[..distances])
    }

    fn build(&mut self, lengths: &[u8], distances: &[u8]) -> Result<(), Unusual> {
        if lengths[256] == 0 {
            return Err(Unusual);
        }
        let (literals, others) = lengths.split_at(256);
        let (literals, others) = (counts(literals), counts(others));
        let of_lengths = std::array::from_fn(|length| literals[length] + others[length]);
        let alike = Alike::of(&literals, &ends(&of_lengths));
        fill(&mut self.lengths, LENGTH_BITS, lengths, &of_lengths, |symbol, length| match symbol {
            0..256 if alike.is_some_and(|alike| !alike.is_so(length)) => Entry(RARE | (symbol as u32) << 16),
            0..256 => Entry(LITERAL | (symbol as u32) << 16),
            256 => Entry(SPECIAL),
            _ => ranged(LENGTHS.get(symbol - 257)),
        })?;
        self.alike = alike;
        let of_distances = counts(distances);
        fill(&mut self.distances, DISTANCE_BITS, distances, &of_distances, |symbol, _| ranged(DISTANCES.get(symbol)))
    }
}

const fn ranged(range: Option<&(u32, u32)>) -> Entry {
    match range {
        Some(&(base, bits)) => Entry(base << 16 | bits),
        None => INVALID,
    }
}

/// A number for each length of a code.
type Counts = [usize; MAX_CODE + 1];

/// How many codes have no bit, one, two, and so on.
fn counts(lengths: &[u8]) -> Counts {
    // Two counters each: neighbours are often the same and would wait for each other.
    let mut counts = [[0; 2]; MAX_CODE + 1];
    for (place, length) in lengths.iter().enumerate() {
        counts[usize::from(length & 15)][place & 1] += 1;
    }
    counts.map(|[a, b]| a + b)
}

/// The codes in order take up parts of all that fifteen bits can be: where the parts of those of so many bits end.
fn ends(counts: &Counts) -> Counts {
    let mut end = 0;
    std::array::from_fn(|length| {
        end += if length == 0 { 0 } else { counts[length] << (MAX_CODE - length) };
        end
    })
}

/// Makes the table of a canonical code, of which `lengths` says how many bits each symbol's takes.
fn fill(
    table: &mut [Entry],
    bits: usize,
    lengths: &[u8],
    counts: &Counts,
    entry: impl Fn(usize, usize) -> Entry,
) -> Result<(), Unusual> {
    let ends = ends(counts);
    let all = ends[MAX_CODE];
    // One code alone may have one bit, of which one value stays unused; there need not be a distance.
    if all > 1 << MAX_CODE || all < 1 << MAX_CODE && counts[2..].iter().any(|count| *count > 0) {
        return Err(Unusual);
    }
    let (first, second) = table.split_at_mut(1 << bits);
    let rest = MAX_CODE - bits;
    let short = ends[bits] >> rest;
    first[short..].fill(INVALID);
    if all == 1 << MAX_CODE {
        for (place, long) in first[short..].iter_mut().enumerate() {
            *long = Entry(LONG | (((1 << bits) + (place << rest)) << 16) as u32).coded(bits);
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

/// The symbols whose codes have no bit, one, two, and so on. Codes of one length after another are filled in without a
/// branch that would be guessed wrong.
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

/// Fills the part of the first look that belongs to a code. Where the bits that are added are in the index as well, their
/// sum is what stands there.
fn fill_short(part: &mut [Entry], entry: Entry, bits: usize) {
    let added = entry.all_bits() - entry.bits();
    if added == 0 || entry.all_bits() > bits as u32 {
        let (eights, rest) = part.as_chunks_mut::<8>();
        eights.iter_mut().for_each(|eight| *eight = [entry; 8]);
        rest.iter_mut().for_each(|one| *one = entry);
        return;
    }
    let step = part.len() >> added;
    for (number, part) in part.chunks_exact_mut(step).enumerate() {
        part.fill(entry.with(number as u32));
    }
}
