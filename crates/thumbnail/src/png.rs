//! Renders a PNG: decodes rows into strips, resizes them as they are read, turns the picture upright, and encodes it.

mod colour_chunks;
mod decode;
mod encode;
mod profile;

use darkroom_codec::png::{Error, Layout, Rows as FastRows};
use darkroom_codec::read_prefix;

use super::colour::{Colours, Space};
use super::context::{Context, Stage};
use super::geometry::Dimensions;
use super::pixels::{Channels, Pixels};
use super::probe::png::{self as probe, PngProbe};
use super::strips::{HALFWAY_BYTES, STRIP_BYTES, Shrinking};
use super::{RenderError, Source, Stopped, Thumbnail, Tolerated};

use colour_chunks::ColourChunks;
use decode::Rows;

/// The IEND chunk. It is added to a file that lacks only this chunk.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Makes the thumbnails of a PNG.
pub(super) fn render(
    context: &mut Context<'_>,
    source: &mut dyn Source,
    probe: &PngProbe,
) -> Result<Vec<Thumbnail>, RenderError> {
    if probe.lacks_end {
        context.tolerated.insert(Tolerated::MissingEnd);
    }
    let Metadata { channels, colours, chunks, is_gray_palette } = Metadata::read(source, probe)?;

    let large = context.largest(probe.size());
    let mut shrunk = match decode_fast(context, source, probe, channels, large) {
        Err(FastError::Unsupported) => decode_any(context, source, probe, channels, large)?,
        Err(FastError::Failed(error)) => return Err(error),
        Ok(shrunk) => shrunk,
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

/// The metadata in the chunks before the image data.
struct Metadata {
    channels: Channels,
    colours: Colours,
    chunks: ColourChunks,
    is_gray_palette: bool,
}

impl Metadata {
    fn read(source: &mut dyn Source, probe: &PngProbe) -> Result<Self, RenderError> {
        // Includes the head of the first IDAT chunk, at which the decoder stops.
        let bytes = read_prefix(source, probe.first_data.map_or(u64::MAX, |at| at + 8))?;
        let rows = Rows::open(&bytes, &[])?;
        let channels = rows.channels();
        let space = if channels.is_gray() { Space::Gray } else { Space::Rgb };
        let info = rows.info().clone();
        drop(bytes);
        let profile = match probe.profile {
            Some((at, length)) => profile::read(source, at, length)?,
            None => None,
        };
        let is_gray_palette = profile.is_none() && colour_chunks::is_gray_palette(&info);
        let (colours, chunks) = ColourChunks::of(&info, profile, space);
        Ok(Self { channels, colours, chunks, is_gray_palette })
    }
}

/// Why the fast reader returned no picture.
enum FastError {
    /// The fast reader cannot decode this file.
    Unsupported,
    Failed(RenderError),
}

impl From<RenderError> for FastError {
    fn from(error: RenderError) -> Self {
        Self::Failed(error)
    }
}

impl From<Stopped> for FastError {
    fn from(stopped: Stopped) -> Self {
        Self::Failed(stopped.into())
    }
}

impl From<Error> for FastError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unsupported => Self::Unsupported,
            Error::Source(error) => Self::Failed(error.into()),
        }
    }
}

/// Decodes a plain picture with the fast reader.
fn decode_fast(
    context: &mut Context<'_>,
    source: &mut dyn Source,
    probe: &PngProbe,
    channels: Channels,
    large: Dimensions,
) -> Result<Pixels, FastError> {
    let layout = layout(probe, channels).ok_or(FastError::Unsupported)?;
    let mut rows = FastRows::open(source, layout);
    let shrunk = in_strips(context, probe, channels, large, |space| rows.next(space).map_err(FastError::from))?;
    context.step(Stage::Decode, |_| rows.finish().map_err(FastError::from))?;
    Ok(shrunk)
}

/// The layout of a plain picture; `None` for any other.
fn layout(probe: &PngProbe, channels: Channels) -> Option<Layout> {
    let is_plain = probe.depth == 8
        && !probe.has_palette
        && !probe.is_interlaced
        && usize::from(probe.channels) == channels.count()
        && !probe.has_transparent_colour;
    let first_data = probe.first_data.filter(|_| is_plain)?;
    Some(Layout { width: probe.width, channels: probe.channels, first_data, lacks_end: probe.lacks_end })
}

/// Decodes any picture with the `png` crate, which also reports damage. The whole file is held in memory, because the
/// crate's errors for a damaged file depend on the pieces in which it is fed.
fn decode_any(
    context: &mut Context<'_>,
    source: &mut dyn Source,
    probe: &PngProbe,
    channels: Channels,
    large: Dimensions,
) -> Result<Pixels, RenderError> {
    let bytes = read_prefix(source, u64::MAX)?;
    let end: &[u8] = if probe.lacks_end { &END } else { &[] };
    let mut rows = Rows::open(&bytes, end)?;
    let read_again = (rows.info().size(), rows.info().interlaced, rows.channels());
    if read_again != ((probe.width, probe.height), probe.is_interlaced, channels) {
        return Err(RenderError::Unreadable("it changed while it was read".to_owned()));
    }
    let shrunk = if probe.is_interlaced {
        // The rows arrive in seven passes over the whole picture.
        let stop = context.stop;
        let decoded = context.step(Stage::Decode, |_| rows.whole(probe.size(), stop))?;
        context.step(Stage::Resize, |scratch| decoded.resized(&mut scratch.resizer, large))?
    } else {
        in_strips(context, probe, channels, large, |space| rows.next(space))?
    };
    context.step(Stage::Decode, |_| rows.finish())?;
    Ok(shrunk)
}

fn in_strips<E: From<Stopped> + From<RenderError>>(
    context: &mut Context<'_>,
    probe: &PngProbe,
    channels: Channels,
    large: Dimensions,
    mut next: impl FnMut(&mut [u8]) -> Result<(), E>,
) -> Result<Pixels, E> {
    let stop = context.stop;
    // A strip of averaged rows takes many rows of the file: check the stop at each.
    let mut next = |row: &mut [u8]| {
        stop.check()?;
        next(row)
    };
    let mut shrinking =
        Shrinking::new(probe.size(), large, channels, [context.scratch.buffer(), context.scratch.buffer()]);
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
