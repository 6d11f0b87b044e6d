//! Decoding a JPEG strictly: planes where it has them, RGB where it has not, and an error for everything damaged.

use turbojpeg::{Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use super::super::RenderError;
use super::super::colour::Conversion;
use super::super::geometry::Dimensions;
use super::super::pixels::{Channels, Pixels};
use super::super::planes::Planes;
use super::super::probe::corrupt;
use super::super::probe::jpeg::{Colours, JpegProbe};
use super::super::slot::{Slot, codec_failed};

/// The marker that ends a JPEG.
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// A decoded picture.
pub(super) enum Picture {
    Planes(Planes),
    Pixels(Pixels),
}

/// How a picture is decoded.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    /// The fraction of the stored size, in eighths.
    pub(super) eighths: u32,
    /// Whether RGB is wanted even where there are planes.
    pub(super) as_pixels: bool,
    /// What the inks of a CMYK picture are, where it says so.
    pub(super) inks: Option<&'a Conversion>,
}

/// A decoded picture, and whether its end marker was missing.
pub(super) struct Decoded {
    pub(super) picture: Picture,
    pub(super) lacks_end: bool,
}

/// Decodes a picture.
pub(super) fn decode(slot: &mut Slot, bytes: &[u8], probe: &JpegProbe, plan: Plan<'_>) -> Result<Decoded, RenderError> {
    let buffer = slot.buffer();
    let decompressor = slot.decompressor()?;
    let header = decompressor.read_header(bytes).map_err(damaged)?;
    let size = Dimensions::new(probe.width, probe.height).eighths(plan.eighths);
    decompressor.set_scaling_factor(ScalingFactor::new(plan.eighths as usize, 8)).map_err(codec_failed)?;
    match probe.colours {
        Colours::Gray => planes(decompressor, bytes, Planes::over(buffer, size, Subsamp::Gray)),
        Colours::YCbCr if header.subsamp != Subsamp::Unknown && !plan.as_pixels => {
            planes(decompressor, bytes, Planes::over(buffer, size, header.subsamp))
        }
        Colours::YCbCr | Colours::Rgb => rgb(decompressor, bytes, size),
        Colours::FourInks => inks(decompressor, bytes, size, plan.inks),
    }
}

fn planes(decompressor: &mut Decompressor, bytes: &[u8], mut planes: Planes) -> Result<Decoded, RenderError> {
    let lacks_end = strictly(bytes, |bytes| decompressor.decompress_to_yuv(bytes, planes.as_yuv_mut()))?;
    Ok(Decoded { picture: Picture::Planes(planes), lacks_end })
}

fn rgb(decompressor: &mut Decompressor, bytes: &[u8], size: Dimensions) -> Result<Decoded, RenderError> {
    let mut pixels = Pixels::blank(size, Channels::Rgb);
    let lacks_end =
        strictly(bytes, |bytes| decompressor.decompress(bytes, image(&mut pixels.samples, size, PixelFormat::RGB)))?;
    Ok(Decoded { picture: Picture::Pixels(pixels), lacks_end })
}

fn inks(
    decompressor: &mut Decompressor,
    bytes: &[u8],
    size: Dimensions,
    conversion: Option<&Conversion>,
) -> Result<Decoded, RenderError> {
    let mut inks = vec![0; size.pixels() as usize * 4];
    let lacks_end = strictly(bytes, |bytes| decompressor.decompress(bytes, image(&mut inks, size, PixelFormat::CMYK)))?;
    let converted = conversion.and_then(|conversion| {
        // Adobe's programs, and everyone after them, store inks inverted.
        let full: Vec<u8> = inks.iter().map(|ink| !ink).collect();
        conversion.inks_to_rgb(&full)
    });
    let samples = converted.unwrap_or_else(|| multiplied(&inks));
    let pixels = Pixels { size, channels: Channels::Rgb, samples };
    Ok(Decoded { picture: Picture::Pixels(pixels), lacks_end })
}

fn image(pixels: &mut [u8], size: Dimensions, format: PixelFormat) -> Image<&mut [u8]> {
    let (width, height) = (size.width as usize, size.height as usize);
    Image { pixels, width, pitch: width * format.size(), height, format }
}

/// RGB of inverted inks without a profile: each ink lets through its share, black included.
fn multiplied(inks: &[u8]) -> Vec<u8> {
    let share = |ink: u8, black: u8| ((u16::from(ink) * u16::from(black) + 127) / 255) as u8;
    inks.as_chunks::<4>().0.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| share(ink, k))).collect()
}

/// Decodes with every warning an error, a missing end marker excepted: then it returns `true`.
fn strictly(bytes: &[u8], mut decode: impl FnMut(&[u8]) -> Result<(), turbojpeg::Error>) -> Result<bool, RenderError> {
    let Err(error) = decode(bytes) else { return Ok(false) };
    if !is_end_missing(&error) {
        return Err(damaged(error));
    }
    // libjpeg tells only its last warning: with an end marker in its place the others, if any, show.
    decode(&[bytes, &END_OF_IMAGE].concat()).map_err(damaged)?;
    Ok(true)
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
