//! PNG encoding of thumbnails: as gray, colour or palette, depending on the picture, with the chunks that define its
//! colours.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::Write;

use darkroom_codec::deflate::Deflate;
use darkroom_codec::png::Filters;
use png::chunk::{self, ChunkType};
use png::{BitDepth, ColorType, Compression, Encoder, EncodingError, Filter, Info, Writer};

use super::super::RenderError;
use super::super::pixels::{Channels, Pixels};
use super::colour_chunks::ColourChunks;

/// The chunk of coding-independent code points.
const CICP: ChunkType = ChunkType(*b"cICP");

/// Bytes of rows per deflate block; each block is one chunk.
const BLOCK_BYTES: usize = 128 << 10;

/// Encodes a picture. Uses a palette if the source had one and the thumbnail has few enough colours.
pub(super) fn encode(pixels: &Pixels, chunks: &ColourChunks, had_palette: bool) -> Result<Vec<u8>, RenderError> {
    let failed = |error: EncodingError| RenderError::Internal(format!("png: {error}"));
    let full = write(pixels.into(), chunks).map_err(failed)?;
    let Some(indexed) = had_palette.then(|| Picture::indexed(pixels)).flatten() else { return Ok(full) };
    let indexed = write(indexed, chunks).map_err(failed)?;
    Ok(if indexed.len() < full.len() { indexed } else { full })
}

/// The data to write.
struct Picture<'a> {
    width: u32,
    height: u32,
    color: ColorType,
    depth: BitDepth,
    samples: Cow<'a, [u8]>,
    palette: Option<Vec<u8>>,
    transparency: Option<Vec<u8>>,
}

impl<'a> From<&'a Pixels> for Picture<'a> {
    fn from(pixels: &'a Pixels) -> Self {
        let color = match pixels.channels {
            Channels::Gray => ColorType::Grayscale,
            Channels::GrayAlpha => ColorType::GrayscaleAlpha,
            Channels::Rgb => ColorType::Rgb,
            Channels::Rgba => ColorType::Rgba,
        };
        Self {
            width: pixels.size.width,
            height: pixels.size.height,
            color,
            depth: BitDepth::Eight,
            samples: Cow::Borrowed(&pixels.samples),
            palette: None,
            transparency: None,
        }
    }
}

impl Picture<'static> {
    /// The picture with a palette, unless it has more than 256 colours.
    fn indexed(pixels: &Pixels) -> Option<Self> {
        let mut palette = Palette::default();
        let indices = match pixels.channels {
            Channels::Rgb => palette.indices(pixels.samples.as_chunks::<3>().0.iter().map(|&[r, g, b]| [r, g, b, 255])),
            Channels::Rgba => palette.indices(pixels.samples.as_chunks::<4>().0.iter().copied()),
            Channels::Gray | Channels::GrayAlpha => None,
        }?;
        let (depth, bits) = match palette.colours.len() {
            0..=2 => (BitDepth::One, 1),
            3..=4 => (BitDepth::Two, 2),
            5..=16 => (BitDepth::Four, 4),
            _ => (BitDepth::Eight, 8),
        };
        let has_alpha = palette.colours.iter().any(|colour| colour[3] < 255);
        Some(Self {
            width: pixels.size.width,
            height: pixels.size.height,
            color: ColorType::Indexed,
            depth,
            samples: Cow::Owned(packed(&indices, pixels.size.width as usize, bits)),
            palette: Some(palette.colours.iter().flat_map(|&[r, g, b, _]| [r, g, b]).collect()),
            transparency: has_alpha.then(|| palette.colours.iter().map(|colour| colour[3]).collect()),
        })
    }
}

/// The colours of a picture in order of appearance.
#[derive(Default)]
struct Palette {
    colours: Vec<[u8; 4]>,
    places: HashMap<[u8; 4], u8>,
}

impl Palette {
    fn indices(&mut self, colours: impl Iterator<Item = [u8; 4]>) -> Option<Vec<u8>> {
        colours.map(|colour| self.index(colour)).collect()
    }

    fn index(&mut self, colour: [u8; 4]) -> Option<u8> {
        if let Some(place) = self.places.get(&colour) {
            return Some(*place);
        }
        let place = u8::try_from(self.colours.len()).ok()?;
        self.colours.push(colour);
        self.places.insert(colour, place);
        Some(place)
    }
}

/// Packs several indices per byte, the first in the high bits. Each row starts with a new byte.
fn packed(indices: &[u8], width: usize, bits: usize) -> Vec<u8> {
    let pack = |group: &[u8]| group.iter().enumerate().fold(0, |byte, (i, index)| byte | index << (8 - bits * (i + 1)));
    indices.chunks(width).flat_map(|row| row.chunks(8 / bits).map(pack)).collect()
}

fn write(picture: Picture<'_>, chunks: &ColourChunks) -> Result<Vec<u8>, EncodingError> {
    let mut info = Info::with_size(picture.width, picture.height);
    info.color_type = picture.color;
    info.bit_depth = picture.depth;
    info.palette = picture.palette.map(Cow::Owned);
    info.trns = picture.transparency.map(Cow::Owned);
    info.icc_profile = chunks.profile.as_deref().map(Cow::Borrowed);
    let is_indexed = picture.color == ColorType::Indexed;
    let row_bytes = info.raw_row_length() - 1;

    // Most files are less than half as large as their samples. A growing vector would exist twice while it is copied.
    let mut out = Vec::with_capacity(picture.samples.len() / 2);
    let mut encoder = Encoder::with_info(&mut out, info)?;
    encoder.set_compression(Compression::Balanced);
    encoder.set_filter(Filter::NoFilter);
    if let Some(gamma) = chunks.gamma {
        encoder.set_source_gamma(gamma);
    }
    if let Some(chromaticities) = chunks.chromaticities {
        encoder.set_source_chromaticities(chromaticities);
    }
    let mut writer = encoder.write_header()?;
    if let Some(points) = chunks.code_points {
        writer.write_chunk(CICP, &points)?;
    }
    if is_indexed {
        writer.write_image_data(&picture.samples)?;
    } else {
        write_rows(&mut writer, picture.color.samples(), &picture.samples, row_bytes)?;
    }
    writer.finish()?;
    Ok(out)
}

/// Writes the rows, filtered and compressed block by block.
fn write_rows(
    writer: &mut Writer<impl Write>,
    channels: usize,
    samples: &[u8],
    row_bytes: usize,
) -> Result<(), EncodingError> {
    let (mut filters, mut deflate) = (Filters::new(channels, row_bytes), Deflate::new());
    let block_bytes = row_bytes * (BLOCK_BYTES / row_bytes).max(1);
    let mut blocks = samples.chunks(block_bytes).peekable();
    let mut filtered = Vec::new();
    while let Some(block) = blocks.next() {
        filtered.clear();
        block.chunks_exact(row_bytes).for_each(|row| filters.append(row, &mut filtered));
        writer.write_chunk(chunk::IDAT, deflate.block(&filtered, blocks.peek().is_none()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_packed_row_by_row() {
        assert_eq!(packed(&[1, 0, 1, 0, 1, 1], 3, 1), [0b1010_0000, 0b0110_0000]);
        assert_eq!(packed(&[3, 1, 2], 3, 4), [0x31, 0x20]);
        assert_eq!(packed(&[3, 1, 2], 3, 8), [3, 1, 2]);
    }

    #[test]
    fn the_257th_colour_is_one_too_many() {
        let colours = |count: u32| (0..count).map(|i| [i as u8, (i >> 8) as u8, 0, 255]);
        assert!(Palette::default().indices(colours(256)).is_some());
        assert!(Palette::default().indices(colours(257)).is_none());
    }
}
