//! Decodes arithmetic-coded coefficients: selects the estimate of each decision (T.81, F.1.4 and G.1.3).

use super::arithmetic::{Conditioning, Decoder, Estimate};
use super::damage::Damage;
use super::frame::ScanComponent;
use super::progressive_blocks::Blocks;
use super::transform::Batch;
use super::{Band, COEFFICIENTS};

/// One above the highest bit of a magnitude.
const MAGNITUDE_END: i32 = 0x8000;
/// The first estimate of a DC difference's magnitude category, X1 (T.81, table F.4).
const DC_CATEGORY: usize = 20;
/// The same for AC coefficients up to Kx, and for those above (T.81, table F.5).
const AC_CATEGORY_LOW: usize = 189;
const AC_CATEGORY_HIGH: usize = 217;
/// The distance from the estimates of a category to those of the bits below it.
const TO_BITS: usize = 14;

/// The estimates of all tables in one scan.
#[derive(Clone)]
pub(super) struct Statistics {
    dc: Box<[[Estimate; 64]; 16]>,
    ac: Box<[[Estimate; 256]; 16]>,
    conditioning: Conditioning,
}

/// The state that is carried from block to block of one component.
#[derive(Clone, Copy)]
pub(super) struct Predictor {
    dc_table: usize,
    ac_table: usize,
    /// The last DC coefficient.
    last: i32,
    /// The first estimate of the next difference, selected by the size of the previous one.
    context: usize,
}

impl Predictor {
    pub(super) fn new(component: &ScanComponent) -> Self {
        Self { dc_table: component.dc_table.into(), ac_table: component.ac_table.into(), last: 0, context: 0 }
    }

    /// Resets the state at the start of a restart interval.
    pub(super) fn restart(&mut self) {
        (self.last, self.context) = (0, 0);
    }
}

impl Statistics {
    pub(super) fn new(conditioning: Conditioning) -> Self {
        Self { dc: Box::new([[0; 64]; 16]), ac: Box::new([[0; 256]; 16]), conditioning }
    }

    /// Resets all estimates at the start of a restart interval.
    pub(super) fn restart(&mut self) {
        *self.dc = [[0; 64]; 16];
        *self.ac = [[0; 256]; 16];
    }

    /// Decodes the DC coefficient of the next block.
    pub(super) fn dc(&mut self, decoder: &mut Decoder<'_>, predictor: &mut Predictor) -> Result<i32, Damage> {
        let estimates = &mut self.dc[predictor.dc_table % 16];
        let first = predictor.context;
        if !decoder.decide(&mut estimates[first]) {
            predictor.context = 0;
            return Ok(predictor.last);
        }
        let is_negative = decoder.decide(&mut estimates[first + 1]);
        let mut at = first + 2 + usize::from(is_negative);
        let mut magnitude = i32::from(decoder.decide(&mut estimates[at]));
        if magnitude != 0 {
            at = DC_CATEGORY;
            while decoder.decide(&mut estimates[at]) {
                magnitude <<= 1;
                at += 1;
                if magnitude == MAGNITUDE_END {
                    return Err(Damage::Code);
                }
            }
        }
        let (low, high) = self.conditioning.dc[predictor.dc_table % 16];
        let bound = |exponent: u8| (1 << exponent) >> 1;
        predictor.context = match magnitude {
            small if small < bound(low) => 0,
            large if large > bound(high) => 12 + 4 * usize::from(is_negative),
            _ => 4 + 4 * usize::from(is_negative),
        };
        let difference = 1 + bits_below(decoder, magnitude, &mut estimates[at + TO_BITS]);
        predictor.last = predictor.last.wrapping_add(if is_negative { -difference } else { difference });
        Ok(predictor.last)
    }

    /// Decodes the nonzero AC coefficients of a band, and reports each with its zigzag index.
    #[inline(always)]
    fn ac(
        &mut self,
        decoder: &mut Decoder<'_>,
        table: usize,
        (first, last): (usize, usize),
        mut report: impl FnMut(usize, i32),
    ) -> Result<(), Damage> {
        let low_coefficients = usize::from(self.conditioning.ac[table % 16]);
        let estimates = &mut self.ac[table % 16];
        let mut place = first;
        while place <= last {
            // The end of the block.
            if decoder.decide(&mut estimates[3 * (place - 1)]) {
                break;
            }
            while !decoder.decide(&mut estimates[3 * (place - 1) + 1]) {
                place += 1;
                if place > last {
                    return Err(Damage::Code);
                }
            }
            let is_negative = decoder.decide_evenly();
            let mut at = 3 * (place - 1) + 2;
            let mut magnitude = i32::from(decoder.decide(&mut estimates[at]));
            if magnitude != 0 && decoder.decide(&mut estimates[at]) {
                magnitude <<= 1;
                at = if place <= low_coefficients { AC_CATEGORY_LOW } else { AC_CATEGORY_HIGH };
                while decoder.decide(&mut estimates[at]) {
                    magnitude <<= 1;
                    at += 1;
                    if magnitude == MAGNITUDE_END {
                        return Err(Damage::Code);
                    }
                }
            }
            let value = 1 + bits_below(decoder, magnitude, &mut estimates[at + TO_BITS]);
            report(place, if is_negative { -value } else { value });
            place += 1;
        }
        Ok(())
    }

    /// Decodes a whole block into its lane. May skip coefficients from the `K`th on.
    pub(super) fn block<const K: usize>(
        &mut self,
        decoder: &mut Decoder<'_>,
        predictor: &mut Predictor,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(), Damage> {
        batch[0][lane] = self.dc(decoder, predictor)? as i16;
        self.ac(decoder, predictor.ac_table, (1, COEFFICIENTS - 1), |place, value| {
            if place < K {
                batch[place][lane] = value as i16;
            }
        })
    }

    /// The first scan of a band of AC coefficients in one block.
    pub(super) fn first_ac<const K: usize>(
        &mut self,
        decoder: &mut Decoder<'_>,
        table: u8,
        (blocks, block): (&mut Blocks<K>, usize),
        band: Band,
    ) -> Result<(), Damage> {
        let (nonzero, values) = (&mut blocks.nonzero[block], &mut blocks.values[block]);
        self.ac(decoder, table.into(), (band.first as usize, band.last as usize), |place, value| {
            *nonzero |= 1 << place;
            if let Some(kept) = values.get_mut(place) {
                *kept = (value << band.low) as i16;
            }
        })
    }

    /// A refinement scan of a band of AC coefficients in one block: one more bit of each, and new coefficients.
    pub(super) fn refine_ac<const K: usize>(
        &mut self,
        decoder: &mut Decoder<'_>,
        table: u8,
        (blocks, block): (&mut Blocks<K>, usize),
        band: Band,
    ) -> Result<(), Damage> {
        let estimates = &mut self.ac[usize::from(table) % 16];
        let (nonzero, values) = (&mut blocks.nonzero[block], &mut blocks.values[block]);
        let (first, last) = (band.first as usize, band.last as usize);
        // The block cannot end before the last nonzero coefficient of the earlier scans.
        let known = *nonzero & (u64::MAX >> (63 - last));
        let last_known = 63_usize.saturating_sub(known.leading_zeros() as usize);
        let mut place = first;
        while place <= last {
            if place > last_known && decoder.decide(&mut estimates[3 * (place - 1)]) {
                break;
            }
            loop {
                let at = 3 * (place - 1);
                if *nonzero >> place & 1 == 1 {
                    if decoder.decide(&mut estimates[at + 2])
                        && let Some(value) = values.get_mut(place)
                    {
                        *value = value.wrapping_add(if *value < 0 { -1 << band.low } else { 1 << band.low });
                    }
                    break;
                }
                if decoder.decide(&mut estimates[at + 1]) {
                    let sign = if decoder.decide_evenly() { -1 } else { 1 };
                    *nonzero |= 1 << place;
                    if let Some(value) = values.get_mut(place) {
                        *value = (sign << band.low) as i16;
                    }
                    break;
                }
                place += 1;
                if place > last {
                    return Err(Damage::Code);
                }
            }
            place += 1;
        }
        Ok(())
    }
}

/// Decodes the bits below the highest one of a magnitude, all with one estimate.
#[inline(always)]
fn bits_below(decoder: &mut Decoder<'_>, magnitude: i32, estimate: &mut Estimate) -> i32 {
    let (mut value, mut bit) = (magnitude, magnitude >> 1);
    while bit != 0 {
        if decoder.decide(estimate) {
            value |= bit;
        }
        bit >>= 1;
    }
    value
}
