//! JPEG encoding of thumbnails: 4:2:0 or gray, without metadata.

use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

use super::super::RenderError;
use super::super::pixels::Pixels;
use super::super::planes::Planes;
use super::super::scratch::{Scratch, codec_failed};

/// The encoder's settings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settings<'a> {
    /// 1 to 100.
    pub(super) quality: u8,
    /// Whether to optimise the Huffman tables for the picture.
    pub(super) optimize: bool,
    /// The profile to write.
    pub(super) profile: Option<&'a [u8]>,
}

/// Encodes planes without conversion.
pub(super) fn planes(scratch: &mut Scratch, planes: &Planes, settings: Settings<'_>) -> Result<Vec<u8>, RenderError> {
    let compressor = configured(scratch, settings)?;
    let encoded = compressor.compress_yuv_to_vec(planes.as_yuv()).map_err(codec_failed)?;
    Ok(with_profile(encoded, settings.profile))
}

/// Encodes RGB.
pub(super) fn pixels(scratch: &mut Scratch, pixels: &Pixels, settings: Settings<'_>) -> Result<Vec<u8>, RenderError> {
    let compressor = configured(scratch, settings)?;
    compressor.set_subsamp(Subsamp::Sub2x2).map_err(codec_failed)?;
    let (width, height) = (pixels.size.width as usize, pixels.size.height as usize);
    let image = Image { pixels: &*pixels.samples, width, pitch: 3 * width, height, format: PixelFormat::RGB };
    let encoded = compressor.compress_to_vec(image).map_err(codec_failed)?;
    Ok(with_profile(encoded, settings.profile))
}

fn configured<'a>(scratch: &'a mut Scratch, settings: Settings<'_>) -> Result<&'a mut Compressor, RenderError> {
    let compressor = scratch.compressor()?;
    compressor.set_quality(settings.quality.into()).map_err(codec_failed)?;
    compressor.set_optimize(settings.optimize).map_err(codec_failed)?;
    Ok(compressor)
}

/// Inserts a profile after the JFIF segment, where readers expect it. It fits one segment.
fn with_profile(mut encoded: Vec<u8>, profile: Option<&[u8]>) -> Vec<u8> {
    let Some(profile) = profile else { return encoded };
    let Ok(length) = u16::try_from(profile.len() + 16) else { return encoded };
    let segment = [b"\xff\xe2", &length.to_be_bytes()[..], b"ICC_PROFILE\0\x01\x01", profile].concat();
    let jfif = if encoded.get(2..4) == Some(b"\xff\xe0") {
        2 + usize::from(u16::from_be_bytes([encoded[4], encoded[5]]))
    } else {
        0
    };
    encoded.splice(2 + jfif..2 + jfif, segment);
    encoded
}
