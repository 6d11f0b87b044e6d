//! What the next bits of a sequential scan's block say: one or two coefficients at once, or several that are not shown.

use super::Unusual;
use super::bits::Bits;
use super::blocks::{of_sign, signed};
use super::huffman::Huffman;
use super::transform::Batch;

/// So many bits are looked at for one or two coefficients that are shown.
const SHOWN_BITS: u32 = 11;
/// So many are looked at for several that are not.
const PASSED_BITS: u32 = 12;
/// So often can be looked before there may be too few bits.
const LOOKS: u32 = 56 / PASSED_BITS;
/// Added to the places of what ends its block.
const ENDS: usize = 128;
/// Places of a block.
const PLACES: usize = 64;

/// The table of a component's AC coefficients.
pub(super) struct Lookahead {
    /// Two coefficients at most.
    shown: [Shown; 1 << SHOWN_BITS],
    /// As many as there are.
    passed: [Seen; 1 << PASSED_BITS],
    codes: Huffman,
}

/// One coefficient or two that were seen whole.
#[derive(Clone, Copy)]
struct Shown {
    first: i16,
    /// The first once more where there is no other.
    last: i16,
    /// Places to the first.
    steps_to_first: u8,
    seen: Seen,
}

/// What was seen whole.
#[derive(Clone, Copy)]
struct Seen {
    /// Bits of all codes and coefficients.
    bits: u8,
    /// How many places it goes on, the last being that of the last coefficient; [`ENDS`] more where the block ends behind
    /// it. More than a block has where nothing was seen whole.
    steps: u8,
}

impl Seen {
    /// The end of the block alone: a place on is nothing but the zero that it stands for.
    const END_STEPS: usize = ENDS + 1;

    /// What these bits say, of which there are so many: at most so many coefficients, each of which is told.
    fn of(codes: &Huffman, next: u32, known: u32, most: usize, mut tell: impl FnMut(i16, u8)) -> Self {
        let next = next << (16 - known);
        let (mut bits, mut steps, mut count) = (0, 0, 0);
        while let Some((code_bits, symbol)) = codes.first(next << bits & 0xffff) {
            let length = length_of(symbol);
            let with_this = bits + code_bits + length;
            let Some(more) = steps_of(symbol).filter(|_| with_this <= known) else { break };
            if more == Self::END_STEPS {
                // Behind a coefficient it takes no place of its own.
                steps += if count == 0 { more } else { ENDS };
                bits = with_this;
                break;
            }
            if count == most || steps + more >= PLACES {
                break;
            }
            let own = (next << (bits + code_bits) & 0xffff) >> (16 - length);
            (count, steps, bits) = (count + 1, steps + more, with_this);
            tell(if length == 0 { 0 } else { of_sign(own, length) as i16 }, steps as u8);
        }
        if bits == 0 { Self { bits: 0, steps: PLACES as u8 } } else { Self { bits: bits as u8, steps: steps as u8 } }
    }
}

impl Shown {
    fn of(codes: &Huffman, next: u32) -> Self {
        let (mut first, mut last) = (None, 0);
        let seen = Seen::of(codes, next, SHOWN_BITS, 2, |value, steps| {
            first.get_or_insert((value, steps));
            last = value;
        });
        let (first, steps_to_first) = first.unwrap_or((0, 1));
        Self { first, last, steps_to_first, seen }
    }
}

impl Lookahead {
    pub(super) fn new(codes: &Huffman) -> Self {
        Self {
            shown: std::array::from_fn(|next| Shown::of(codes, next as u32)),
            passed: std::array::from_fn(|next| Seen::of(codes, next as u32, PASSED_BITS, PLACES, |_, _| {})),
            codes: codes.clone(),
        }
    }

    /// Reads the AC coefficients of a block into its lane; of those from the `K`th on, anything may be there afterwards.
    #[inline(always)]
    pub(super) fn read<const K: usize>(
        &self,
        bits: &mut Bits<'_>,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(), Unusual> {
        let mut reader = *bits;
        // The place that is read next.
        let mut at = 1;
        'looks: while at < PLACES {
            reader.fill_up();
            for _ in 0..LOOKS {
                let mut next = at;
                if at < K {
                    let shown = self.shown[reader.peek(SHOWN_BITS) as usize];
                    next += usize::from(shown.seen.steps);
                    if next % ENDS < PLACES {
                        reader.skip(shown.seen.bits.into());
                        batch[(at + usize::from(shown.steps_to_first) - 1) % PLACES][lane] = shown.first;
                        batch[(next - 1) % PLACES][lane] = shown.last;
                    }
                } else {
                    let seen = self.passed[reader.peek(PASSED_BITS) as usize];
                    next += usize::from(seen.steps);
                    if next % ENDS < PLACES {
                        reader.skip(seen.bits.into());
                    }
                }
                // The block may end in the middle of what was seen.
                if next % ENDS >= PLACES {
                    (reader, at) = self.long(reader, at, batch, lane)?;
                    continue 'looks;
                }
                at = next;
                if at >= PLACES {
                    break 'looks;
                }
            }
        }
        *bits = reader;
        if at == PLACES || at >= ENDS { Ok(()) } else { Err(Unusual) }
    }

    /// Reads a coefficient that was not seen whole; returns the bits behind it, and the place that is read next.
    #[inline(never)]
    fn long<'a>(
        &self,
        mut bits: Bits<'a>,
        mut at: usize,
        batch: &mut Batch,
        lane: usize,
    ) -> Result<(Bits<'a>, usize), Unusual> {
        bits.fill();
        let symbol = self.codes.symbol(&mut bits)?;
        let value = signed(&mut bits, length_of(symbol)) as i16;
        at += steps_of(symbol).ok_or(Unusual)?;
        if let Some(place) = batch.get_mut((at - 1) % ENDS) {
            place[lane] = value;
        }
        Ok((bits, at))
    }
}

/// Bits of the coefficient that follow its code.
const fn length_of(symbol: u8) -> u32 {
    (symbol & 15) as u32
}

/// How many places a code goes on; nothing where no sequential scan has such a code.
const fn steps_of(symbol: u8) -> Option<usize> {
    match symbol {
        0 => Some(Seen::END_STEPS),
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

    /// Codes of 2 to 16 bits: the shorter ones for what is common.
    const SYMBOLS: [u8; 12] = [0x01, 0x00, 0x02, 0x11, 0x03, 0xf0, 0x21, 0xf1, 0x05, 0x0a, 0x72, 0xfa];
    const COUNTS: [u8; 16] = [0, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1];

    /// Bits as text of a symbol and the number behind it.
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
        assert_eq!(bits.end(), Some(data.len() - 2));
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
                let value = if size == 0 { 0 } else { low + i32::from(number.unsigned_abs()) % low } * if number < 0 { -1 } else { 1 };
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
    fn a_block_that_goes_on_behind_its_end_is_unusual() {
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
