//! Decompression of zlib streams (RFC 1950, RFC 1951), optimised because a large PNG spends most of its time here.
//!
//! Damage does not take away the bytes before it: the output is all that the input defines, and no byte is made up.

mod bits;
mod code_tables;
mod entry;
mod tail;

use zlib_rs::adler32::adler32;

use crate::dispatch::dispatched;

pub(crate) use bits::Input;
use bits::{Buffer, Reader};
use code_tables::CodeTables;
pub(crate) use code_tables::{CODE_LENGTH_ORDER, LENGTH_CODES};
use entry::Entry;

/// The sliding window: this many bytes of output are kept in front of the next output.
pub(crate) const WINDOW: usize = 32 << 10;
/// The most bytes that one iteration of the loop writes: literals, and a match of 258 bytes in whole steps.
pub(crate) const MAX_STEP_BYTES: usize = LITERALS + 258 + STEP;
/// Literals per iteration: with the length code after them, they take 53 of the bits that a refill provides.
const LITERALS: usize = 3;
/// Bytes copied at once.
const STEP: usize = 16;

/// The bytes are not a valid zlib stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a zlib stream, or a damaged one")]
pub struct Invalid;

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the checksum of its output.
    Intact,
    /// With another checksum.
    WrongChecksum,
    /// Before its checksum: the input ended, or holds an impossible code.
    Damaged,
}

/// The position in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Block,
    /// In a stored block, with the number of bytes left.
    Stored(usize),
    Coded,
    Checksum,
    Ended(End),
}

impl State {
    const DAMAGED: Self = Self::Ended(End::Damaged);
}

/// Why the decompression of a block paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Input or space run low.
    Low,
    /// The block ended.
    EndOfBlock,
    /// An impossible code or distance, or the end of the input.
    Damage,
}

/// Decompresses a whole zlib stream to at most `limit` bytes.
///
/// # Errors
/// When the stream is damaged or truncated, other bytes follow it, or its output exceeds `limit` bytes.
pub fn inflated(stream: &[u8], limit: usize) -> Result<Vec<u8>, Invalid> {
    let (mut inflate, mut input) = (Inflate::new(), Input::new());
    let (mut rest, mut all, mut end) = (stream, Vec::new(), 0);
    let mut buffer = vec![0; 2 * WINDOW + MAX_STEP_BYTES];
    while inflate.end().is_none() {
        let kept = end - end.min(WINDOW);
        buffer.copy_within(kept..end, 0);
        end -= kept;
        while !input.is_ready() {
            if rest.is_empty() {
                input.close();
            } else {
                rest = &rest[input.feed(rest)..];
            }
        }
        let to = dispatched(
            #[inline(always)]
            || inflate.inflate(&mut input, &mut buffer, end),
        );
        if to - end > limit - all.len() {
            return Err(Invalid);
        }
        all.extend_from_slice(&buffer[end..to]);
        end = to;
    }
    let is_whole = inflate.end() == Some(End::Intact) && input.is_drained() && rest.is_empty();
    if is_whole { Ok(all) } else { Err(Invalid) }
}

/// The state of a stream's decompression.
pub(crate) struct Inflate {
    codes: Box<CodeTables>,
    state: State,
    is_last_block: bool,
    adler: u32,
}

impl Inflate {
    pub(crate) fn new() -> Self {
        Self { codes: Box::default(), state: State::Start, is_last_block: false, adler: 1 }
    }

    /// How the stream ended; `None` before its end.
    pub(crate) const fn end(&self) -> Option<End> {
        if let State::Ended(end) = self.state { Some(end) } else { None }
    }

    /// Appends decompressed bytes at `from`, until less than [`MAX_STEP_BYTES`] of space is left, the input runs low or
    /// the stream ends. The bytes before `from` are earlier output. Returns the end of the new bytes.
    #[inline(always)]
    pub(crate) fn inflate(&mut self, input: &mut Input, out: &mut [u8], from: usize) -> usize {
        let mut end = from;
        while end + MAX_STEP_BYTES <= out.len() && input.is_ready() {
            self.state = match self.state {
                State::Start => read_header(input).map_or(State::DAMAGED, |()| State::Block),
                State::Block => self.begin_block(input).unwrap_or(State::DAMAGED),
                State::Stored(0) => self.after_block(),
                State::Stored(left) => {
                    let space = left.min(out.len() - end);
                    let count = input.copy(&mut out[end..end + space]);
                    end += count;
                    if count == 0 { State::DAMAGED } else { State::Stored(left - count) }
                }
                State::Coded => {
                    let (to, pause) = self.codes.inflate(input, out, end);
                    end = to;
                    match pause {
                        Pause::Low => State::Coded,
                        Pause::EndOfBlock => self.after_block(),
                        Pause::Damage => State::DAMAGED,
                    }
                }
                State::Checksum | State::Ended(_) => break,
            };
            if input.is_overrun() {
                self.state = State::DAMAGED;
            }
        }
        self.adler = adler32(self.adler, &out[from..end]);
        if self.state == State::Checksum && input.is_ready() {
            self.state = State::Ended(self.read_checksum(input));
        }
        end
    }

    fn read_checksum(&self, input: &mut Input) -> End {
        input.align();
        let sum = u32::from_be_bytes([(); 4].map(|()| input.take(8) as u8));
        match sum == self.adler {
            _ if input.is_overrun() => End::Damaged,
            true => End::Intact,
            false => End::WrongChecksum,
        }
    }

    const fn after_block(&self) -> State {
        if self.is_last_block { State::Checksum } else { State::Block }
    }

    fn begin_block(&mut self, input: &mut Input) -> Result<State, Invalid> {
        self.is_last_block = input.take(1) == 1;
        match input.take(2) {
            0 => {
                input.align();
                let (length, complement) = (input.take(16), input.take(16));
                if length ^ complement == 0xFFFF { Ok(State::Stored(length)) } else { Err(Invalid) }
            }
            1 => self.codes.use_fixed().map(|()| State::Coded),
            2 => self.codes.read(input).map(|()| State::Coded),
            _ => Err(Invalid),
        }
    }
}

/// Reads the zlib header: deflate, a window of at most [`WINDOW`], no dictionary.
fn read_header(input: &mut Input) -> Result<(), Invalid> {
    let (method, flags) = (input.take(8), input.take(8));
    let is_deflate = method & 15 == 8 && method >> 4 <= 7;
    let is_plain = flags & 0x20 == 0 && (method << 8 | flags).is_multiple_of(31);
    if is_deflate && is_plain { Ok(()) } else { Err(Invalid) }
}

impl CodeTables {
    /// Decompresses until the end-of-block symbol, or until input or space run low. Returns the end of the output.
    #[inline(always)]
    fn inflate(&self, input: &mut Input, out: &mut [u8], from: usize) -> (usize, Pause) {
        if input.is_closed() {
            return self.inflate_tail(input, out, from);
        }
        match self.similar_lengths {
            Some(similar_lengths) => self.inflate_by(|_, word| similar_lengths.length(word), input, out, from),
            None => self.inflate_by(|entry, _| entry.total_bits(), input, out, from),
        }
    }

    #[inline(always)]
    fn inflate_by(
        &self,
        bits_of: impl Fn(Entry, u64) -> u32,
        input: &mut Input,
        out: &mut [u8],
        from: usize,
    ) -> (usize, Pause) {
        let (bytes, limit, mut bits) = input.reader();
        let full = out.len() - MAX_STEP_BYTES;
        let mut end = from;
        bits.refill(bytes);
        // Each look-up happens before the refill, so that it does not wait for it.
        let mut entry = self.length(bits.word);
        let pause = loop {
            if bits.at >= limit || end > full {
                break Pause::Low;
            }
            bits.refill(bytes);
            if entry.is_literal() {
                bits.skip(bits_of(entry, bits.word));
                out[end] = entry.literal();
                end += 1;
                entry = self.length(bits.word);
                if entry.is_literal() {
                    bits.skip(bits_of(entry, bits.word));
                    out[end] = entry.literal();
                    end += 1;
                    entry = self.length(bits.word);
                    if entry.is_literal() {
                        bits.skip(bits_of(entry, bits.word));
                        out[end] = entry.literal();
                        end += 1;
                        entry = self.length(bits.word);
                        continue;
                    }
                }
            }
            if entry.is_special() {
                if entry.is_subtable() {
                    bits.skip(entry.code_bits());
                    entry = self.subtable_length(bits.word, entry);
                }
                if entry.is_any_literal() {
                    bits.skip(entry.code_bits());
                    out[end] = entry.literal();
                    end += 1;
                    entry = self.length(bits.word);
                    continue;
                }
                if entry.is_end() {
                    bits.skip(entry.code_bits());
                    break Pause::EndOfBlock;
                }
                if entry.is_special() {
                    break Pause::Damage;
                }
            }
            let Some((length, distance)) = self.length_and_distance(entry, &mut bits, bytes) else {
                break Pause::Damage;
            };
            entry = self.length(bits.word);
            if copy_back(out, end, distance, length).is_err() {
                break Pause::Damage;
            }
            end += length;
        };
        input.advance_to(bits);
        (end, pause)
    }

    /// Reads a match whose length code has this entry. `None` for an impossible distance code.
    #[inline(always)]
    fn length_and_distance(&self, entry: Entry, bits: &mut Reader, bytes: &Buffer) -> Option<(usize, usize)> {
        let length = if entry.has_extra_bits() {
            bits.value(entry)
        } else {
            bits.skip(entry.total_bits());
            entry.value() as usize
        };
        let mut of_distance = self.distance(bits.word);
        bits.refill(bytes);
        if of_distance.is_special() {
            if !of_distance.is_subtable() {
                return None;
            }
            bits.skip(of_distance.code_bits());
            of_distance = self.subtable_distance(bits.word, of_distance);
            if of_distance.is_special() {
                return None;
            }
        }
        Some((length, bits.value(of_distance)))
    }
}

/// Copies a match from `distance` bytes before `at`. May write up to [`STEP`] additional bytes.
#[inline(always)]
fn copy_back(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Invalid> {
    let from = at.checked_sub(distance).ok_or(Invalid)?;
    if distance < STEP && distance < length {
        return repeat(out, at, distance, length);
    }
    let mut done = 0;
    loop {
        copy_step(out, from + done, at + done)?;
        done += STEP;
        if done >= length {
            return Ok(());
        }
    }
}

/// Copies a match that overlaps its own output: a few bytes, repeated.
#[inline(never)]
fn repeat(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Invalid> {
    let bytes = *out.get(at - distance..).and_then(|bytes| bytes.first_chunk::<STEP>()).ok_or(Invalid)?;
    let Some(Repeated { mask, copies, whole }) = REPEATED.get(distance) else { return Err(Invalid) };
    let step = (u128::from_le_bytes(bytes) & mask).wrapping_mul(*copies).to_le_bytes();
    let mut to = at;
    while to < at + length {
        *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Invalid)? = step;
        to += whole;
    }
    Ok(())
}

/// How to repeat the bytes of a short distance.
struct Repeated {
    /// Selects the bytes to repeat from a step.
    mask: u128,
    /// The factor that fills a step with copies of these bytes.
    copies: u128,
    /// The bytes of a step that hold whole repetitions.
    whole: usize,
}

/// By distance.
const REPEATED: [Repeated; STEP] = {
    let mut repeated = [const { Repeated { mask: 0, copies: 0, whole: STEP } }; STEP];
    let mut distance = 1;
    while distance < STEP {
        let mut at = 0;
        while at < STEP {
            repeated[distance].copies |= 1 << (8 * at);
            at += distance;
        }
        repeated[distance].mask = (1 << (8 * distance)) - 1;
        repeated[distance].whole = STEP - STEP % distance;
        distance += 1;
    }
    repeated
};

#[inline(always)]
fn copy_step(out: &mut [u8], from: usize, to: usize) -> Result<(), Invalid> {
    let step: [u8; STEP] = *out.get(from..).and_then(|bytes| bytes.first_chunk()).ok_or(Invalid)?;
    *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Invalid)? = step;
    Ok(())
}

#[cfg(test)]
mod tests;
