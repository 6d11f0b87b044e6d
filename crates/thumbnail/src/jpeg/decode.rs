//! Strict JPEG decoding: to planes of luma and chroma if the file has them, otherwise to its components.

use std::collections::BTreeSet;

use darkroom_codec::jpeg::{self, Error, Oddity, PlaneMut};
use turbojpeg::Subsamp;

use super::super::components::Components;
use super::super::error::corrupt;
use super::super::geometry::Dimensions;
use super::super::planes::Planes;
use super::super::probe::jpeg::{Colours, JpegProbe, Sampling};
use super::super::scratch::Scratch;
use super::super::{RenderError, Stop};

/// A decoded picture.
pub(super) enum Picture {
    /// Luma and chroma in a layout that thumbnails use, or gray.
    Planes(Planes),
    /// Anything else.
    Components(Components),
}

/// A decoded picture, and the oddities of its data.
pub(super) struct Decoded {
    pub(super) picture: Picture,
    pub(super) oddities: BTreeSet<Oddity>,
}

/// Decodes a picture at `eighths / 8` of its stored size. `as_components` requests components that will become RGB.
pub(super) fn decode(
    scratch: &mut Scratch,
    bytes: &[u8],
    probe: &JpegProbe,
    eighths: u32,
    as_components: bool,
    stop: &Stop,
) -> Result<Decoded, RenderError> {
    let stored = Dimensions::new(probe.width, probe.height);
    match subsampling(probe).filter(|_| !as_components) {
        Some(subsampling) => {
            let mut planes = Planes::over(scratch.buffer(), stored.eighths(eighths), subsampling);
            let oddities = fill(bytes, eighths, planes.parts_mut(), stop)?;
            planes.fill_up();
            Ok(Decoded { picture: Picture::Planes(planes), oddities })
        }
        None => {
            let mut components = Components::blank(stored, eighths, &probe.sampling);
            let oddities = fill(bytes, eighths, components.parts_mut(), stop)?;
            Ok(Decoded { picture: Picture::Components(components), oddities })
        }
    }
}

/// Fills the planes; returns the oddities of the data.
fn fill<'a>(
    bytes: &[u8],
    eighths: u32,
    planes: impl Iterator<Item = (usize, &'a mut [u8])>,
    stop: &Stop,
) -> Result<BTreeSet<Oddity>, RenderError> {
    let mut planes: Vec<PlaneMut<'_>> = planes.map(|(width, samples)| PlaneMut { width, samples }).collect();
    match jpeg::decode(bytes, eighths, &mut planes, stop) {
        Ok(decoded) => Ok(decoded.oddities),
        Err(Error::Damaged(damage)) => Err(corrupt(damage.to_string()).into()),
        Err(Error::Stopped(stopped)) => Err(stopped.into()),
    }
}

/// The chroma subsampling of a YCbCr or gray picture, if it has a usual layout.
fn subsampling(probe: &JpegProbe) -> Option<Subsamp> {
    let [luma, blue, red] = match (probe.colours, probe.sampling.as_slice()) {
        (Colours::Gray, _) => return Some(Subsamp::Gray),
        (Colours::YCbCr, &[luma, blue, red]) => [luma, blue, red],
        _ => return None,
    };
    let ratio = |luma: u8, chroma: u8| luma.is_multiple_of(chroma).then(|| luma / chroma);
    let Sampling { horizontal, vertical } = blue;
    match (ratio(luma.horizontal, horizontal)?, ratio(luma.vertical, vertical)?) {
        _ if red != blue => None,
        (1, 1) => Some(Subsamp::None),
        (2, 1) => Some(Subsamp::Sub2x1),
        (2, 2) => Some(Subsamp::Sub2x2),
        (1, 2) => Some(Subsamp::Sub1x2),
        (4, 1) => Some(Subsamp::Sub4x1),
        _ => None,
    }
}
