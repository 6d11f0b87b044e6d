//! Decoding a JPEG strictly: planes where it has them, RGB where it has not, and an error for everything damaged.

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use super::super::RenderError;
use super::super::geometry::Dimensions;
use super::super::pixels::{Channels, Pixels};
use super::super::planes::Planes;
use super::super::probe::corrupt;
use super::super::probe::jpeg::{Colours, JpegProbe};
use super::super::slot::{Slot, codec_failed};

/// The marker that ends a JPEG.
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// A decoded picture.
pub(super) enum Decoded {
    Planes(Planes),
    Pixels(Pixels),
}

/// Decodes at `eighths` / 8 of the stored size.
pub(super) fn decode(slot: &mut Slot, bytes: &[u8], probe: &JpegProbe, eighths: u32) -> Result<Decoded, RenderError> {
    let buffer = slot.buffer();
    let decompressor = slot.decompressor()?;
    let header = decompressor.read_header(bytes).map_err(damaged)?;
    let size = Dimensions::new(probe.width, probe.height).eighths(eighths);
    decompressor.set_scaling_factor(ScalingFactor::new(eighths as usize, 8)).map_err(codec_failed)?;
    match probe.colours {
        Colours::Gray => planes(decompressor, bytes, Planes::over(buffer, size, Subsamp::Gray)),
        Colours::YCbCr if header.subsamp != Subsamp::Unknown => {
            planes(decompressor, bytes, Planes::over(buffer, size, header.subsamp))
        }
        Colours::YCbCr | Colours::Rgb => rgb(decompressor, bytes, size),
        Colours::FourInks => Ok(Decoded::Pixels(without_inks(inks(decompressor, bytes, size)?, size))),
    }
}

fn planes(decompressor: &mut Decompressor, bytes: &[u8], mut planes: Planes) -> Result<Decoded, RenderError> {
    strictly(bytes, |bytes| decompressor.decompress_to_yuv(bytes, planes.as_yuv_mut()))?;
    Ok(Decoded::Planes(planes))
}

fn rgb(decompressor: &mut Decompressor, bytes: &[u8], size: Dimensions) -> Result<Decoded, RenderError> {
    let mut pixels = Pixels::blank(size, Channels::Rgb);
    strictly(bytes, |bytes| decompressor.decompress(bytes, image(&mut pixels.samples, size, PixelFormat::RGB)))?;
    Ok(Decoded::Pixels(pixels))
}

fn inks(decompressor: &mut Decompressor, bytes: &[u8], size: Dimensions) -> Result<Vec<u8>, RenderError> {
    let mut samples = vec![0; size.pixels() as usize * 4];
    strictly(bytes, |bytes| decompressor.decompress(bytes, image(&mut samples, size, PixelFormat::CMYK)))?;
    Ok(samples)
}

fn image(pixels: &mut [u8], size: Dimensions, format: PixelFormat) -> Image<&mut [u8]> {
    let (width, height) = (size.width as usize, size.height as usize);
    Image { pixels, width, pitch: width * format.size(), height, format }
}

/// Adobe's way, which is everyone's: inks are stored inverted, and multiplied.
fn without_inks(inks: Vec<u8>, size: Dimensions) -> Pixels {
    let multiplied = |ink: u8, black: u8| ((u16::from(ink) * u16::from(black) + 127) / 255) as u8;
    let (inks, _) = inks.as_chunks::<4>();
    let samples = inks.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| multiplied(ink, k))).collect();
    Pixels { size, channels: Channels::Rgb, samples }
}

/// Decodes with every warning an error, a missing end marker excepted.
fn strictly(bytes: &[u8], mut decode: impl FnMut(&[u8]) -> Result<(), turbojpeg::Error>) -> Result<(), RenderError> {
    let Err(error) = decode(bytes) else { return Ok(()) };
    if !is_end_missing(&error) {
        return Err(damaged(error));
    }
    // libjpeg tells only its last warning: with an end marker in its place the others, if any, show.
    decode(&[bytes, &END_OF_IMAGE].concat()).map_err(damaged)
}

fn is_end_missing(error: &turbojpeg::Error) -> bool {
    matches!(error, turbojpeg::Error::TurboJpegError(text) if text.contains("Premature end of JPEG file"))
}

/// What libjpeg-turbo cannot decode is the file's fault, unless memory ran out.
fn damaged(error: turbojpeg::Error) -> RenderError {
    let turbojpeg::Error::TurboJpegError(text) = &error else { return codec_failed(error) };
    if text.contains("nsufficient memory") || text.contains("Memory allocation failure") {
        codec_failed(error)
    } else {
        corrupt(text.to_lowercase()).into()
    }
}
