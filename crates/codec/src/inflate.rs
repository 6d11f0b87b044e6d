//! Decompression of zlib streams (RFC 1950, RFC 1951), optimised because a large PNG spends most of its time here.
//!
//! Reads only valid streams. Anything else is [`Unsupported`]; the caller then uses a decoder that reports the fault.

mod bits;
mod code_tables;
mod entry;

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

/// The stream is damaged, or of a kind that this decoder does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a zlib stream, or a damaged one")]
pub struct Unsupported;

/// The position in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Start,
    Block,
    /// In a stored block, with the number of bytes left.
    Stored(usize),
    Coded,
    Checksum,
    End,
}

/// Decompresses a whole zlib stream to at most `limit` bytes.
///
/// # Errors
/// When the stream is damaged or truncated, other bytes follow it, or its output exceeds `limit` bytes.
pub fn inflated(stream: &[u8], limit: usize) -> Result<Vec<u8>, Unsupported> {
    let (mut inflate, mut input) = (Inflate::new(), Input::new());
    let (mut rest, mut all, mut end) = (stream, Vec::new(), 0);
    let mut buffer = vec![0; 2 * WINDOW + MAX_STEP_BYTES];
    while !inflate.has_ended() {
        let kept = end - end.min(WINDOW);
        buffer.copy_within(kept..end, 0);
        end -= kept;
        while !input.is_ready() {
            if rest.is_empty() {
                input.close()?;
            } else {
                rest = &rest[input.feed(rest)..];
            }
        }
        let to = dispatched(
            #[inline(always)]
            || inflate.inflate(&mut input, &mut buffer, end),
        )?;
        if to - end > limit - all.len() {
            return Err(Unsupported);
        }
        all.extend_from_slice(&buffer[end..to]);
        end = to;
    }
    if input.is_drained() && rest.is_empty() { Ok(all) } else { Err(Unsupported) }
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

    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// Appends decompressed bytes at `from`, until less than [`MAX_STEP_BYTES`] of space is left or the input runs low.
    /// The bytes before `from` are earlier output. Returns the end of the new bytes.
    #[inline(always)]
    pub(crate) fn inflate(&mut self, input: &mut Input, out: &mut [u8], from: usize) -> Result<usize, Unsupported> {
        let mut end = from;
        while end + MAX_STEP_BYTES <= out.len() && input.is_ready() {
            match self.state {
                State::Start => {
                    read_header(input)?;
                    self.state = State::Block;
                }
                State::Block => self.state = self.begin_block(input)?,
                State::Stored(0) => self.state = self.after_block(),
                State::Stored(left) => {
                    let space = left.min(out.len() - end);
                    let count = input.copy(&mut out[end..end + space])?;
                    end += count;
                    self.state = State::Stored(left - count);
                }
                State::Coded => {
                    let (to, has_ended) = self.codes.inflate(input, out, end)?;
                    end = to;
                    if has_ended {
                        self.state = self.after_block();
                    }
                }
                State::Checksum | State::End => break,
            }
        }
        self.adler = adler32(self.adler, &out[from..end]);
        if self.state == State::Checksum && input.is_ready() {
            input.align();
            let sum = [(); 4].map(|()| input.take(8) as u8);
            if u32::from_be_bytes(sum) != self.adler {
                return Err(Unsupported);
            }
            self.state = State::End;
        }
        Ok(end)
    }

    const fn after_block(&self) -> State {
        if self.is_last_block { State::Checksum } else { State::Block }
    }

    fn begin_block(&mut self, input: &mut Input) -> Result<State, Unsupported> {
        self.is_last_block = input.take(1) == 1;
        match input.take(2) {
            0 => {
                input.align();
                let (length, complement) = (input.take(16), input.take(16));
                if length ^ complement == 0xFFFF { Ok(State::Stored(length)) } else { Err(Unsupported) }
            }
            1 => self.codes.use_fixed().map(|()| State::Coded),
            2 => self.codes.read(input).map(|()| State::Coded),
            _ => Err(Unsupported),
        }
    }
}

/// Reads the zlib header: deflate, a window of at most [`WINDOW`], no dictionary.
fn read_header(input: &mut Input) -> Result<(), Unsupported> {
    let (method, flags) = (input.take(8), input.take(8));
    let is_deflate = method & 15 == 8 && method >> 4 <= 7;
    let is_plain = flags & 0x20 == 0 && (method << 8 | flags).is_multiple_of(31);
    if is_deflate && is_plain { Ok(()) } else { Err(Unsupported) }
}

impl CodeTables {
    /// Decompresses until the end-of-block symbol, or until input or space run low.
    #[inline(always)]
    fn inflate(&self, input: &mut Input, out: &mut [u8], from: usize) -> Result<(usize, bool), Unsupported> {
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
    ) -> Result<(usize, bool), Unsupported> {
        let (bytes, limit, mut bits) = input.reader();
        let full = out.len() - MAX_STEP_BYTES;
        let mut end = from;
        bits.refill(bytes);
        // Each look-up happens before the refill, so that it does not wait for it.
        let mut entry = self.length(bits.word);
        let has_ended = loop {
            if bits.at >= limit || end > full {
                break false;
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
                    break true;
                }
                if entry.is_special() {
                    return Err(Unsupported);
                }
            }
            let (length, distance) = self.length_and_distance(entry, &mut bits, bytes)?;
            entry = self.length(bits.word);
            copy_back(out, end, distance, length)?;
            end += length;
        };
        input.advance_to(bits);
        Ok((end, has_ended))
    }

    /// Reads a match whose length code has this entry.
    #[inline(always)]
    fn length_and_distance(
        &self,
        entry: Entry,
        bits: &mut Reader,
        bytes: &Buffer,
    ) -> Result<(usize, usize), Unsupported> {
        let length = if entry.has_extra_bits() {
            bits.value(entry)
        } else {
            bits.skip(entry.total_bits());
            entry.value() as usize
        };
        let mut of_distance = self.distance(bits.word);
        bits.refill(bytes);
        if of_distance.is_special() {
            bits.skip(of_distance.code_bits());
            of_distance = self.subtable_distance(bits.word, of_distance);
            if of_distance.is_special() {
                return Err(Unsupported);
            }
        }
        Ok((length, bits.value(of_distance)))
    }
}

/// Copies a match from `distance` bytes before `at`. May write up to [`STEP`] additional bytes.
#[inline(always)]
fn copy_back(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Unsupported> {
    let from = at.checked_sub(distance).ok_or(Unsupported)?;
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
fn repeat(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Unsupported> {
    let bytes = *out.get(at - distance..).and_then(|bytes| bytes.first_chunk::<STEP>()).ok_or(Unsupported)?;
    let Some(Repeated { mask, copies, whole }) = REPEATED.get(distance) else { return Err(Unsupported) };
    let step = (u128::from_le_bytes(bytes) & mask).wrapping_mul(*copies).to_le_bytes();
    let mut to = at;
    while to < at + length {
        *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Unsupported)? = step;
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
fn copy_step(out: &mut [u8], from: usize, to: usize) -> Result<(), Unsupported> {
    let step: [u8; STEP] = *out.get(from..).and_then(|bytes| bytes.first_chunk()).ok_or(Unsupported)?;
    *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Unsupported)? = step;
    Ok(())
}

#[cfg(test)]
mod tests;
