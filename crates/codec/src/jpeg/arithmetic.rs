//! Arithmetic decoding: binary decisions with adaptive probability estimates (T.81, Annex D).

use super::damage::Damage;
use super::restarts::ScanEnd;

/// The estimate of one decision: the index of its state, and in the top bit the more probable outcome.
pub(super) type Estimate = u8;

/// The estimate that stays at one half (index 113).
const FIXED: Estimate = 113;

/// A state of the probability estimator (T.81, table D.3).
#[derive(Clone, Copy)]
struct State {
    /// The size of the less probable interval, Qe.
    less_probable: u16,
    /// The state after the less probable outcome.
    after_less: u8,
    /// The state after the more probable outcome.
    after_more: u8,
    /// 0x80 if the less probable outcome exchanges the two outcomes, otherwise 0.
    switch: u8,
}

/// The arithmetic conditioning of each table (T.81, B.2.4.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conditioning {
    /// For each DC table: the bounds `L` and `U` of a small difference.
    pub(super) dc: [(u8, u8); 16],
    /// For each AC table: `Kx`, the last of the low coefficients.
    pub(super) ac: [u8; 16],
}

impl Default for Conditioning {
    fn default() -> Self {
        Self { dc: [(0, 1); 16], ac: [5; 16] }
    }
}

impl Conditioning {
    /// Reads a DAC segment.
    pub(super) fn read(&mut self, body: &[u8]) -> Result<(), Damage> {
        let (pairs, rest) = body.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Damage::SegmentLength);
        }
        for &[table, value] in pairs {
            let number = usize::from(table & 15);
            match table >> 4 {
                0 if value & 15 <= value >> 4 => self.dc[number] = (value & 15, value >> 4),
                1 => self.ac[number] = value,
                _ => return Err(Damage::Parameter),
            }
        }
        Ok(())
    }
}

/// A decoder of arithmetic-coded data. After the end it reads zeros, because the encoder leaves trailing zeros out.
#[derive(Clone, Copy, Default)]
pub(super) struct Decoder<'a> {
    data: &'a [u8],
    /// The next unread byte.
    at: usize,
    /// The code register: below its 16 bits are `spare` bits that were read ahead.
    code: u64,
    spare: u32,
    /// The size of the current interval, at most 0x10000.
    interval: u32,
    /// Zeros read after the end, in bytes.
    padding: usize,
    /// Decisions with the fixed estimate since the end of the data was reached.
    even_decisions: usize,
}

/// The most zero bytes that an encoder may have left out at the end of a scan, apart from those for decisions with the
/// fixed estimate: four components have 294 estimates each, and in a repetitive pattern each takes up to 4 bytes to
/// converge. A flat picture of 100 megapixels needs about 80 bytes.
const MOST_PADDING: usize = 4 * 294 * 4 + 80;

impl<'a> Decoder<'a> {
    /// A decoder of the data that begins at `at`.
    pub(super) fn new(data: &'a [u8], at: usize) -> Self {
        let mut decoder = Self { data, at, code: 0, spare: 0, interval: 0x1_0000, padding: 0, even_decisions: 0 };
        decoder.code = u64::from(decoder.next_byte()) << 8 | u64::from(decoder.next_byte());
        decoder
    }

    /// Decodes one decision and adapts its estimate.
    #[inline(always)]
    pub(super) fn decide(&mut self, estimate: &mut Estimate) -> bool {
        let (index, more_probable) = (*estimate & 0x7f, *estimate & 0x80);
        let state = STATES[usize::from(index)];
        let less_probable = u32::from(state.less_probable);
        self.interval -= less_probable;
        let bound = u64::from(self.interval) << self.spare;
        // If the less probable interval is the larger one, the two are exchanged.
        let is_exchanged = self.interval < less_probable;
        let is_less_probable = if self.code >= bound {
            self.code -= bound;
            self.interval = less_probable;
            !is_exchanged
        } else if self.interval >= 0x8000 {
            return more_probable != 0;
        } else {
            is_exchanged
        };
        *estimate = if is_less_probable {
            state.after_less | (more_probable ^ state.switch)
        } else {
            state.after_more | more_probable
        };
        self.renormalise();
        (more_probable != 0) != is_less_probable
    }

    /// Decodes one decision with the fixed estimate of one half: a sign, or a bit of a DC coefficient.
    #[inline(always)]
    pub(super) fn decide_evenly(&mut self) -> bool {
        self.even_decisions += usize::from(self.padding > 0);
        let mut estimate = FIXED;
        self.decide(&mut estimate)
    }

    /// Doubles the interval until it is at least 0x8000.
    #[inline(always)]
    fn renormalise(&mut self) {
        let shift = self.interval.leading_zeros() - 16;
        if self.spare < shift {
            self.fill();
        }
        self.interval <<= shift;
        self.spare -= shift;
    }

    #[inline(never)]
    fn fill(&mut self) {
        while self.spare <= 32 {
            self.code = self.code << 8 | u64::from(self.next_byte());
            self.spare += 8;
        }
    }

    fn next_byte(&mut self) -> u8 {
        match (self.data.get(self.at), self.data.get(self.at + 1)) {
            (Some(0xff), Some(0)) => {
                self.at += 2;
                0xff
            }
            (Some(0xff) | None, _) => {
                self.padding += 1;
                0
            }
            (Some(&byte), _) => {
                self.at += 1;
                byte
            }
        }
    }

    /// Whether the zeros read after the end prove that the data was truncated.
    pub(super) fn is_overrun(&self) -> bool {
        self.used_padding() > MOST_PADDING
    }

    /// Zero bytes after the end that decisions used. Bits of fixed-estimate decisions are not counted: the last bits of
    /// any number of DC coefficients may be zero, and each takes a bit.
    fn used_padding(&self) -> usize {
        self.padding.saturating_sub(self.spare as usize / 8 + self.even_decisions / 8)
    }

    /// The end of the scan, once the last decision was decoded.
    pub(super) fn end(&self) -> Result<ScanEnd, Damage> {
        if self.is_overrun() {
            return Err(Damage::EndsEarly);
        }
        Ok(ScanEnd { at: self.at, has_unused_bytes: self.has_unused_bytes() })
    }

    /// Whether bytes were read ahead that no decision used. One may be left in the code register.
    fn has_unused_bytes(&self) -> bool {
        (self.spare as usize / 8).saturating_sub(self.padding) >= 2
    }

    /// The decoder after the restart marker, which must follow here, and the marker's number.
    pub(super) fn behind_restart(&self) -> Result<(Self, u8), Damage> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let fill = rest.iter().take_while(|&&byte| byte == 0xff).count();
        match rest.get(fill) {
            _ if self.is_overrun() => Err(Damage::EndsEarly),
            Some(marker @ 0xd0..=0xd7) if fill > 0 && !self.has_unused_bytes() => {
                Ok((Self::new(self.data, self.at + fill + 1), marker & 7))
            }
            _ => Err(Damage::MissingRestart),
        }
    }
}

const fn state(less_probable: u16, after_less: u8, after_more: u8, switches: u8) -> State {
    State { less_probable, after_less, after_more, switch: switches << 7 }
}

#[rustfmt::skip]
static STATES: [State; 128] = {
    let mut states = [state(0x5a1d, 113, 113, 0); 128];
    let known = [
        state(0x5a1d, 1, 1, 1), state(0x2586, 14, 2, 0), state(0x1114, 16, 3, 0), state(0x080b, 18, 4, 0),
        state(0x03d8, 20, 5, 0), state(0x01da, 23, 6, 0), state(0x00e5, 25, 7, 0), state(0x006f, 28, 8, 0),
        state(0x0036, 30, 9, 0), state(0x001a, 33, 10, 0), state(0x000d, 35, 11, 0), state(0x0006, 9, 12, 0),
        state(0x0003, 10, 13, 0), state(0x0001, 12, 13, 0), state(0x5a7f, 15, 15, 1), state(0x3f25, 36, 16, 0),
        state(0x2cf2, 38, 17, 0), state(0x207c, 39, 18, 0), state(0x17b9, 40, 19, 0), state(0x1182, 42, 20, 0),
        state(0x0cef, 43, 21, 0), state(0x09a1, 45, 22, 0), state(0x072f, 46, 23, 0), state(0x055c, 48, 24, 0),
        state(0x0406, 49, 25, 0), state(0x0303, 51, 26, 0), state(0x0240, 52, 27, 0), state(0x01b1, 54, 28, 0),
        state(0x0144, 56, 29, 0), state(0x00f5, 57, 30, 0), state(0x00b7, 59, 31, 0), state(0x008a, 60, 32, 0),
        state(0x0068, 62, 33, 0), state(0x004e, 63, 34, 0), state(0x003b, 32, 35, 0), state(0x002c, 33, 9, 0),
        state(0x5ae1, 37, 37, 1), state(0x484c, 64, 38, 0), state(0x3a0d, 65, 39, 0), state(0x2ef1, 67, 40, 0),
        state(0x261f, 68, 41, 0), state(0x1f33, 69, 42, 0), state(0x19a8, 70, 43, 0), state(0x1518, 72, 44, 0),
        state(0x1177, 73, 45, 0), state(0x0e74, 74, 46, 0), state(0x0bfb, 75, 47, 0), state(0x09f8, 77, 48, 0),
        state(0x0861, 78, 49, 0), state(0x0706, 79, 50, 0), state(0x05cd, 48, 51, 0), state(0x04de, 50, 52, 0),
        state(0x040f, 50, 53, 0), state(0x0363, 51, 54, 0), state(0x02d4, 52, 55, 0), state(0x025c, 53, 56, 0),
        state(0x01f8, 54, 57, 0), state(0x01a4, 55, 58, 0), state(0x0160, 56, 59, 0), state(0x0125, 57, 60, 0),
        state(0x00f6, 58, 61, 0), state(0x00cb, 59, 62, 0), state(0x00ab, 61, 63, 0), state(0x008f, 61, 32, 0),
        state(0x5b12, 65, 65, 1), state(0x4d04, 80, 66, 0), state(0x412c, 81, 67, 0), state(0x37d8, 82, 68, 0),
        state(0x2fe8, 83, 69, 0), state(0x293c, 84, 70, 0), state(0x2379, 86, 71, 0), state(0x1edf, 87, 72, 0),
        state(0x1aa9, 87, 73, 0), state(0x174e, 72, 74, 0), state(0x1424, 72, 75, 0), state(0x119c, 74, 76, 0),
        state(0x0f6b, 74, 77, 0), state(0x0d51, 75, 78, 0), state(0x0bb6, 77, 79, 0), state(0x0a40, 77, 48, 0),
        state(0x5832, 80, 81, 1), state(0x4d1c, 88, 82, 0), state(0x438e, 89, 83, 0), state(0x3bdd, 90, 84, 0),
        state(0x34ee, 91, 85, 0), state(0x2eae, 92, 86, 0), state(0x299a, 93, 87, 0), state(0x2516, 86, 71, 0),
        state(0x5570, 88, 89, 1), state(0x4ca9, 95, 90, 0), state(0x44d9, 96, 91, 0), state(0x3e22, 97, 92, 0),
        state(0x3824, 99, 93, 0), state(0x32b4, 99, 94, 0), state(0x2e17, 93, 86, 0), state(0x56a8, 95, 96, 1),
        state(0x4f46, 101, 97, 0), state(0x47e5, 102, 98, 0), state(0x41cf, 103, 99, 0), state(0x3c3d, 104, 100, 0),
        state(0x375e, 99, 93, 0), state(0x5231, 105, 102, 0), state(0x4c0f, 106, 103, 0), state(0x4639, 107, 104, 0),
        state(0x415e, 103, 99, 0), state(0x5627, 105, 106, 1), state(0x50e7, 108, 107, 0), state(0x4b85, 109, 103, 0),
        state(0x5597, 110, 109, 0), state(0x504f, 111, 107, 0), state(0x5a10, 110, 111, 1), state(0x5522, 112, 109, 0),
        state(0x59eb, 112, 111, 1),
    ];
    let mut index = 0;
    while index < known.len() {
        states[index] = known[index];
        index += 1;
    }
    states
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The test sequence of T.81, K.4.1: its code, and the bits that one estimate decodes from it.
    #[test]
    fn the_test_sequence_of_the_standard_is_decoded() {
        let code = [
            0x65, 0x5b, 0x51, 0x44, 0xf7, 0x96, 0x9d, 0x51, 0x78, 0x55, 0xbf, 0xff, 0x00, 0xfc, 0x51, 0x84, 0xc7, 0xce,
            0xf9, 0x39, 0x00, 0x28, 0x7d, 0x46, 0x70, 0x8e, 0xcb, 0xc0, 0xf6, 0xff, 0xd9,
        ];
        let bits = [
            0x00, 0x02, 0x00, 0x51, 0x00, 0x00, 0x00, 0xc0, 0x03, 0x52, 0x87, 0x2a, 0xaa, 0xaa, 0xaa, 0xaa, 0x82, 0xc0,
            0x20, 0x00, 0xfc, 0xd7, 0x9e, 0xf6, 0x74, 0xea, 0xab, 0xf7, 0x69, 0x7e, 0xe7, 0x4c_u8,
        ];
        let mut decoder = Decoder::new(&code, 0);
        let mut estimate = 0;
        for (number, byte) in bits.into_iter().enumerate() {
            let read = (0..8).fold(0, |read, _| read << 1 | u8::from(decoder.decide(&mut estimate)));
            assert_eq!(read, byte, "byte {number}");
        }
        assert_eq!(decoder.end().map(|end| end.at), Ok(code.len() - 2));
    }

    #[test]
    fn conditioning_is_read_and_checked() {
        let mut conditioning = Conditioning::default();
        assert_eq!(conditioning.read(&[0x01, 0x42, 0x12, 7]), Ok(()));
        assert_eq!((conditioning.dc[1], conditioning.ac[2]), ((2, 4), 7));
        assert_eq!(conditioning.read(&[0x01, 0x24]), Err(Damage::Parameter));
        assert_eq!(conditioning.read(&[0x21, 0x42]), Err(Damage::Parameter));
        assert_eq!(conditioning.read(&[0x01]), Err(Damage::SegmentLength));
    }

    #[test]
    fn so_much_may_be_left_out_and_no_more() {
        let mut decoder = Decoder::new(b"\xff\xd9", 0);
        for (padding, is_overrun) in [(MOST_PADDING - 1, false), (MOST_PADDING, false), (MOST_PADDING + 1, true)] {
            while decoder.used_padding() < padding {
                decoder.decide(&mut 0);
            }
            assert_eq!(decoder.is_overrun(), is_overrun, "{padding}");
        }
    }

    /// An encoder writes two bytes for any number of zero DC bits.
    #[test]
    fn even_decisions_may_be_left_out_without_limit() {
        let mut decoder = Decoder::new(b"\x4b\xc6\xff\xd9", 0);
        for _ in 0..100 * MOST_PADDING {
            assert!(!decoder.decide_evenly());
        }
        assert_eq!(decoder.end().map(|end| end.at), Ok(2));
    }
}
