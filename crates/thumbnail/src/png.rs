//! Renders a PNG: decodes rows into strips, resizes them as they are read, turns the picture upright, and encodes it.

pub(super) mod colour_chunks;
mod decode;
mod encode;
mod profile;

use darkroom_codec::png::Faults;

use super::colour::{Colours, Space};
use super::context::{Context, Stage};
use super::error::corrupt;
use super::geometry::Dimensions;
use super::pixels::{Channels, Pixels};
use super::probe::png::{self as probe, PngProbe};
use super::strips::{HALFWAY_BYTES, STRIP_BYTES, Shrinking};
use super::{RenderError, Source, Thumbnail, Tolerated};

use colour_chunks::ColourChunks;
use decode::Rows;

/// Makes the thumbnails of a PNG.
pub(super) fn render(
    context: &mut Context<'_>,
    source: &mut dyn Source,
    probe: &PngProbe,
) -> Result<Vec<Thumbnail>, RenderError> {
    context.tolerated.extend(&probe.tolerated);
    let profile = match probe.profile {
        Some((at, length)) => profile::read(source, at, length)?,
        None => None,
    };
    let is_gray_palette = probe.has_palette && profile.is_none() && colour_chunks::is_gray(&probe.palette);
    let channels = decode::channels(probe);
    let space = if channels.is_gray() { Space::Gray } else { Space::Rgb };
    let (colours, chunks) = ColourChunks::of(&probe.colours, profile, space);

    let large = context.largest(probe.size());
    let mut shrunk = match decode(context, source, probe, large) {
        Err(RenderError::Refused(_)) if PngProbe::read(source)? != *probe => {
            return Err(RenderError::Unreadable("it changed while it was read".to_owned()));
        }
        decoded => decoded?,
    };
    if let Colours::Converted(conversion) = &colours {
        conversion.apply(&mut shrunk);
    } else if is_gray_palette {
        shrunk = shrunk.without_colour();
    }
    let mut current = shrunk.upright(probe.orientation);
    context.cascade(probe.size().turned(probe.orientation), |context, size| {
        if current.size != size {
            current = context.step(Stage::Resize, |scratch| current.resized(&mut scratch.resizer, size))?;
        }
        context.step(Stage::Encode, |_| encode::encode(&current, &chunks, probe.has_palette))
    })
}

/// Decodes the picture and shrinks it to the largest thumbnail.
fn decode(
    context: &mut Context<'_>,
    source: &mut dyn Source,
    probe: &PngProbe,
    large: Dimensions,
) -> Result<Pixels, RenderError> {
    let chunks = probe.data.clone().ok_or_else(|| corrupt("png: no image data"))?;
    let mut rows = Rows::open(source, probe, chunks);
    let shrunk = if probe.is_interlaced {
        // The rows arrive in seven passes over the whole picture.
        let stop = context.stop;
        let decoded = context.step(Stage::Decode, |_| rows.whole(probe.size(), stop))?;
        context.step(Stage::Resize, |scratch| decoded.resized(&mut scratch.resizer, large))?
    } else {
        in_strips(context, probe, large, |row| rows.next(row))?
    };
    let Faults { wrong_crc, wrong_adler, leftovers } = context.step(Stage::Decode, |_| rows.finish_and_verify())?;
    let kinds =
        [(wrong_crc, Tolerated::WrongCrc), (wrong_adler, Tolerated::WrongAdler), (leftovers, Tolerated::LeftoverBytes)];
    context.tolerated.extend(kinds.into_iter().filter(|kind| kind.0).map(|kind| kind.1));
    Ok(shrunk)
}

fn in_strips(
    context: &mut Context<'_>,
    probe: &PngProbe,
    large: Dimensions,
    mut next: impl FnMut(&mut [u8]) -> Result<(), RenderError>,
) -> Result<Pixels, RenderError> {
    let stop = context.stop;
    // A strip of averaged rows takes many rows of the file: check the stop at each.
    let mut next = |row: &mut [u8]| {
        stop.check()?;
        next(row)
    };
    let mut shrinking = Shrinking::new(
        probe.size(),
        large,
        decode::channels(probe),
        [context.scratch.buffer(), context.scratch.buffer()],
    );
    for strip in shrinking.strips(STRIP_BYTES) {
        context.step(Stage::Decode, |_| shrinking.read(strip, &mut next))?;
        context.step(Stage::Resize, |scratch| shrinking.shrink(&mut scratch.resizer, strip))?;
    }
    let (pixels, buffers) = shrinking.finish();
    buffers.into_iter().for_each(|buffer| context.scratch.reclaim(buffer));
    Ok(pixels)
}

impl Channels {
    const fn is_gray(self) -> bool {
        matches!(self, Self::Gray | Self::GrayAlpha)
    }
}

/// Upper bound of the memory that rendering takes in addition to the largest thumbnail: a strip of rows and the rows
/// that are only reduced in height, or all rows of an interlaced file, and a second copy with premultiplied alpha.
pub(super) fn decode_bytes(probe: &PngProbe, large: Dimensions) -> u64 {
    let channels = u64::from(probe.channels);
    let row = u64::from(probe.width) * channels;
    let scale = u64::from(probe.height).div_ceil(u64::from(large.height));
    // A strip includes three pixels of the thumbnail, and one of its own, on both sides; it has no more rows than the
    // picture.
    let all = row.saturating_mul(probe.height.into());
    let strip = all.min(row.saturating_mul(8 * scale + 4).saturating_add(STRIP_BYTES as u64));
    let halfway = all.min(row.saturating_add((STRIP_BYTES + HALFWAY_BYTES) as u64));
    let copies = if channels.is_multiple_of(2) { 2 } else { 1 };
    let held = if probe.is_interlaced { all.saturating_mul(copies) } else { strip.saturating_add(halfway) };
    // A few rows are raw, inflated ahead, or in sums of squares; the thumbnail exists together with its copy and its
    // files.
    held.saturating_add(ROWS_IN_HAND * row + large.pixels() * channels * 6)
}

/// Rows held in addition to the strip, with eight bits a sample.
const ROWS_IN_HAND: u64 = 12;

/// The maximum of [`decode_bytes`] for a picture of `pixels` whose largest thumbnail has a side of `side`: RGBA,
/// interlaced. No picture is larger than the limit per side allows.
pub(super) fn max_decode_bytes(pixels: u64, side: u64) -> u64 {
    let pixels = pixels.min(u64::from(probe::MAX_SIDE).pow(2));
    let widest = u64::from(probe::MAX_SIDE).min(pixels);
    4 * (2 * pixels + ROWS_IN_HAND * widest + 6 * pixels.min(side * side))
}
