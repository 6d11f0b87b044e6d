//! Huffman tables, built from the code lengths of a DHT segment.

use super::bits::{Bits, signed};
use super::damage::Damage;

/// Codes of at most this many bits are decoded with one look-up.
const QUICK_BITS: u32 = 10;

/// A Huffman table.
#[derive(Clone)]
pub(super) struct Huffman {
    /// By the next bits: the code's length in the high byte and its symbol in the low one; zero if the code is longer.
    quick: [u16; 1 << QUICK_BITS],
    /// By code length: one above its last code, shifted left to 16 bits.
    ends: [u32; 17],
    /// By code length: the index of the first symbol, minus the first code.
    starts: [i32; 17],
    symbols: [u8; 256],
}

impl Huffman {
    /// The table with these numbers of codes by length (BITS), and these symbols (HUFFVAL).
    pub(super) fn new(counts: &[u8; 16], symbols: &[u8]) -> Result<Self, Damage> {
        let mut table = Self { quick: [0; 1 << QUICK_BITS], ends: [0; 17], starts: [0; 17], symbols: [0; 256] };
        table.symbols.get_mut(..symbols.len()).ok_or(Damage::HuffmanTable)?.copy_from_slice(symbols);
        let (mut code, mut place) = (0_u32, 0_usize);
        for (length, &count) in (1..).zip(counts) {
            table.starts[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                table.enter(code, length, *symbols.get(place).ok_or(Damage::HuffmanTable)?)?;
                code += 1;
                place += 1;
            }
            table.ends[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(table)
    }

    fn enter(&mut self, code: u32, length: u32, symbol: u8) -> Result<(), Damage> {
        if code >= 1 << length {
            return Err(Damage::HuffmanTable);
        }
        if length <= QUICK_BITS {
            let span = 1 << (QUICK_BITS - length);
            let first = code as usize * span;
            self.quick[first..first + span].fill((length as u16) << 8 | u16::from(symbol));
        }
        Ok(())
    }

    /// Reads the next symbol; the buffer must hold its bits.
    #[inline(always)]
    pub(super) fn symbol(&self, bits: &mut Bits<'_>) -> Result<u8, Damage> {
        let (length, symbol) = self.first(bits.peek(16)).ok_or(Damage::Code)?;
        bits.skip(length);
        Ok(symbol)
    }

    /// Reads the DC difference from the previous block; the buffer must hold its bits.
    #[inline(always)]
    pub(super) fn difference(&self, bits: &mut Bits<'_>) -> Result<i32, Damage> {
        let length = self.symbol(bits)?;
        if length > 15 { Err(Damage::Code) } else { Ok(signed(bits, length.into())) }
    }

    /// Decodes the code at the start of 16 bits: its length and its symbol.
    #[inline(always)]
    pub(super) fn first(&self, next: u32) -> Option<(u32, u8)> {
        let entry = self.quick[(next >> (16 - QUICK_BITS)) as usize];
        if entry == 0 { self.long(next) } else { Some((u32::from(entry >> 8), entry as u8)) }
    }

    #[inline(never)]
    fn long(&self, next: u32) -> Option<(u32, u8)> {
        let length = (QUICK_BITS + 1..=16).find(|&length| next < self.ends[length as usize])?;
        let place = self.starts[length as usize] + (next >> (16 - length)) as i32;
        Some((length, *self.symbols.get(usize::try_from(place).ok()?)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_length_are_found() {
        // One code of each length from 1 to 16: 0, 10, 110, ...
        let symbols: Vec<u8> = (100..116).collect();
        let table = Huffman::new(&[1; 16], &symbols).unwrap();
        for (length, symbol) in (1_u32..).zip(&symbols) {
            let code = ((1_u32 << length) - 2) << (16 - length);
            let bytes = [(code >> 8) as u8, code as u8];
            let stuffed: Vec<u8> = bytes.iter().flat_map(|&b| if b == 0xff { vec![b, 0] } else { vec![b] }).collect();
            let mut bits = Bits::new(&stuffed, 0);
            bits.fill();
            assert_eq!(table.symbol(&mut bits), Ok(*symbol), "{length} bits");
        }
        let mut bits = Bits::new(&[0xff, 0, 0xff, 0], 0);
        bits.fill();
        assert_eq!(table.symbol(&mut bits), Err(Damage::Code));
    }

    #[test]
    fn more_codes_than_fit_are_no_table() {
        let mut counts = [0; 16];
        counts[0] = 3;
        assert!(Huffman::new(&counts, &[1, 2, 3]).is_err());
        counts[0] = 2;
        assert!(Huffman::new(&counts, &[1, 2]).is_ok());
        assert!(Huffman::new(&counts, &[1]).is_err());
    }
}
