//! The bit reader of one scan. It removes stuffed zeros.

use super::damage::Damage;
use super::restarts::ScanEnd;

/// A reader of entropy-coded data. After the end of a scan it returns zeros, and [`is_overrun`](Self::is_overrun)
/// reports it.
#[derive(Clone, Copy, Default)]
pub(super) struct Bits<'a> {
    data: &'a [u8],
    /// The next byte that is not in the buffer.
    at: usize,
    /// Unread bits, at most 63, the next one highest. Below the `count` valid bits are bits of the byte at `at`, or
    /// zeros.
    buffer: u64,
    count: u32,
    /// How many bits in the buffer are padding after the end.
    padding: u32,
}

impl<'a> Bits<'a> {
    pub(super) const fn new(data: &'a [u8], at: usize) -> Self {
        Self { data, at, buffer: 0, count: 0, padding: 0 }
    }

    /// Fills the buffer to at least 32 bits.
    #[inline(always)]
    pub(super) fn fill(&mut self) {
        if self.count < 32 {
            self.fill_up();
        }
    }

    /// Fills the buffer to at least 56 bits.
    #[inline(always)]
    pub(super) fn fill_up(&mut self) {
        let next = self.data.get(self.at..).and_then(|rest| rest.first_chunk::<8>());
        if let Some(word) = next.map(|bytes| u64::from_be_bytes(*bytes))
            && !has_ff(word)
        {
            self.buffer |= word >> self.count;
            self.at += ((63 - self.count) >> 3) as usize;
            self.count |= 56;
        } else {
            *self = self.filled_by_bytes();
        }
    }

    /// Takes and returns the reader by value, so that the caller's copy can stay in registers.
    #[inline(never)]
    fn filled_by_bytes(mut self) -> Self {
        while self.count < 56 {
            let byte = match (self.data.get(self.at), self.data.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff) | None, _) => {
                    self.padding += 63 - self.count;
                    self.count = 63;
                    return self;
                }
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
        self
    }

    /// Returns the next 1 to 32 bits without consuming them; the buffer must hold them.
    #[inline(always)]
    pub(super) const fn peek(&self, count: u32) -> u32 {
        (self.buffer >> (64 - count)) as u32
    }

    /// Skips fewer than 64 bits; the buffer must hold them.
    #[inline(always)]
    pub(super) const fn skip(&mut self, count: u32) {
        self.buffer <<= count;
        self.count -= count;
    }

    /// Reads the next 1 to 32 bits as a number; the buffer must hold them.
    #[inline(always)]
    pub(super) const fn take(&mut self, count: u32) -> u32 {
        let bits = (self.buffer >> (64 - count)) as u32;
        self.skip(count);
        bits
    }

    /// Reads up to 64 bits into the highest bits of the result.
    #[inline(always)]
    pub(super) fn take_row(&mut self, count: u32) -> u64 {
        if count <= 32 {
            self.fill();
            let bits = self.buffer & !(u64::MAX >> count);
            self.skip(count);
            return bits;
        }
        let upper = self.take_row(32);
        upper | self.take_row(count - 32) >> 32
    }

    /// Whether bits were read after the end.
    pub(super) const fn is_overrun(&self) -> bool {
        self.count < self.padding
    }

    /// The end of the scan, once the last code was read.
    pub(super) const fn end(&self) -> Result<ScanEnd, Damage> {
        if self.is_overrun() {
            return Err(Damage::EndsEarly);
        }
        Ok(ScanEnd { at: self.at, has_unused_bytes: self.count - self.padding >= 8 })
    }

    /// The reader after the restart marker, which must follow here, and the marker's number. Only the padding bits of
    /// the last byte may be left before it.
    pub(super) fn behind_restart(&self) -> Result<(Self, u8), Damage> {
        let left = self.count.checked_sub(self.padding).ok_or(Damage::EndsEarly)?;
        let rest = self.data.get(self.at..).unwrap_or_default();
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        match rest.get(fill) {
            Some(marker @ 0xd0..=0xd7) if fill > 0 && left < 8 => {
                Ok((Self::new(self.data, self.at + fill + 1), marker & 7))
            }
            _ => Err(Damage::MissingRestart),
        }
    }
}

/// Reads a number of `length` bits.
#[inline(always)]
pub(super) fn signed(bits: &mut Bits<'_>, length: u32) -> i32 {
    if length == 0 { 0 } else { of_sign(bits.take(length), length) }
}

/// Sign-extends a number of `length` bits (T.81, F.2.2.1): its upper half is positive, its lower half negative.
#[inline(always)]
pub(super) const fn of_sign(bits: u32, length: u32) -> i32 {
    let is_negative = (bits as i32 >> (length - 1)) - 1;
    bits as i32 + (is_negative & (1 - (1 << length)))
}

/// Whether any byte is 255.
const fn has_ff(word: u64) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    (!word).wrapping_sub(ONES) & word & (ONES << 7) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_of_ones_is_found_anywhere() {
        for at in 0..8 {
            assert!(has_ff(0xff << (8 * at)), "byte {at}");
            assert!(has_ff(u64::MAX ^ (1 << (8 * at))), "all but byte {at}");
        }
        assert!(!has_ff(0) && !has_ff(0xfefe_fefe_fefe_fefe) && !has_ff(0x0f00_f00f_f00f_f00f));
    }

    #[test]
    fn bits_come_in_order_without_the_stuffing() {
        let bytes: Vec<u8> =
            (0..200u8).flat_map(|i| if i % 9 == 0 { vec![0xff, 0] } else { vec![i] }).chain([0xff, 0xd9]).collect();
        let expected: Vec<u8> = (0..200u8).map(|i| if i % 9 == 0 { 0xff } else { i }).collect();
        let bit = |at: usize| u64::from(expected[at / 8] >> (7 - at % 8) & 1);
        let mut bits = Bits::new(&bytes, 0);
        let mut at = 0;
        for count in (0..=64).cycle().take(70) {
            if at + count > 8 * expected.len() {
                break;
            }
            let meant = (at..at + count).fold(0, |row, at| row << 1 | bit(at));
            let row = bits.take_row(count as u32);
            assert_eq!(if count == 0 { 0 } else { row >> (64 - count) }, meant, "{count} bits at {at}");
            at += count;
        }
        while at < 8 * expected.len() {
            bits.fill();
            assert_eq!(u64::from(bits.take(1)), bit(at));
            at += 1;
        }
        assert_eq!(bits.end().map(|end| (end.at, end.has_unused_bytes)), Ok((bytes.len() - 2, false)));
        assert!(!bits.is_overrun());
        bits.take_row(1);
        assert!(bits.is_overrun() && bits.end().is_err_and(|damage| damage == Damage::EndsEarly));
    }

    #[test]
    fn numbers_have_their_signs() {
        let read = |text: u8, length: u32| {
            let bytes = [text << (8 - length), 0, 0, 0];
            let mut bits = Bits::new(&bytes, 0);
            bits.fill();
            signed(&mut bits, length)
        };
        assert_eq!([read(0b0, 1), read(0b1, 1)], [-1, 1]);
        assert_eq!([read(0b00, 2), read(0b01, 2), read(0b10, 2), read(0b11, 2)], [-3, -2, 2, 3]);
        assert_eq!([read(0b0000, 4), read(0b0111, 4), read(0b1000, 4)], [-15, -8, 8]);
    }
}
