//! The way of a PNG.

mod encode;

use std::io::Cursor;

use png::{ColorType, DecodeOptions, Decoder, DecodingError, Transformations};

use super::geometry::Dimensions;
use super::pixels::{Channels, Pixels};
use super::probe::corrupt;
use super::probe::png::PngProbe;
use super::stages::{Job, Stage};
use super::{RenderError, Thumbnail};

/// The chunk that ends a PNG. A file that lacks nothing else gets it back.
const END: [u8; 12] = *b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Makes the thumbnails of a PNG.
pub(super) fn render(job: &mut Job<'_>, bytes: &[u8], probe: &PngProbe) -> Result<Vec<Thumbnail>, RenderError> {
    let stored = Dimensions::new(probe.width, probe.height);
    let large = job.largest(stored);
    let repaired = probe.lacks_end.then(|| [bytes, &END].concat());
    let bytes = repaired.as_deref().unwrap_or(bytes);
    let decoded = job.step(Stage::Decode, |_| decode(bytes, probe))?;
    let mut current = job.step(Stage::Resize, |slot| decoded.resized(&mut slot.resizer, large))?;
    current = current.upright(probe.orientation);
    job.cascade(stored.turned(probe.orientation), |job, size| {
        if current.size != size {
            current = job.step(Stage::Resize, |slot| current.resized(&mut slot.resizer, size))?;
        }
        job.step(Stage::Encode, |_| encode::pixels(&current))
    })
}

fn decode(bytes: &[u8], probe: &PngProbe) -> Result<Pixels, RenderError> {
    let mut options = DecodeOptions::default();
    options.set_ignore_adler32(false);
    options.set_ignore_text_chunk(true);
    let mut decoder = Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale => Channels::Gray,
        ColorType::GrayscaleAlpha => Channels::GrayAlpha,
        ColorType::Rgb => Channels::Rgb,
        ColorType::Rgba => Channels::Rgba,
        ColorType::Indexed => return Err(RenderError::Internal("a palette was not expanded".to_owned())),
    };
    let mut pixels = Pixels::blank(Dimensions::new(probe.width, probe.height), channels);
    reader.next_frame(&mut pixels.samples).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    Ok(pixels)
}

fn damaged(error: DecodingError) -> RenderError {
    match error {
        DecodingError::Parameter(error) => RenderError::Internal(format!("png: {error}")),
        other => corrupt(format!("png: {other}")).into(),
    }
}

/// Upper bound of the memory that rendering takes: the decoded picture, the same once more with alpha multiplied in,
/// the largest thumbnail and what resizing to it takes.
pub(super) fn decode_bytes(probe: &PngProbe) -> u64 {
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let row = u64::from(probe.width) * u64::from(probe.channels) * u64::from(probe.depth.div_ceil(8));
    pixels * u64::from(probe.channels) * 4 + 4 * row + super::FIXED_BYTES
}
