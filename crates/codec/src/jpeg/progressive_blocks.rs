//! The blocks of one component of a progressive picture: the coefficients that the scaled picture uses, and which
//! others are nonzero.

use super::Band;
use super::bits::{Bits, signed};
use super::damage::Damage;
use super::huffman::Huffman;

/// All blocks of a component. The first `K` coefficients of each, in zigzag order, are kept. Of the others, only
/// whether they are zero is kept, since later scans depend on it.
pub(super) struct Blocks<const K: usize> {
    /// Blocks per row.
    pub(super) stride: usize,
    /// One bit per coefficient, set if it is nonzero.
    pub(super) nonzero: Vec<u64>,
    pub(super) values: Vec<[i16; K]>,
}

impl<const K: usize> Blocks<K> {
    /// Blocks of zeros.
    pub(super) fn new(stride: usize, rows: usize) -> Self {
        Self { stride, nonzero: vec![0; stride * rows], values: vec![[0; K]; stride * rows] }
    }

    /// The first scan of a DC coefficient: the difference from the previous one, without its lowest bits.
    #[inline(always)]
    pub(super) fn first_dc(
        &mut self,
        block: usize,
        bits: &mut Bits<'_>,
        table: &Huffman,
        last: &mut i32,
        low: u32,
    ) -> Result<(), Damage> {
        bits.fill();
        *last = last.wrapping_add(table.difference(bits)?);
        self.values[block][0] = (*last << low) as i16;
        Ok(())
    }

    /// A refinement scan of a DC coefficient: one more bit.
    #[inline(always)]
    pub(super) fn refine_dc(&mut self, block: usize, bits: &mut Bits<'_>, low: u32) {
        bits.fill();
        self.values[block][0] |= (bits.take(1) << low) as i16;
    }

    /// The first scan of a band of AC coefficients in some blocks of a row.
    #[inline(always)]
    pub(super) fn first_ac(
        &mut self,
        blocks: std::ops::Range<usize>,
        bits: &mut Bits<'_>,
        table: &Huffman,
        empty: &mut u32,
        band: Band,
    ) -> Result<(), Damage> {
        let mut reader = *bits;
        let row = self.nonzero[blocks.clone()].iter_mut().zip(&mut self.values[blocks]);
        for (nonzero, values) in row {
            if *empty > 0 {
                *empty -= 1;
                continue;
            }
            let mut at = band.first;
            while at <= band.last {
                reader.fill();
                let symbol = table.symbol(&mut reader)?;
                let (run, length) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                if length > 0 {
                    at += run;
                    if at > band.last {
                        return Err(Damage::Code);
                    }
                    let value = signed(&mut reader, length);
                    *nonzero |= 1 << at;
                    if let Some(kept) = values.get_mut(at as usize) {
                        *kept = (value << band.low) as i16;
                    }
                    at += 1;
                } else if run == 15 {
                    at += 16;
                } else {
                    *empty = empty_blocks(&mut reader, run) - 1;
                    break;
                }
            }
        }
        *bits = reader;
        Ok(())
    }

    /// A refinement scan of a band of AC coefficients in some blocks of a row: one more bit of each, and new
    /// coefficients.
    #[inline(always)]
    pub(super) fn refine_ac(
        &mut self,
        blocks: std::ops::Range<usize>,
        bits: &mut Bits<'_>,
        table: &Huffman,
        empty: &mut u32,
        band: Band,
    ) -> Result<(), Damage> {
        let mut reader = *bits;
        let in_band = (u64::MAX << band.first) & (u64::MAX >> (63 - band.last));
        let row = self.nonzero[blocks.clone()].iter_mut().zip(&mut self.values[blocks]);
        for (nonzero, values) in row {
            // The coefficients of this block that are still to be read.
            let mut left = in_band;
            while *empty == 0 && left != 0 {
                reader.fill();
                let symbol = table.symbol(&mut reader)?;
                let (run, length) = (u32::from(symbol >> 4), symbol & 15);
                let mut new = 0;
                if length == 1 {
                    new = if reader.take(1) == 1 { 1 } else { -1 };
                } else if length > 1 {
                    return Err(Damage::Code);
                } else if run < 15 {
                    *empty = empty_blocks(&mut reader, run);
                    break;
                }
                // The position of the new coefficient, or of the last of 16 zeros: the zero coefficient after `run`
                // others.
                let mut zeros = left & !*nonzero;
                for _ in 0..run {
                    zeros &= zeros.wrapping_sub(1);
                }
                if zeros == 0 {
                    return Err(Damage::Code);
                }
                let place = zeros & zeros.wrapping_neg();
                correct(values, left & (place - 1) & *nonzero, &mut reader, band.low);
                left &= !(place | (place - 1));
                if new != 0 {
                    *nonzero |= place;
                    if let Some(kept) = values.get_mut(place.trailing_zeros() as usize) {
                        *kept = (new << band.low) as i16;
                    }
                }
            }
            if *empty > 0 {
                *empty -= 1;
                correct(values, left & *nonzero, &mut reader, band.low);
            }
        }
        *bits = reader;
        Ok(())
    }
}

/// Reads a correction bit for each of the coefficients, and where it is set, moves a kept coefficient away from zero.
#[inline(always)]
fn correct<const K: usize>(values: &mut [i16; K], coefficients: u64, bits: &mut Bits<'_>, low: u32) {
    let mut row = bits.take_row(coefficients.count_ones());
    let mut kept = coefficients & (u64::MAX >> (64 - K));
    while kept != 0 {
        let value = &mut values[kept.trailing_zeros() as usize % K];
        // -1 or 1.
        let sign = (*value >> 15) | 1;
        *value = value.wrapping_add((sign << low) & ((row as i64) >> 63) as i16);
        row <<= 1;
        kept &= kept - 1;
    }
}

/// Reads the length of an EOB run, this block included.
#[inline(always)]
fn empty_blocks(bits: &mut Bits<'_>, length: u32) -> u32 {
    if length == 0 { 1 } else { (1 << length) + bits.take(length) }
}
