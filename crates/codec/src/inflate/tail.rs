//! The last bytes of the input, decompressed symbol by symbol: no symbol may extend beyond the end.

use super::bits::Input;
use super::code_tables::CodeTables;
use super::{MAX_STEP_BYTES, Pause, copy_back};

/// What a literal/length code stands for, with the distance code after it.
enum Symbol {
    Literal(u8),
    Match { length: usize, distance: usize },
    EndOfBlock,
}

impl CodeTables {
    /// Decompresses until the end of the block or of the input, or until space runs low. Returns the end of the output.
    #[inline(never)]
    pub(super) fn inflate_tail(&self, input: &mut Input, out: &mut [u8], from: usize) -> (usize, Pause) {
        let mut end = from;
        while end + MAX_STEP_BYTES <= out.len() {
            match self.symbol(input).filter(|_| !input.is_overrun()) {
                Some(Symbol::Literal(byte)) => {
                    out[end] = byte;
                    end += 1;
                }
                Some(Symbol::Match { length, distance }) if copy_back(out, end, distance, length).is_ok() => {
                    end += length;
                }
                Some(Symbol::EndOfBlock) => return (end, Pause::EndOfBlock),
                Some(Symbol::Match { .. }) | None => return (end, Pause::Damage),
            }
        }
        (end, Pause::Low)
    }

    /// Reads the next symbol; `None` for an impossible code.
    fn symbol(&self, input: &mut Input) -> Option<Symbol> {
        let (bytes, _, mut bits) = input.reader();
        bits.refill(bytes);
        let mut entry = self.length(bits.word);
        if entry.is_subtable() {
            bits.skip(entry.code_bits());
            entry = self.subtable_length(bits.word, entry);
        }
        let symbol = if entry.is_any_literal() || entry.is_end() {
            bits.skip(entry.code_bits());
            if entry.is_end() { Symbol::EndOfBlock } else { Symbol::Literal(entry.literal()) }
        } else if entry.is_special() {
            return None;
        } else {
            bits.refill(bytes);
            let (length, distance) = self.length_and_distance(entry, &mut bits, bytes)?;
            Symbol::Match { length, distance }
        };
        input.advance_to(bits);
        Some(symbol)
    }
}
