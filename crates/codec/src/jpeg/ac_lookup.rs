//! Look-up tables for the AC coefficients of sequential scans: the next bits give one or two coefficients at once, or
//! skip several that the scaled picture does not use.

use super::COEFFICIENTS;
use super::bits::{Bits, of_sign, signed};
use super::damage::Damage;
use super::huffman::Huffman;
use super::transform::Batch;

/// Bits that index the table of coefficients that are kept.
const KEPT_BITS: u32 = 11;
/// Bits that index the table of coefficients that are skipped.
const SKIPPED_BITS: u32 = 12;
/// Look-ups per refill of the buffer.
const LOOKUPS: u32 = 56 / SKIPPED_BITS;
/// Added to `steps` if the block ends within an entry.
const ENDS: usize = 128;

/// The table of a component's AC coefficients.
pub(super) struct Lookahead {
    /// Up to two coefficients per entry.
    kept: [Kept; 1 << KEPT_BITS],
    /// As many coefficients per entry as fit its bits.
    skipped: [Decoded; 1 << SKIPPED_BITS],
    codes: Huffman,
}

/// One or two coefficients that fit the index completely.
#[derive(Clone, Copy)]
struct Kept {
    first: i16,
    /// The second coefficient, or the first again if there is only one.
    last: i16,
    /// The distance to the first coefficient, in zigzag order.
    steps_to_first: u8,
    decoded: Decoded,
}

/// What the index bits decode to.
#[derive(Clone, Copy)]
struct Decoded {
    /// The total length of the codes and coefficients.
    bits: u8,
    /// The distance to the last coefficient, plus [`ENDS`] if the block ends after it. Larger than a block if no
    /// coefficient fits the index.
    steps: u8,
}

impl Decoded {
    /// The steps of an EOB code without coefficients.
    const END_STEPS: usize = ENDS + 1;

    /// Decodes up to `most` coefficients from the first `known` bits and calls `report` for each.
    fn of(codes: &Huffman, next: u32, known: u32, most: usize, mut report: impl FnMut(i16, u8)) -> Self {
        let next = next << (16 - known);
        let (mut bits, mut steps, mut count) = (0, 0, 0);
        while let Some((code_bits, symbol)) = codes.first(next << bits & 0xffff) {
            let length = length_of(symbol);
            let with_this = bits + code_bits + length;
            let Some(more) = steps_of(symbol).filter(|_| with_this <= known) else { break };
            if more == Self::END_STEPS {
                // After a coefficient, EOB takes no position of its own.
                steps += if count == 0 { more } else { ENDS };
                bits = with_this;
                break;
            }
            if count == most || steps + more >= COEFFICIENTS {
                break;
            }
            let own = (next << (bits + code_bits) & 0xffff) >> (16 - length);
            (count, steps, bits) = (count + 1, steps + more, with_this);
            report(if length == 0 { 0 } else { of_sign(own, length) as i16 }, steps as u8);
        }
        if bits == 0 {
            Self { bits: 0, steps: COEFFICIENTS as u8 }
        } else {
            Self { bits: bits as u8, steps: steps as u8 }
        }
    }
}

impl Kept {
    fn of(codes: &Huffman, next: u32) -> Self {
        let (mut first, mut last) = (None, 0);
        let decoded = Decoded::of(codes, next, KEPT_BITS, 2, |value, steps| {
            first.get_or_insert((value, steps));
            last = value;
        });
        let (first, steps_to_first) = first.unwrap_or((0, 1));
        Self { first, last, steps_to_first, decoded }
    }
}

impl Lookahead {
    pub(super) fn new(codes: &Huffman) -> Self {
        Self {
            kept: std::array::from_fn(|next| Kept::of(codes, next as u32)),
            skipped: std::array::from_fn(|next| Decoded::of(codes, next as u32, SKIPPED_BITS, COEFFICIENTS, |_, _| {})),
            codes: codes.clone(),
        }
    }

    /// Reads the AC coefficients of a block into its lane. Those from the `K`th on are unspecified afterwards.
    #[inline(always)]
    pub(super) fn read<const K: usize>(
        &self,
        bits: &mut Bits<'_>,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(), Damage> {
        let mut reader = *bits;
        // The position of the next coefficient.
        let mut at = 1;
        'lookups: while at < COEFFICIENTS {
            reader.fill_up();
            for _ in 0..LOOKUPS {
                let mut next = at;
                if at < K {
                    let kept = self.kept[reader.peek(KEPT_BITS) as usize];
                    next += usize::from(kept.decoded.steps);
                    if next % ENDS < COEFFICIENTS {
                        reader.skip(kept.decoded.bits.into());
                        batch[(at + usize::from(kept.steps_to_first) - 1) % COEFFICIENTS][lane] = kept.first;
                        batch[(next - 1) % COEFFICIENTS][lane] = kept.last;
                    }
                } else {
                    let skipped = self.skipped[reader.peek(SKIPPED_BITS) as usize];
                    next += usize::from(skipped.steps);
                    if next % ENDS < COEFFICIENTS {
                        reader.skip(skipped.bits.into());
                    }
                }
                // The block may end within the entry.
                if next % ENDS >= COEFFICIENTS {
                    (reader, at) = self.long(reader, at, batch, lane)?;
                    continue 'lookups;
                }
                at = next;
                if at >= COEFFICIENTS {
                    break 'lookups;
                }
            }
        }
        *bits = reader;
        if at == COEFFICIENTS || at >= ENDS { Ok(()) } else { Err(Damage::Code) }
    }

    /// Reads a coefficient that does not fit any index; returns the remaining bits and the position after it.
    #[inline(never)]
    fn long<'a>(
        &self,
        mut bits: Bits<'a>,
        mut at: usize,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(Bits<'a>, usize), Damage> {
        bits.fill();
        let symbol = self.codes.symbol(&mut bits)?;
        let value = signed(&mut bits, length_of(symbol)) as i16;
        at += steps_of(symbol).ok_or(Damage::Code)?;
        if let Some(place) = batch.get_mut((at - 1) % ENDS) {
            place[lane] = value;
        }
        Ok((bits, at))
    }
}

/// The number of bits that follow the code of a coefficient.
const fn length_of(symbol: u8) -> u32 {
    (symbol & 15) as u32
}

/// The number of positions that a code advances; `None` if the code is invalid in a sequential scan.
const fn steps_of(symbol: u8) -> Option<usize> {
    match symbol {
        0 => Some(Decoded::END_STEPS),
        0xf0 => Some(16),
        _ if length_of(symbol) > 0 => Some((symbol >> 4) as usize + 1),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::transform::LANES;
    use super::*;

    /// Codes of 2 to 16 bits: shorter ones for frequent symbols.
    const SYMBOLS: [u8; 12] = [0x01, 0x00, 0x02, 0x11, 0x03, 0xf0, 0x21, 0xf1, 0x05, 0x0a, 0x72, 0xfa];
    const COUNTS: [u8; 16] = [0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1];

    /// The bits of a symbol and the number after it, as text.
    fn written(symbol: u8, value: i32) -> String {
        let place = SYMBOLS.iter().position(|&own| own == symbol).unwrap();
        let lengths: Vec<usize> =
            (1..=16).flat_map(|length| std::iter::repeat_n(length, COUNTS[length - 1].into())).collect();
        let code = (1..=place).fold(0_u32, |code, at| (code + 1) << (lengths[at] - lengths[at - 1]));
        let size = length_of(symbol) as usize;
        let own = if value < 0 { value + (1 << size) - 1 } else { value };
        let number = if size == 0 { String::new() } else { format!("{own:0size$b}") };
        format!("{code:0length$b}{number}", length = lengths[place])
    }

    fn bytes(bits: &str) -> Vec<u8> {
        let padded = format!("{bits}{}", "1".repeat(7));
        let whole =
            padded.as_bytes().chunks_exact(8).map(|eight| eight.iter().fold(0, |byte, bit| (byte << 1) | (bit - b'0')));
        whole.flat_map(|byte| if byte == 0xff { vec![byte, 0] } else { vec![byte] }).chain([0xff, 0xd9]).collect()
    }

    fn checked<const K: usize>(data: &[u8], blocks: &[Vec<i16>]) {
        let table = Lookahead::new(&Huffman::new(&COUNTS, &SYMBOLS).unwrap());
        let mut bits = Bits::new(data, 0);
        for meant in blocks {
            let mut batch = [[0; LANES]; 64];
            table.read::<K>(&mut bits, &mut batch, 3).unwrap();
            let read: Vec<i16> = batch.iter().map(|lanes| lanes[3]).take(K).collect();
            assert_eq!(read, meant[..K]);
            assert!(batch.iter().all(|lanes| lanes.iter().enumerate().all(|(lane, &value)| lane == 3 || value == 0)));
        }
        assert_eq!(bits.end().map(|end| end.at), Ok(data.len() - 2));
    }

    proptest! {
        #[test]
        fn blocks_are_read_as_they_were_written(chosen in prop::collection::vec((0usize..12, any::<i16>()), 0..400)) {
            let (mut text, mut blocks, mut block) = (String::new(), Vec::new(), vec![0_i16]);
            for (place, number) in chosen {
                let symbol = SYMBOLS[place];
                let size = length_of(symbol);
                let steps = if symbol == 0 { 0 } else { usize::from(symbol >> 4) + 1 };
                if block.len() + steps > 64 || (symbol == 0xf0 && block.len() + 16 > 63) {
                    continue;
                }
                let low = if size == 0 { 0 } else { 1 << (size - 1) };
                let magnitude = if size == 0 { 0 } else { low + i32::from(number.unsigned_abs()) % low };
                let value = if number < 0 { -magnitude } else { magnitude };
                text += &written(symbol, value);
                block.resize(block.len() + steps, 0);
                if steps > 0 {
                    *block.last_mut().unwrap() = value as i16;
                }
                if symbol == 0 || block.len() == 64 {
                    block.resize(64, 0);
                    blocks.push(std::mem::replace(&mut block, vec![0]));
                }
            }
            if block.len() > 1 {
                text += &written(0, 0);
                block.resize(64, 0);
                blocks.push(block);
            }
            let data = bytes(&text);
            checked::<64>(&data, &blocks);
            checked::<13>(&data, &blocks);
            checked::<5>(&data, &blocks);
            checked::<1>(&data, &blocks);
        }
    }

    #[test]
    fn a_block_that_goes_on_behind_its_end_is_refused() {
        let table = Lookahead::new(&Huffman::new(&COUNTS, &SYMBOLS).unwrap());
        for (symbols, is_fine) in
            [(vec![0xf0, 0xf0, 0xf0, 0x72, 0x72], false), (vec![0xf0, 0xf0, 0xf0, 0x72, 0x21, 0x21, 0x01], true)]
        {
            let text: String =
                symbols.iter().map(|&symbol| written(symbol, 1 << length_of(symbol).saturating_sub(1))).collect();
            let data = bytes(&text);
            let mut batch = [[0; LANES]; 64];
            assert_eq!(table.read::<64>(&mut Bits::new(&data, 0), &mut batch, 0).is_ok(), is_fine, "{text}");
            assert_eq!(table.read::<5>(&mut Bits::new(&data, 0), &mut batch, 0).is_ok(), is_fine, "{text}");
        }
    }
}
