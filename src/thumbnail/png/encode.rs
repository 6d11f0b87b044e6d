//! Encoding PNG thumbnails.

use png::{BitDepth, ColorType, Compression, Encoder, EncodingError};

use super::super::RenderError;
use super::super::pixels::{Channels, Pixels};

/// Encodes pixels with nothing in the file but the picture.
pub(super) fn pixels(pixels: &Pixels) -> Result<Vec<u8>, RenderError> {
    let mut out = Vec::new();
    write(&mut out, pixels).map_err(|error| RenderError::Internal(format!("png: {error}")))?;
    Ok(out)
}

fn write(out: &mut Vec<u8>, pixels: &Pixels) -> Result<(), EncodingError> {
    let mut encoder = Encoder::new(out, pixels.size.width, pixels.size.height);
    encoder.set_color(match pixels.channels {
        Channels::Gray => ColorType::Grayscale,
        Channels::GrayAlpha => ColorType::GrayscaleAlpha,
        Channels::Rgb => ColorType::Rgb,
        Channels::Rgba => ColorType::Rgba,
    });
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels.samples)?;
    writer.finish()
}
