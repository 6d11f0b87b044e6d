//! Encoding JPEG thumbnails: 4:2:0, or gray, with nothing in the file but the picture.

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::super::RenderError;
use super::super::pixels::Pixels;
use super::super::planes::Planes;
use super::super::slot::{Slot, codec_failed};

/// Encodes planes as they are.
pub(super) fn planes(slot: &mut Slot, planes: &Planes, quality: u8) -> Result<Vec<u8>, RenderError> {
    let compressor = configured(slot, quality)?;
    compressor.compress_yuv_to_vec(planes.as_yuv()).map_err(codec_failed)
}

/// Encodes RGB.
pub(super) fn pixels(slot: &mut Slot, pixels: &Pixels, quality: u8) -> Result<Vec<u8>, RenderError> {
    let compressor = configured(slot, quality)?;
    compressor.set_subsamp(Subsamp::Sub2x2).map_err(codec_failed)?;
    let (width, height) = (pixels.size.width as usize, pixels.size.height as usize);
    let image = Image { pixels: &*pixels.samples, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).map_err(codec_failed)
}

fn configured(slot: &mut Slot, quality: u8) -> Result<&mut Compressor, RenderError> {
    let compressor = slot.compressor()?;
    compressor.set_quality(quality.into()).map_err(codec_failed)?;
    Ok(compressor)
}
