//! The way of a PNG: rows are decoded into strips and resized as they come, turned upright, encoded.

mod chunks;
mod decode;
mod encode;

use super::colour::{Colours, Space};
use super::geometry::Dimensions;
use super::pixels::{Channels, Pixels};
use super::probe::png::PngProbe;
use super::stages::{Job, Stage};
use super::strips::{STRIP_BYTES, Shrinking};
use super::{RenderError, Thumbnail};

use chunks::ColourChunks;
use decode::Rows;

/// The chunk that ends a PNG. A file that lacks nothing else gets it back.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Makes the thumbnails of a PNG.
pub(super) fn render(job: &mut Job<'_>, bytes: &[u8], probe: &PngProbe) -> Result<Vec<Thumbnail>, RenderError> {
    let repaired = probe.lacks_end.then(|| [bytes, &END].concat());
    job.lacks_end |= probe.lacks_end;
    let mut rows = Rows::open(repaired.as_deref().unwrap_or(bytes))?;
    let space = if rows.channels().is_gray() { Space::Gray } else { Space::Rgb };
    let (colours, chunks) = ColourChunks::of(rows.info(), space);
    let is_gray_palette = chunks::is_gray_palette(rows.info());

    let stored = Dimensions::new(probe.width, probe.height);
    let large = job.largest(stored);
    let mut shrunk = if probe.is_interlaced {
        whole(job, &mut rows, stored, large)?
    } else {
        in_strips(job, &mut rows, stored, large)?
    };
    job.step(Stage::Decode, |_| rows.finish())?;

    if let Colours::Converted(conversion) = &colours {
        conversion.apply(&mut shrunk);
    } else if is_gray_palette {
        shrunk = shrunk.without_colour();
    }
    let mut current = shrunk.upright(probe.orientation);
    job.cascade(stored.turned(probe.orientation), |job, size| {
        if current.size != size {
            current = job.step(Stage::Resize, |slot| current.resized(&mut slot.resizer, size))?;
        }
        job.step(Stage::Encode, |_| encode::encode(&current, &chunks, probe.has_palette))
    })
}

/// An interlaced picture comes in seven passes over all of it.
fn whole(job: &mut Job<'_>, rows: &mut Rows<'_>, stored: Dimensions, large: Dimensions) -> Result<Pixels, RenderError> {
    let decoded = job.step(Stage::Decode, |_| rows.whole(stored))?;
    job.step(Stage::Resize, |slot| decoded.resized(&mut slot.resizer, large))
}

fn in_strips(
    job: &mut Job<'_>,
    rows: &mut Rows<'_>,
    stored: Dimensions,
    large: Dimensions,
) -> Result<Pixels, RenderError> {
    let mut shrinking = Shrinking::new(stored, large, rows.channels(), job.slot.buffer());
    for strip in shrinking.strips(STRIP_BYTES) {
        job.step(Stage::Decode, |_| shrinking.read(strip, |space| rows.next(space)))?;
        job.step(Stage::Resize, |slot| shrinking.shrink(&mut slot.resizer, strip))?;
    }
    let (pixels, buffer) = shrinking.finish();
    job.slot.reclaim(buffer);
    Ok(pixels)
}

impl Channels {
    const fn is_gray(self) -> bool {
        matches!(self, Self::Gray | Self::GrayAlpha)
    }
}

/// Upper bound of the memory that rendering takes beside the largest thumbnail: a strip of rows, or all of them where
/// the file is interlaced, and the same once more with alpha multiplied in.
pub(super) fn decode_bytes(probe: &PngProbe, large: Dimensions) -> u64 {
    let channels = u64::from(probe.channels);
    let row = u64::from(probe.width) * channels;
    let scale = u64::from(probe.height).div_ceil(u64::from(large.height));
    // A strip reaches three pixels of the thumbnail, and one of its own, to both sides.
    let strip = STRIP_BYTES as u64 + row * (8 * scale + 4);
    let held = if probe.is_interlaced { row * u64::from(probe.height) } else { strip };
    let copies = if channels.is_multiple_of(2) { 2 } else { 1 };
    // The codec holds three raw rows of up to 16 bits a sample; the thumbnail lives next to its copy and its files.
    let raw_row = row * u64::from(probe.depth.div_ceil(8));
    held * copies + 4 * raw_row + large.pixels() * channels * 6
}
