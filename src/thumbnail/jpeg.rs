//! The way of a JPEG: decoded small by libjpeg-turbo, as planes where it has them, resized, turned upright, encoded.

mod decode;
mod encode;

use turbojpeg::Subsamp;

use super::geometry::Dimensions;
use super::pixels::Pixels;
use super::planes::Planes;
use super::probe::jpeg::{Coding, Colours, JpegProbe};
use super::stages::{Job, Stage};
use super::{RenderError, Thumbnail};

use decode::Decoded;

/// Makes the thumbnails of a JPEG.
pub(super) fn render(job: &mut Job<'_>, bytes: &[u8], probe: &JpegProbe) -> Result<Vec<Thumbnail>, RenderError> {
    let stored = Dimensions::new(probe.width, probe.height);
    let large = job.largest(stored);
    let eighths = stored.eighths_for(large);
    match job.step(Stage::Decode, |slot| decode::decode(slot, bytes, probe, eighths))? {
        Decoded::Planes(planes) => from_planes(job, planes, stored, large, probe.orientation),
        Decoded::Pixels(pixels) => from_pixels(job, pixels, stored, large, probe.orientation),
    }
}

/// The usual way: luma and chroma never become RGB.
fn from_planes(
    job: &mut Job<'_>,
    decoded: Planes,
    stored: Dimensions,
    large: Dimensions,
    orientation: u8,
) -> Result<Vec<Thumbnail>, RenderError> {
    let mut current = shrink(job, decoded, large)?;
    current = turn(job, current, orientation)?;
    let thumbnails = job.cascade(stored.turned(orientation), |job, size| {
        if current.size != size {
            current = shrink(job, std::mem::replace(&mut current, empty()), size)?;
        }
        let quality = job.recipe.jpeg_quality;
        job.step(Stage::Encode, |slot| encode::planes(slot, &current, quality))
    })?;
    job.slot.reclaim(current.samples);
    Ok(thumbnails)
}

fn shrink(job: &mut Job<'_>, planes: Planes, size: Dimensions) -> Result<Planes, RenderError> {
    let subsampling = planes.thumbnail_subsampling();
    if planes.size == size && planes.subsampling == subsampling {
        return Ok(planes);
    }
    job.step(Stage::Resize, |slot| {
        let mut smaller = Planes::over(slot.buffer(), size, subsampling);
        planes.resize_into(&mut slot.resizer, &mut smaller)?;
        slot.reclaim(planes.samples);
        Ok(smaller)
    })
}

fn turn(job: &mut Job<'_>, planes: Planes, orientation: u8) -> Result<Planes, RenderError> {
    if orientation == 1 {
        return Ok(planes);
    }
    job.step(Stage::Resize, |slot| {
        let mut upright = Planes::over(slot.buffer(), planes.size.turned(orientation), planes.subsampling);
        planes.orient_into(orientation, &mut upright);
        slot.reclaim(planes.samples);
        Ok(upright)
    })
}

fn empty() -> Planes {
    Planes { size: Dimensions::new(1, 1), subsampling: Subsamp::Gray, samples: Vec::new() }
}

/// The other way: RGB, for what has no planes of luma and chroma.
fn from_pixels(
    job: &mut Job<'_>,
    decoded: Pixels,
    stored: Dimensions,
    large: Dimensions,
    orientation: u8,
) -> Result<Vec<Thumbnail>, RenderError> {
    let resized = job.step(Stage::Resize, |slot| decoded.resized(&mut slot.resizer, large))?;
    let mut current = resized.upright(orientation);
    job.cascade(stored.turned(orientation), |job, size| {
        if current.size != size {
            current = job.step(Stage::Resize, |slot| current.resized(&mut slot.resizer, size))?;
        }
        let quality = job.recipe.jpeg_quality;
        job.step(Stage::Encode, |slot| encode::pixels(slot, &current, quality))
    })
}

/// Upper bound of the memory that rendering takes: the coefficients that libjpeg keeps, the decoded picture, the
/// largest thumbnail and what resizing to it takes, each at full size since the recipe is not known here.
pub(super) fn decode_bytes(probe: &JpegProbe) -> u64 {
    let samples = probe.coefficients();
    let keeps_coefficients = probe.coding == Coding::Progressive || probe.is_multi_scan;
    let coefficients = if keeps_coefficients { 2 * samples } else { 0 };
    let pixels = u64::from(probe.width) * u64::from(probe.height);
    let decoded = match probe.colours {
        Colours::Gray | Colours::YCbCr => samples,
        Colours::Rgb => 3 * pixels,
        Colours::FourInks => 7 * pixels,
    };
    coefficients + 4 * decoded + super::FIXED_BYTES
}
