//! Inflating (RFC 1950, RFC 1951) as fast as a large PNG asks for, most of whose time goes here.
//!
//! Flawless streams are read. Whatever else comes is [`Unusual`], and a decoder that knows each kind of damage by its
//! name takes over.

mod bits;
mod codes;

use zlib_rs::adler32::adler32;

use crate::dispatch::dispatched;

pub(crate) use bits::Bits;
use codes::{Codes, Entry};
pub(crate) use codes::{LENGTHS, ORDER};

/// How far back a copy can reach: so many bytes of the output stay in front of what is inflated next.
pub(crate) const WINDOW: usize = 32 << 10;
/// What one turn of the loop writes at most: literals and a copy of 258 bytes in whole steps.
pub(crate) const ROOM: usize = LITERALS + 258 + STEP;
/// Literals of a turn: with a length behind them they take 53 of the bits that are there after refilling.
const LITERALS: usize = 3;
/// Bytes that are copied at once.
const STEP: usize = 16;

/// A stream that is damaged, or of a kind that is not read here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a zlib stream, or a damaged one")]
pub struct Unusual;

/// Where in the stream it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Start,
    Block,
    /// In a block that is not compressed, of which so many bytes are left.
    Stored(usize),
    Coded,
    Checksum,
    End,
}

/// Inflates a whole zlib stream of which at most `limit` bytes become.
///
/// # Errors
/// When the stream is damaged or cut, more follows behind it, or it holds more than `limit` bytes.
pub fn inflated(stream: &[u8], limit: usize) -> Result<Vec<u8>, Unusual> {
    let (mut inflate, mut input) = (Inflate::new(), Bits::new());
    let (mut rest, mut all, mut end) = (stream, Vec::new(), 0);
    let mut buffer = vec![0; 2 * WINDOW + ROOM];
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
            return Err(Unusual);
        }
        all.extend_from_slice(&buffer[end..to]);
        end = to;
    }
    if input.is_drained() && rest.is_empty() { Ok(all) } else { Err(Unusual) }
}

/// A stream that is being inflated.
pub(crate) struct Inflate {
    codes: Box<Codes>,
    place: Place,
    is_last_block: bool,
    adler: u32,
}

impl Inflate {
    pub(crate) fn new() -> Self {
        Self { codes: Box::default(), place: Place::Start, is_last_block: false, adler: 1 }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.place == Place::End
    }

    /// Inflates behind `from` until less than [`ROOM`] is left or the input runs low; what is before `from` came before.
    /// Returns where the new bytes end.
    #[inline(always)]
    pub(crate) fn inflate(&mut self, input: &mut Bits, out: &mut [u8], from: usize) -> Result<usize, Unusual> {
        let mut end = from;
        while end + ROOM <= out.len() && input.is_ready() {
            match self.place {
                Place::Start => {
                    read_header(input)?;
                    self.place = Place::Block;
                }
                Place::Block => self.place = self.begin_block(input)?,
                Place::Stored(0) => self.place = self.behind_block(),
                Place::Stored(left) => {
                    let space = left.min(out.len() - end);
                    let count = input.copy(&mut out[end..end + space])?;
                    end += count;
                    self.place = Place::Stored(left - count);
                }
                Place::Coded => {
                    let (to, has_ended) = self.codes.inflate(input, out, end)?;
                    end = to;
                    if has_ended {
                        self.place = self.behind_block();
                    }
                }
                Place::Checksum | Place::End => break,
            }
        }
        self.adler = adler32(self.adler, &out[from..end]);
        if self.place == Place::Checksum && input.is_ready() {
            input.align();
            let sum = [(); 4].map(|()| input.take(8) as u8);
            if u32::from_be_bytes(sum) != self.adler {
                return Err(Unusual);
            }
            self.place = Place::End;
        }
        Ok(end)
    }

    const fn behind_block(&self) -> Place {
        if self.is_last_block { Place::Checksum } else { Place::Block }
    }

    fn begin_block(&mut self, input: &mut Bits) -> Result<Place, Unusual> {
        self.is_last_block = input.take(1) == 1;
        match input.take(2) {
            0 => {
                input.align();
                let (length, complement) = (input.take(16), input.take(16));
                if length ^ complement == 0xFFFF { Ok(Place::Stored(length)) } else { Err(Unusual) }
            }
            1 => self.codes.fix().map(|()| Place::Coded),
            2 => self.codes.read(input).map(|()| Place::Coded),
            _ => Err(Unusual),
        }
    }
}

/// zlib's two bytes: deflate, a window of at most [`WINDOW`], no dictionary.
fn read_header(input: &mut Bits) -> Result<(), Unusual> {
    let (method, flags) = (input.take(8), input.take(8));
    let is_deflate = method & 15 == 8 && method >> 4 <= 7;
    let is_plain = flags & 0x20 == 0 && (method << 8 | flags).is_multiple_of(31);
    if is_deflate && is_plain { Ok(()) } else { Err(Unusual) }
}

impl Codes {
    /// Inflates until the block ends, which it says, or there is little input or room left.
    #[inline(always)]
    fn inflate(&self, input: &mut Bits, out: &mut [u8], from: usize) -> Result<(usize, bool), Unusual> {
        match self.alike {
            Some(alike) => self.inflate_by(|_, word| alike.length(word), input, out, from),
            None => self.inflate_by(|entry, _| entry.all_bits(), input, out, from),
        }
    }

    #[inline(always)]
    fn inflate_by(
        &self,
        bits_of: impl Fn(Entry, u64) -> u32,
        input: &mut Bits,
        out: &mut [u8],
        from: usize,
    ) -> Result<(usize, bool), Unusual> {
        let (bytes, limit, mut bits) = input.reader();
        let full = out.len() - ROOM;
        let mut end = from;
        bits.refill(bytes);
        // Each look is taken before the input is refilled, so that nothing waits for that.
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
                if entry.is_long() {
                    bits.skip(entry.bits());
                    entry = self.long_length(bits.word, entry);
                }
                if entry.is_byte() {
                    bits.skip(entry.bits());
                    out[end] = entry.literal();
                    end += 1;
                    entry = self.length(bits.word);
                    continue;
                }
                if entry.is_end() {
                    bits.skip(entry.bits());
                    break true;
                }
                if entry.is_special() {
                    return Err(Unusual);
                }
            }
            let length = if entry.is_wide() {
                bits.value(entry)
            } else {
                bits.skip(entry.all_bits());
                entry.value() as usize
            };
            let mut of_distance = self.distance(bits.word);
            bits.refill(bytes);
            if of_distance.is_special() {
                bits.skip(of_distance.bits());
                of_distance = self.long_distance(bits.word, of_distance);
                if of_distance.is_special() {
                    return Err(Unusual);
                }
            }
            let distance = bits.value(of_distance);
            entry = self.length(bits.word);
            copy_back(out, end, distance, length)?;
            end += length;
        };
        input.went_on_to(bits);
        Ok((end, has_ended))
    }
}

/// Writes again what stands `distance` bytes before `at`. May write up to [`STEP`] bytes more.
#[inline(always)]
fn copy_back(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Unusual> {
    let from = at.checked_sub(distance).ok_or(Unusual)?;
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

/// Copies what overlaps with itself: a few bytes, over and over.
#[inline(never)]
fn repeat(out: &mut [u8], at: usize, distance: usize, length: usize) -> Result<(), Unusual> {
    let bytes = *out.get(at - distance..).and_then(|bytes| bytes.first_chunk::<STEP>()).ok_or(Unusual)?;
    let Some(Repeated { mask, copies, whole }) = REPEATED.get(distance) else { return Err(Unusual) };
    let step = (u128::from_le_bytes(bytes) & mask).wrapping_mul(*copies).to_le_bytes();
    let mut to = at;
    while to < at + length {
        *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Unusual)? = step;
        to += whole;
    }
    Ok(())
}

/// How some bytes are repeated.
struct Repeated {
    /// Which of a step's bytes they are.
    mask: u128,
    /// They fill a step when they are multiplied by it.
    copies: u128,
    /// How many bytes of a step are whole repetitions.
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
fn copy_step(out: &mut [u8], from: usize, to: usize) -> Result<(), Unusual> {
    let step: [u8; STEP] = *out.get(from..).and_then(|bytes| bytes.first_chunk()).ok_or(Unusual)?;
    *out.get_mut(to..).and_then(|bytes| bytes.first_chunk_mut()).ok_or(Unusual)? = step;
    Ok(())
}

#[cfg(test)]
mod tests;
