//! An entry of a code table.

/// A literal.
const LITERAL: u32 = 1 << 31;
/// Neither a plain literal nor a length or distance.
const SPECIAL: u32 = 1 << 15;
/// A literal whose code length is not one of the [`SimilarLengths`](super::code_tables::SimilarLengths).
const OTHER_LITERAL: u32 = SPECIAL | 1 << 14;
/// A code that is longer than the first table's index; the value is where its subtable begins.
const SUBTABLE: u32 = SPECIAL | 1 << 13;

/// The value in the upper half, the length of its code in the second byte, and the total of code and extra bits in the
/// lowest byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    /// No code.
    pub(super) const INVALID: Self = Self(SPECIAL | 1 << 12);
    /// The end-of-block symbol.
    pub(super) const END: Self = Self(SPECIAL);

    /// A literal, without its code.
    pub(super) const fn of_literal(byte: usize) -> Self {
        Self(LITERAL | (byte as u32) << 16)
    }

    /// A literal whose code has an unusual length, without its code.
    pub(super) const fn of_other_literal(byte: usize) -> Self {
        Self(OTHER_LITERAL | (byte as u32) << 16)
    }

    /// A subtable that begins at `start`.
    pub(super) const fn of_subtable(start: usize) -> Self {
        Self(SUBTABLE | (start << 16) as u32)
    }

    /// A value with extra bits, without its code.
    pub(super) const fn of_value(base: u32, extra_bits: u32) -> Self {
        Self(base << 16 | extra_bits)
    }

    /// A number of this many bits.
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

    /// Whether it is a literal, whatever the length of its code.
    #[inline(always)]
    pub(super) const fn is_any_literal(self) -> bool {
        self.is_literal() || self.is_other_literal()
    }

    #[inline(always)]
    pub(super) const fn is_other_literal(self) -> bool {
        self.0 & OTHER_LITERAL == OTHER_LITERAL
    }

    #[inline(always)]
    pub(super) const fn is_subtable(self) -> bool {
        self.0 & SUBTABLE == SUBTABLE
    }

    #[inline(always)]
    pub(super) const fn is_end(self) -> bool {
        self.0 & 0xF000 == SPECIAL
    }

    /// Whether extra bits follow the code.
    #[inline(always)]
    pub(super) const fn has_extra_bits(self) -> bool {
        self.total_bits() > self.code_bits()
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
    pub(super) const fn code_bits(self) -> u32 {
        self.0 >> 8 & 15
    }

    /// Bits of the code and its extra bits.
    #[inline(always)]
    pub(super) const fn total_bits(self) -> u32 {
        self.0 & 63
    }

    /// The entry with its extra bits already added to the value.
    pub(super) const fn with(self, bits: u32) -> Self {
        let extra_bits = self.total_bits() - self.code_bits();
        let number = if extra_bits == 0 { 0 } else { bits.reverse_bits() >> (32 - extra_bits) };
        Self(self.0 + (number << 16) + (extra_bits << 8))
    }

    /// The entry with a code of this many bits.
    pub(super) const fn coded(self, bits: usize) -> Self {
        Self(self.0 + bits as u32 * 0x101)
    }
}
