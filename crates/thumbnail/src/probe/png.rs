//! The header of a PNG: IHDR, the chunks that define the picture, and the position of the image data, which is skipped.
//!
//! A chunk counts as in Chromium: before the image data, the first of its kind, and an ancillary one only with the
//! right checksum. The chunks of an animation do not count: the static picture is shown.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;

use crc_fast::crc32_iso_hdlc;
use darkroom_codec::png::{Chunk, Next, SIGNATURE};

use super::super::error::{corrupt, refuse};
use super::super::geometry::Dimensions;
use super::super::png::colour_chunks::StoredColours;
use super::super::{Refusal, RenderError, Source, colour, exif};
use crate::{RefusalReason, Tolerated};

/// The most chunks per file: 64 MiB in the usual chunks of 8 KiB are 8,192.
const MAX_CHUNKS: usize = 65_536;
/// The most colours of a palette.
const MAX_COLOURS: u32 = 256;
/// How much of `eXIf` is read: the most that an EXIF segment of a JPEG can contain.
const EXIF_BYTES: u64 = 64 << 10;
/// The most bytes that one byte of deflated data can expand to.
const MAX_INFLATION: u64 = 1032;
/// The most pixels per side.
pub(in super::super) const MAX_SIDE: u32 = 1_000_000;
/// The position of IHDR's data.
const IHDR: std::ops::Range<usize> = 16..29;

/// The header of a PNG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct PngProbe {
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    pub(in super::super) orientation: u8,
    /// Bits per sample: 1, 2, 4, 8 or 16.
    pub(in super::super) depth: u8,
    /// Samples per pixel after a palette and `tRNS` are expanded.
    pub(in super::super) channels: u8,
    pub(in super::super) has_palette: bool,
    /// Three bytes for each colour of the palette; empty unless it is used.
    pub(in super::super) palette: Vec<u8>,
    /// `tRNS`: the transparent colour, in two bytes a sample, or the alpha of each colour of the palette.
    pub(in super::super) transparency: Option<Vec<u8>>,
    pub(in super::super) colours: StoredColours,
    pub(in super::super) is_interlaced: bool,
    /// The chunks from the first IDAT to the last, or to the end of the file if it is cut there.
    pub(in super::super) data: Option<Range<u64>>,
    /// The position and length of the data of the `iCCP` chunk.
    pub(in super::super) profile: Option<(u64, u64)>,
    pub(in super::super) tolerated: BTreeSet<Tolerated>,
    has_exif: bool,
    /// What is wrong with the chunks before the image data.
    damage: Option<String>,
    /// The number of chunks, counted up to one more than the limit.
    chunks: usize,
}

impl PngProbe {
    /// Reads IHDR and the heads of the other chunks.
    pub(in super::super) fn read(source: &mut dyn Source) -> Result<Self, RenderError> {
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
            palette: Vec::new(),
            transparency: None,
            colours: StoredColours::default(),
            is_interlaced: interlace == 1,
            data: None,
            profile: None,
            tolerated: BTreeSet::new(),
            has_exif: false,
            damage: None,
            chunks: 1,
        })
    }

    fn walk(&mut self, source: &mut dyn Source) -> io::Result<()> {
        let mut at = IHDR.end as u64 + 4;
        let mut has_end = false;
        while !has_end
            && self.chunks <= MAX_CHUNKS
            && let Next::Chunk(chunk) = Chunk::read(source, at)?
        {
            self.chunks += 1;
            match &chunk.kind {
                b"IDAT" => self.add_data(&chunk, source.length()),
                b"IEND" => {
                    has_end = true;
                    if chunk.end() < source.length() {
                        self.tolerated.insert(Tolerated::TrailingBytes);
                    }
                }
                _ if chunk.end() > source.length() => break,
                _ if self.data.is_none() => self.take(source, &chunk)?,
                // What an unknown chunk means for the data after it is unknown, too.
                _ if chunk.is_critical() => return Ok(()),
                _ => {}
            }
            at = chunk.end();
        }
        if !has_end {
            self.tolerated.insert(Tolerated::MissingEnd);
        }
        Ok(())
    }

    fn add_data(&mut self, chunk: &Chunk, length: u64) {
        let data = self.data.get_or_insert(chunk.at..chunk.at);
        if data.end != chunk.at {
            self.tolerated.insert(Tolerated::ChunkOrder);
        }
        data.end = chunk.end().min(length);
    }

    /// Processes a chunk before the image data.
    fn take(&mut self, source: &mut dyn Source, chunk: &Chunk) -> io::Result<()> {
        let counts = match &chunk.kind {
            b"PLTE" => true,
            b"tRNS" => self.transparency.is_none() && self.can_be_transparent(chunk.length),
            b"eXIf" => !self.has_exif,
            b"iCCP" => self.profile.is_none(),
            b"cICP" | b"sRGB" | b"gAMA" | b"cHRM" => chunk.length <= StoredColours::MAX_BYTES,
            _ if chunk.is_critical() => {
                self.find_damage("an unknown chunk, or a second IHDR".to_owned());
                false
            }
            _ => false,
        };
        if !counts {
            return Ok(());
        }
        if !chunk.is_intact(source)? {
            match &chunk.kind {
                b"PLTE" | b"tRNS" => self.find_damage("the checksum of PLTE or tRNS does not match".to_owned()),
                _ => drop(self.tolerated.insert(Tolerated::DamagedChunk)),
            }
            return Ok(());
        }
        match &chunk.kind {
            b"PLTE" => self.take_palette(source, chunk)?,
            b"tRNS" => {
                self.transparency = Some(data_of(source, chunk)?);
                self.channels = self.channels.next_multiple_of(2);
            }
            b"eXIf" => {
                self.has_exif = true;
                self.orientation = exif::orientation(&data_of(source, chunk)?);
            }
            b"iCCP" => self.profile = Some((chunk.data(), chunk.length.into())),
            kind => self.colours.take(*kind, &data_of(source, chunk)?),
        }
        Ok(())
    }

    /// Whether a `tRNS` chunk of this length belongs here: after the palette, if there must be one.
    fn can_be_transparent(&self, length: u32) -> bool {
        let least = match self.channels {
            _ if self.has_palette => return !self.palette.is_empty() && (1..=MAX_COLOURS).contains(&length),
            1 => 2,
            3 => 6,
            _ => return false,
        };
        (least..=MAX_COLOURS).contains(&length)
    }

    fn take_palette(&mut self, source: &mut dyn Source, chunk: &Chunk) -> io::Result<()> {
        // In a picture without indices, it is only a suggestion.
        if !self.has_palette {
            return Ok(());
        }
        if !(3..=3 * MAX_COLOURS).contains(&chunk.length) {
            self.find_damage(format!("a palette of {} bytes", chunk.length));
            return Ok(());
        }
        let mut palette = data_of(source, chunk)?;
        palette.truncate(palette.len() / 3 * 3);
        if !self.palette.is_empty() && self.palette != palette {
            self.find_damage("two palettes".to_owned());
        }
        self.palette = palette;
        Ok(())
    }

    fn find_damage(&mut self, damage: String) {
        self.damage.get_or_insert(damage);
    }

    /// Samples of a stored pixel.
    pub(in super::super) fn stored_samples(&self) -> usize {
        let added = u8::from(self.transparency.is_some());
        if self.has_palette { 1 } else { usize::from(self.channels - added) }
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
        if self.chunks > MAX_CHUNKS {
            return Err(corrupt(format!("more than {MAX_CHUNKS} chunks")));
        }
        if let Some(damage) = &self.damage {
            return Err(corrupt(damage.as_str()));
        }
        if self.data.is_none() {
            return Err(corrupt("no image data"));
        }
        if self.has_palette && self.palette.is_empty() {
            return Err(corrupt("no palette"));
        }
        Ok(())
    }
}

/// The first bytes of a chunk's data, up to [`EXIF_BYTES`].
fn data_of(source: &mut dyn Source, chunk: &Chunk) -> io::Result<Vec<u8>> {
    let mut data = vec![0; u64::from(chunk.length).min(EXIF_BYTES) as usize];
    let length = source.read_at(chunk.data(), &mut data)?;
    data.truncate(length);
    Ok(data)
}

#[cfg(test)]
mod tests;
