//! Renders a JPEG: decodes it at a fraction of its size, resizes it, turns it upright, and encodes it.

mod decode;
mod encode;

use darkroom_codec::jpeg::kept_coefficients;

use super::colour::{Colours, Conversion, Space};
use super::components::{ColourModel, Components};
use super::context::{Context, Stage};
use super::geometry::Dimensions;
use super::orient::Flips;
use super::planes::Planes;
use super::probe::jpeg::{self as probe, Coding, JpegProbe};
use super::{RenderError, Thumbnail, Tolerated};

use decode::Picture;
use encode::Settings;

/// Makes the thumbnails of a JPEG.
pub(super) fn render(
    context: &mut Context<'_>,
    bytes: &[u8],
    probe: &JpegProbe,
) -> Result<Vec<Thumbnail>, RenderError> {
    let colours = Colours::of(probe.profile_in(bytes), space(probe));
    let stored = Dimensions::new(probe.width, probe.height);
    let large = context.largest(stored);
    let conversion = if let Colours::Converted(conversion) = &colours { Some(conversion) } else { None };
    // A profile for CMYK or RGB applies to converted pixels, a profile for gray applies to luma.
    let as_components = conversion.is_some() && probe.colours != probe::Colours::Gray;
    let (eighths, stop) = (stored.eighths_for(large), context.stop);
    let decoded =
        context.step(Stage::Decode, |scratch| decode::decode(scratch, bytes, probe, eighths, as_components, stop))?;
    context.tolerated.extend(&probe.tolerated);
    context.tolerated.extend(decoded.oddities.into_iter().map(Tolerated::from));

    let steps = Steps { stored, large, orientation: probe.orientation, conversion, profile: colours.carried() };
    match decoded.picture {
        Picture::Planes(planes) => steps.finish_planes(context, planes),
        Picture::Components(components) => steps.finish_components(context, components, colour_model(probe)),
    }
}

fn colour_model(probe: &JpegProbe) -> ColourModel {
    match probe.colours {
        probe::Colours::Gray | probe::Colours::YCbCr => ColourModel::YCbCr,
        probe::Colours::Rgb => ColourModel::Rgb,
        probe::Colours::Cmyk => ColourModel::Cmyk,
        probe::Colours::Ycck => ColourModel::Ycck,
    }
}

fn space(probe: &JpegProbe) -> Space {
    match probe.colours {
        probe::Colours::Gray => Space::Gray,
        probe::Colours::YCbCr | probe::Colours::Rgb => Space::Rgb,
        probe::Colours::Cmyk | probe::Colours::Ycck => Space::Cmyk,
    }
}

/// The steps from a decoded picture to its thumbnails.
struct Steps<'a> {
    stored: Dimensions,
    large: Dimensions,
    orientation: u8,
    conversion: Option<&'a Conversion>,
    profile: Option<&'a [u8]>,
}

impl Steps<'_> {
    /// The usual case: luma and chroma are not converted to RGB.
    fn finish_planes(&self, context: &mut Context<'_>, decoded: Planes) -> Result<Vec<Thumbnail>, RenderError> {
        let large = shrink(context, decoded, self.large, Flips::of(self.orientation))?;
        let mut current = turn(context, large, self.orientation)?;
        if let Some(conversion) = self.conversion {
            conversion.apply_to_gray(&mut current.samples, 1);
        }
        let thumbnails = context.cascade(self.stored.turned(self.orientation), |context, size| {
            if current.size != size {
                current = shrink(context, std::mem::take(&mut current), size, Flips::default())?;
            }
            let settings = self.settings(context);
            context.step(Stage::Encode, |scratch| encode::planes(scratch, &current, settings))
        })?;
        context.scratch.reclaim(current.samples);
        Ok(thumbnails)
    }

    /// Converts to RGB, for pictures without planes of luma and chroma, or whose colours must be converted.
    fn finish_components(
        &self,
        context: &mut Context<'_>,
        decoded: Components,
        colour_model: ColourModel,
    ) -> Result<Vec<Thumbnail>, RenderError> {
        let has_inks = matches!(colour_model, ColourModel::Cmyk | ColourModel::Ycck);
        let inks = self.conversion.filter(|_| has_inks).and_then(Conversion::of_inks);
        let from_inks =
            |samples: &[u8]| inks.as_ref().and_then(|inks| inks.rgb(samples)).unwrap_or_else(|| multiplied(samples));
        let large = context.step(Stage::Resize, |scratch| {
            decoded.into_rgb(&mut scratch.resizer, self.large, colour_model, from_inks)
        })?;
        let mut current = large.upright(self.orientation);
        if let Some(conversion) = self.conversion.filter(|_| !has_inks) {
            conversion.apply(&mut current);
        }
        context.cascade(self.stored.turned(self.orientation), |context, size| {
            if current.size != size {
                current = context.step(Stage::Resize, |scratch| current.resized(&mut scratch.resizer, size))?;
            }
            let settings = self.settings(context);
            context.step(Stage::Encode, |scratch| encode::pixels(scratch, &current, settings))
        })
    }

    fn settings(&self, context: &Context<'_>) -> Settings<'_> {
        let recipe = context.recipe;
        Settings { quality: recipe.jpeg_quality.clamp(1, 100), optimize: recipe.jpeg_optimize, profile: self.profile }
    }
}

/// Converts inverted inks without a profile to RGB: multiplies each ink by black.
fn multiplied(inks: &[u8]) -> Vec<u8> {
    let share = |ink: u8, black: u8| ((u16::from(ink) * u16::from(black) + 127) / 255) as u8;
    inks.as_chunks::<4>().0.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| share(ink, k))).collect()
}

fn shrink(context: &mut Context<'_>, planes: Planes, size: Dimensions, turn: Flips) -> Result<Planes, RenderError> {
    let subsampling = planes.thumbnail_subsampling();
    if planes.size == size && planes.subsampling == subsampling && !planes.needs_new_chroma(turn) {
        return Ok(planes);
    }
    context.step(Stage::Resize, |scratch| {
        let mut smaller = Planes::over(scratch.buffer(), size, subsampling);
        planes.resize_into(&mut scratch.resizer, &mut smaller, turn)?;
        scratch.reclaim(planes.samples);
        Ok(smaller)
    })
}

fn turn(context: &mut Context<'_>, planes: Planes, orientation: u8) -> Result<Planes, RenderError> {
    if orientation == 1 {
        return Ok(planes);
    }
    context.step(Stage::Resize, |scratch| {
        let mut upright = Planes::over(scratch.buffer(), planes.size.turned(orientation), planes.subsampling);
        planes.orient_into(orientation, &mut upright);
        scratch.reclaim(planes.samples);
        Ok(upright)
    })
}

/// Upper bound of the memory that rendering takes: the coefficients that are kept until the last scan, the decoder's
/// rows, the decoded picture, the largest thumbnail before and after turning, and the buffers of the resize.
pub(super) fn decode_bytes(probe: &JpegProbe, large: Dimensions) -> u64 {
    let stored = Dimensions::new(probe.width, probe.height);
    let eighths = stored.eighths_for(large);
    let decoded = stored.eighths(eighths);
    let is_progressive = probe.coding == Coding::Progressive;
    let coefficients = if is_progressive { probe.blocks() * block_bytes(eighths) } else { 0 };
    let rows = u64::from(probe.width) * 256;
    let samples = match probe.colours {
        probe::Colours::Gray => 1,
        probe::Colours::YCbCr | probe::Colours::Rgb => 3,
        probe::Colours::Cmyk | probe::Colours::Ycck => 4,
    };
    // Planes are padded to whole blocks.
    let filled = Dimensions::new(decoded.width + 8, decoded.height + 8);
    let resizing = 3 * u64::from(large.height) * u64::from(decoded.width);
    coefficients + rows + samples * filled.pixels() + resizing + large.pixels() * 12
}

/// Bytes per block of a progressive picture: its kept coefficients, and one bit per coefficient that is set if it is
/// nonzero.
const fn block_bytes(eighths: u32) -> u64 {
    2 * kept_coefficients(eighths) + 8
}

/// The maximum of [`decode_bytes`] for a picture of `pixels` whose largest thumbnail has a side of `side`: CMYK,
/// progressive, with each term at its largest for any aspect ratio. No picture is larger than the limit per side
/// allows.
pub(super) fn max_decode_bytes(pixels: u64, side: u64) -> u64 {
    let pixels = pixels.min(u64::from(probe::MAX_SIDE).pow(2));
    let long = u64::from(probe::MAX_SIDE).min(pixels).max(1);
    // The sum of width and height is largest for the longest, narrowest picture.
    let edges = long + pixels.div_ceil(long);
    let thumbnail = pixels.min(side * side);
    let most = |of: fn(u64, u32) -> u64| {
        (1..=8).map(|eighths| of(most_stored(pixels, side, eighths), eighths)).max().unwrap_or_default()
    };
    // MCUs of 32 pixels per side, of four components.
    let coefficients = most(|stored, eighths| 4 * stored.div_ceil(64) * block_bytes(eighths));
    let filling = 4 * (31 * edges + 31 * 31).div_ceil(64) * block_bytes(8);
    let decoded = most(|stored, eighths| stored * u64::from(eighths * eighths) / 64) + edges;
    coefficients + filling + long * 256 + 4 * (decoded + 8 * edges + 64) + 3 * decoded + thumbnail * 12
}

/// The most pixels, up to `pixels`, of a picture that is decoded at `eighths / 8`. One eighth less would not have kept
/// enough pixels of one side: of the long one, or, by half a pixel of the thumbnail's rounding, of the short one.
fn most_stored(pixels: u64, side: u64, eighths: u32) -> u64 {
    let eighths = u64::from(eighths);
    if eighths == 1 {
        return pixels;
    }
    let enough = (3 * side * eighths).div_ceil(2 * (eighths - 1)) + 3;
    let rounding = 4 * u64::from(probe::MAX_SIDE) + 12 * side;
    let decoded = enough.saturating_mul(enough).saturating_add(rounding);
    pixels.min(decoded.saturating_mul(64).div_ceil(eighths * eighths))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_picture_is_dearer_than_the_dearest(
            width in 1u32..=65_500,
            height in 1u32..=65_500,
            side in 1u32..10_000,
            factors in prop::array::uniform4((1u8..=4, 1u8..=4)),
        ) {
            for (width, height) in [(width, height), (width, height % 200 + 1), (width % 3000 + 1, height % 3000 + 1)] {
                let probe = JpegProbe::of_inks(width, height, &factors);
                let bytes = decode_bytes(&probe, Dimensions::new(width, height).inside(side));
                let pixels = u64::from(width) * u64::from(height);
                prop_assert!(bytes <= max_decode_bytes(pixels, side.into()), "{width} x {height}: {bytes}");
                prop_assert!(max_decode_bytes(pixels, side.into()) <= max_decode_bytes(pixels + 1000, side.into()));
            }
        }
    }
}
