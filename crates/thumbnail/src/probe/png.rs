//! The header of a PNG: IHDR, and the positions of the other chunks; skips the image data.

use std::io;

use crc_fast::crc32_iso_hdlc;
use darkroom_codec::png::{Chunk, Next, SIGNATURE};

use super::super::error::{corrupt, refuse};
use super::super::geometry::Dimensions;
use super::super::{Refusal, RenderError, Source, colour, exif};
use crate::RefusalReason;

/// The most chunks per file: 64 MiB in the usual chunks of 8 KiB are 8,192.
const MAX_CHUNKS: usize = 65_536;
/// Bytes of a palette of 256 colours.
const MAX_PALETTE_BYTES: u64 = 3 * 256;
/// How much of `eXIf` is read: the most that an EXIF segment of a JPEG can contain.
const EXIF_BYTES: u64 = 64 << 10;
/// The most bytes that one byte of deflated data can expand to.
const MAX_INFLATION: u64 = 1032;
/// The most pixels per side.
pub(in super::super) const MAX_SIDE: u32 = 1_000_000;
/// The position of IHDR's data.
const IHDR: std::ops::Range<usize> = 16..29;

/// The header of a PNG.
#[derive(Clone, Debug)]
pub(in super::super) struct PngProbe {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) orientation: u8,
    /// Bits per sample: 1, 2, 4, 8 or 16.
    pub(in super::super) depth: u8,
    /// Samples per pixel after a palette and `tRNS` are expanded.
    pub(in super::super) channels: u8,
    pub(in super::super) has_palette: bool,
    /// The length of an invalid palette: not a multiple of three bytes, too long, or empty.
    invalid_palette: Option<u64>,
    /// Whether `tRNS` makes a colour or a palette transparent.
    pub(in super::super) has_transparent_colour: bool,
    pub(in super::super) is_interlaced: bool,
    /// The position of the first IDAT chunk, if its data is complete.
    pub(in super::super) first_data: Option<u64>,
    /// The position and length of the data of the first `iCCP` chunk, if it precedes the image data.
    pub(in super::super) profile: Option<(u64, u64)>,
    /// Whether all chunks are complete and only IEND is missing.
    pub(in super::super) lacks_end: bool,
    /// The number of chunks, counted up to one more than the limit.
    chunks: usize,
}

impl PngProbe {
    /// Reads IHDR and the heads of the other chunks.
    pub(super) fn read(source: &mut dyn Source) -> Result<Self, RenderError> {
        let mut whole = [0; 33];
        if source.read_at(0, &mut whole)? < whole.len() {
            return Err(corrupt("the file ends inside its header").into());
        }
        let mut probe = Self::read_ihdr(&whole)?;
        probe.walk(source)?;
        Ok(probe)
    }

    fn read_ihdr(whole: &[u8; 33]) -> Result<Self, Refusal> {
        let (head, crc) = whole[SIGNATURE.len()..].split_at(21);
        if !head.starts_with(b"\0\0\0\x0dIHDR") {
            return Err(corrupt("the first chunk is not IHDR"));
        }
        if crc32_iso_hdlc(&head[4..]).to_be_bytes() != crc {
            return Err(corrupt("the checksum of IHDR does not match"));
        }
        let [w0, w1, w2, w3, h0, h1, h2, h3, depth, colour, compression, filter, interlace] = whole[IHDR] else {
            return Err(corrupt("the file ends inside its header"));
        };
        let channels = match (colour, depth) {
            (0, 1 | 2 | 4 | 8 | 16) => 1,
            (2, 8 | 16) | (3, 1 | 2 | 4 | 8) => 3,
            (4, 8 | 16) => 2,
            (6, 8 | 16) => 4,
            _ => return Err(corrupt(format!("colour type {colour} with {depth} bits"))),
        };
        if compression != 0 || filter != 0 || interlace > 1 {
            return Err(corrupt("an unknown method of compression, filtering or interlacing"));
        }
        Ok(Self {
            width: u32::from_be_bytes([w0, w1, w2, w3]),
            height: u32::from_be_bytes([h0, h1, h2, h3]),
            orientation: 1,
            depth,
            channels,
            has_palette: colour == 3,
            invalid_palette: None,
            has_transparent_colour: false,
            is_interlaced: interlace == 1,
            first_data: None,
            profile: None,
            lacks_end: false,
            chunks: 1,
        })
    }

    fn walk(&mut self, source: &mut dyn Source) -> io::Result<()> {
        let mut at = IHDR.end as u64 + 4;
        let mut last_is_data = false;
        while self.chunks <= MAX_CHUNKS
            && let Next::Chunk(chunk) = Chunk::read(source, at)?
        {
            if chunk.checksum() > source.length() {
                return Ok(());
            }
            let (kind, body, length) = (chunk.kind, chunk.data(), u64::from(chunk.length));
            self.chunks += 1;
            match &kind {
                b"IEND" => return Ok(()),
                b"eXIf" => {
                    let mut data = vec![0; length.min(EXIF_BYTES) as usize];
                    source.read_at(body, &mut data)?;
                    self.orientation = exif::orientation(&data);
                }
                b"iCCP" if self.first_data.is_none() => self.profile = self.profile.or(Some((body, length))),
                b"IDAT" => self.first_data = self.first_data.or(Some(at)),
                b"PLTE" if self.has_palette && !is_palette(length) => self.invalid_palette = Some(length),
                b"tRNS" => {
                    self.channels = self.channels.next_multiple_of(2);
                    self.has_transparent_colour = true;
                }
                _ => {}
            }
            last_is_data = &kind == b"IDAT";
            at = chunk.end();
        }
        self.lacks_end = last_is_data && at == source.length();
        Ok(())
    }

    /// The stored dimensions.
    pub(in super::super) const fn size(&self) -> Dimensions {
        Dimensions::new(self.width, self.height)
    }

    /// The most memory that the profile takes, based on the most that its data can expand to.
    pub(in super::super) fn profile_memory(&self) -> u64 {
        let inflated = self.profile.map_or(0, |(_, length)| length.saturating_mul(MAX_INFLATION));
        colour::memory(inflated.min(colour::MAX_PROFILE_BYTES as u64))
    }

    /// Checks the limits that apply only to PNGs.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.width.max(self.height) > MAX_SIDE {
            let detail = format!("{} x {} pixels, the limit is {MAX_SIDE} a side", self.width, self.height);
            return Err(refuse(RefusalReason::TooManyPixels, detail));
        }
        if let Some(length) = self.invalid_palette {
            return Err(corrupt(format!("a palette of {length} bytes")));
        }
        if self.chunks > MAX_CHUNKS {
            return Err(corrupt(format!("more than {MAX_CHUNKS} chunks")));
        }
        Ok(())
    }
}

const fn is_palette(length: u64) -> bool {
    length > 0 && length <= MAX_PALETTE_BYTES && length.is_multiple_of(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let named = [&kind[..], body].concat();
        [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &named, &crc32_iso_hdlc(&named).to_be_bytes()].concat()
    }

    fn ihdr(width: u32, height: u32, rest: [u8; 5]) -> Vec<u8> {
        chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &rest].concat())
    }

    fn file(chunks: &[Vec<u8>]) -> Vec<u8> {
        [SIGNATURE.to_vec(), chunks.concat()].concat()
    }

    #[test]
    fn the_checksum_is_that_of_png() {
        assert_eq!(crc32_iso_hdlc(b"IEND"), 0xae42_6082);
    }

    fn read(mut bytes: &[u8]) -> PngProbe {
        PngProbe::read(&mut bytes).unwrap()
    }

    fn refused(mut bytes: &[u8]) -> Option<RefusalReason> {
        match PngProbe::read(&mut bytes) {
            Err(RenderError::Refused(refusal)) => Some(refusal.reason),
            _ => None,
        }
    }

    #[test]
    fn the_header_is_read() {
        let bytes =
            file(&[ihdr(7, 5, [8, 3, 0, 0, 1]), chunk(b"tRNS", &[0]), chunk(b"IDAT", &[]), chunk(b"IEND", &[])]);
        let probe = read(&bytes);
        assert_eq!((probe.width, probe.height, probe.depth, probe.channels), (7, 5, 8, 4));
        assert!(probe.has_palette && probe.is_interlaced && !probe.lacks_end);
    }

    #[test]
    fn only_a_file_of_whole_chunks_lacks_just_its_end() {
        let bytes = file(&[ihdr(7, 5, [8, 0, 0, 0, 0]), chunk(b"IDAT", b"data")]);
        assert!(read(&bytes).lacks_end);
        assert!(!read(&bytes[..bytes.len() - 1]).lacks_end);
        assert!(!read(&bytes[..bytes.len() - 16]).lacks_end);
    }

    #[test]
    fn impossible_headers_are_corrupt() {
        for rest in [
            [3, 0, 0, 0, 0],
            [16, 3, 0, 0, 0],
            [4, 2, 0, 0, 0],
            [8, 5, 0, 0, 0],
            [8, 0, 1, 0, 0],
            [8, 0, 0, 1, 0],
            [8, 0, 0, 0, 2],
        ] {
            assert_eq!(refused(&file(&[ihdr(1, 1, rest)])), Some(RefusalReason::Corrupt), "{rest:?}");
        }
        let mut damaged = file(&[ihdr(1, 1, [8, 0, 0, 0, 0])]);
        damaged[18] ^= 1;
        assert_eq!(refused(&damaged), Some(RefusalReason::Corrupt));
    }

    #[test]
    fn so_much_of_exif_is_read_as_a_jpeg_could_hold() {
        const LIMIT: usize = 64 << 10;
        for (end, orientation) in [(LIMIT - 1, 6), (LIMIT, 6), (LIMIT + 1, 1)] {
            // Big-endian, with the orientation as its only entry, at the end.
            let entry = [0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0];
            let place = u32::try_from(end - entry.len()).unwrap().to_be_bytes();
            let mut exif = [&b"MM\0*"[..], &place].concat();
            exif.resize(end - entry.len(), 0);
            exif.extend(entry);
            exif.extend([0; 100]);
            let bytes = file(&[ihdr(1, 1, [8, 0, 0, 0, 0]), chunk(b"eXIf", &exif), chunk(b"IDAT", &[])]);
            assert_eq!(read(&bytes).orientation, orientation, "{end}");
        }
    }

    /// Found by fuzzing: the codec would panic.
    #[test]
    fn a_palette_has_three_bytes_for_each_of_256_colours_at_most() {
        let checked = |colour: u8, length: usize| {
            let palette = chunk(b"PLTE", &vec![7; length]);
            read(&file(&[ihdr(1, 1, [8, colour, 0, 0, 0]), palette, chunk(b"IDAT", &[])])).check()
        };
        for length in [3, 6, 765, 768] {
            assert_eq!(checked(3, length), Ok(()), "{length}");
        }
        for length in [0, 1, 2, 4, 5, 7, 767, 769, 771] {
            assert_eq!(checked(3, length), Err(corrupt(format!("a palette of {length} bytes"))));
            assert_eq!(checked(2, length), Ok(()), "a palette that is only suggested");
        }
    }

    #[test]
    fn a_flood_of_chunks_is_corrupt() {
        for (others, is_taken) in [(MAX_CHUNKS - 2, true), (MAX_CHUNKS - 1, true), (MAX_CHUNKS, false)] {
            let mut bytes = file(&[ihdr(1, 1, [8, 0, 0, 0, 0])]);
            bytes.extend(chunk(b"IDAT", &[]).repeat(others));
            let checked = read(&bytes).check().map_err(|refusal| refusal.reason);
            assert_eq!(checked, if is_taken { Ok(()) } else { Err(RefusalReason::Corrupt) }, "{others}");
        }
    }
}
