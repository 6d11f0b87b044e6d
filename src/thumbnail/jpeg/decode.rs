//! Decoding a JPEG strictly: planes where it has them, RGB where it has not, and an error for everything damaged.

use std::borrow::Cow;

use turbojpeg::{DecompressHeader, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use super::super::colour::Conversion;
use super::super::geometry::Dimensions;
use super::super::pixels::{Channels, Pixels};
use super::super::planes::Planes;
use super::super::probe::corrupt;
use super::super::probe::jpeg::{Coding, Colours, JpegProbe};
use super::super::slot::{Slot, codec_failed};
use super::super::{RenderError, Stop};
use super::scaled::{self, Halt};

/// The marker that ends a JPEG.
const END_OF_IMAGE: [u8; 2] = [0xff, 0xd9];

/// Of a picture that comes in one scan, so many eighths are decoded here at most. Nearly every coefficient is shown then,
/// and libjpeg-turbo's assembly is faster.
const MOST_EIGHTHS: u32 = 6;

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
pub(super) fn decode(
    slot: &mut Slot,
    bytes: &[u8],
    probe: &JpegProbe,
    plan: Plan<'_>,
    stop: &Stop,
) -> Result<Decoded, RenderError> {
    let buffer = slot.buffer();
    let decompressor = slot.decompressor()?;
    let header = header(decompressor, bytes, probe)?;
    let size = Dimensions::new(probe.width, probe.height).eighths(plan.eighths);
    decompressor.set_scaling_factor(ScalingFactor::new(plan.eighths as usize, 8)).map_err(codec_failed)?;
    let subsampling = match probe.colours {
        Colours::Gray => Subsamp::Gray,
        Colours::YCbCr if !plan.as_pixels => header.subsamp,
        Colours::FourInks => return inks(decompressor, bytes, size, plan.inks),
        Colours::YCbCr | Colours::Rgb => Subsamp::Unknown,
    };
    if subsampling == Subsamp::Unknown {
        return rgb(decompressor, bytes, size);
    }
    let mut wanted = Planes::over(buffer, size, subsampling);
    if probe.coding == Coding::Sequential && plan.eighths > MOST_EIGHTHS {
        return planes(decompressor, bytes, wanted);
    }
    match flawless(bytes, plan.eighths, &mut wanted, stop) {
        Ok(lacks_end) => Ok(Decoded { picture: Picture::Planes(wanted), lacks_end }),
        Err(Halt::Stopped(stopped)) => Err(stopped.into()),
        Err(Halt::Unusual) => planes(decompressor, bytes, wanted),
    }
}

/// The header as libjpeg reads it: of the same picture as ours.
fn header(decompressor: &mut Decompressor, bytes: &[u8], probe: &JpegProbe) -> Result<DecompressHeader, RenderError> {
    match decompressor.read_header(bytes) {
        Ok(header) if (header.width, header.height) == (probe.width as usize, probe.height as usize) => Ok(header),
        // Where there is no picture, its sides are -1.
        Ok(_) | Err(turbojpeg::Error::IntegerOverflow(_)) => {
            Err(corrupt("libjpeg reads its header differently").into())
        }
        Err(error) => Err(damaged(error)),
    }
}

/// Decodes a picture that has no fault but a missing end marker, for which it returns `true`.
fn flawless(bytes: &[u8], eighths: u32, planes: &mut Planes, stop: &Stop) -> Result<bool, Halt> {
    match scaled::decode(bytes, eighths, planes, stop) {
        Err(Halt::Unusual) if !bytes.ends_with(&END_OF_IMAGE) => {
            scaled::decode(&[bytes, &END_OF_IMAGE].concat(), eighths, planes, stop).map(|()| true)
        }
        done => done.map(|()| false),
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
    let mut samples = vec![0; size.pixels() as usize * 4];
    let lacks_end =
        strictly(bytes, |bytes| decompressor.decompress(bytes, image(&mut samples, size, PixelFormat::CMYK)))?;
    to_rgb(&mut samples, conversion);
    let pixels = Pixels { size, channels: Channels::Rgb, samples };
    Ok(Decoded { picture: Picture::Pixels(pixels), lacks_end })
}

fn image(pixels: &mut [u8], size: Dimensions, format: PixelFormat) -> Image<&mut [u8]> {
    let (width, height) = (size.width as usize, size.height as usize);
    Image { pixels, width, pitch: width * format.size(), height, format }
}

/// Makes RGB of inks, piece by piece in the same place: a picture of inks is large enough already.
fn to_rgb(samples: &mut Vec<u8>, conversion: Option<&Conversion>) {
    const PIECE_BYTES: usize = 4 << 16;
    let transform = conversion.and_then(Conversion::of_inks);
    let mut end = 0;
    for at in (0..samples.len()).step_by(PIECE_BYTES) {
        let inks = &samples[at..samples.len().min(at + PIECE_BYTES)];
        let rgb = transform.as_ref().and_then(|transform| transform.rgb(inks)).unwrap_or_else(|| multiplied(inks));
        samples[end..end + rgb.len()].copy_from_slice(&rgb);
        end += rgb.len();
    }
    samples.truncate(end);
}

/// RGB of inverted inks without a profile: each ink lets through its share, black included.
fn multiplied(inks: &[u8]) -> Vec<u8> {
    let share = |ink: u8, black: u8| ((u16::from(ink) * u16::from(black) + 127) / 255) as u8;
    inks.as_chunks::<4>().0.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| share(ink, k))).collect()
}

/// Decodes with every warning an error. Two faults are put right and forgiven: a missing end marker, for which it
/// returns `true`, and padding before it. libjpeg tells only its last warning, so the file is decoded once more each
/// time, to see that there was no other.
fn strictly(bytes: &[u8], mut decode: impl FnMut(&[u8]) -> Result<(), turbojpeg::Error>) -> Result<bool, RenderError> {
    let mut file = Cow::Borrowed(bytes);
    let mut lacks_end = false;
    loop {
        let Err(error) = decode(&file) else { return Ok(lacks_end) };
        if is_end_missing(&error) && !lacks_end {
            file = Cow::Owned([bytes, &END_OF_IMAGE].concat());
            lacks_end = true;
        } else if let Some(trimmed) = without_padding(&file, &error) {
            // The decoder reads ahead by a few bytes, which it then does not count: some may be left for next time.
            file = Cow::Owned(trimmed);
        } else {
            return Err(damaged(error));
        }
    }
}

/// The file without what libjpeg found too much before the end marker, where that is one byte over and over: some
/// cameras pad their files so.
fn without_padding(bytes: &[u8], error: &turbojpeg::Error) -> Option<Vec<u8>> {
    let turbojpeg::Error::TurboJpegError(text) = error else { return None };
    let (count, marker) = text.strip_prefix("Corrupt JPEG data: ")?.split_once(" extraneous bytes before marker ")?;
    let count: usize = count.parse().ok().filter(|&count| count > 0 && marker.starts_with("0xd9"))?;
    let end = bytes.windows(2).rposition(|pair| pair == END_OF_IMAGE)?;
    let (rest, padding) = bytes[..end].split_at_checked(end.checked_sub(count)?)?;
    let is_padding = padding.iter().all(|byte| Some(byte) == padding.first());
    is_padding.then(|| [rest, &bytes[end..]].concat())
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

#[cfg(test)]
mod tests {
    use turbojpeg::{Compressor, Subsamp};

    use super::super::super::Refusal;
    use super::*;
    use crate::record::Reason;

    fn file(width: usize, height: usize) -> Vec<u8> {
        let pixels = vec![0; 3 * width * height];
        let image = Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB };
        let mut compressor = Compressor::new().unwrap();
        compressor.set_subsamp(Subsamp::Sub2x2).unwrap();
        compressor.compress_to_vec(image).unwrap()
    }

    #[test]
    fn a_header_that_libjpeg_reads_differently_is_the_files_fault() {
        let probe = JpegProbe::read(&file(16, 16)).unwrap();
        let tables = b"\xff\xd8\xff\xd9".to_vec();
        for other in [file(16, 24), file(24, 16), tables] {
            let plan = Plan { eighths: 8, as_pixels: false, inks: None };
            let decoded = decode(&mut Slot::default(), &other, &probe, plan, &Stop::default());
            let Err(RenderError::Refused(Refusal { reason: Reason::Corrupt, detail })) = decoded.map(|_| ()) else {
                panic!("not refused as corrupt")
            };
            assert!(detail.contains("differently"), "{detail}");
        }
    }
}
