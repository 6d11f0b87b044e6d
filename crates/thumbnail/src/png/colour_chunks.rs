//! The chunks of a PNG that define its colours, interpreted as browsers do.

use std::borrow::Cow;

use png::{ColorType, Info, ScaledFloat, SourceChromaticities};

use super::super::colour::{Colours, Space};

/// sRGB's gamma as stored in `gAMA`.
const SRGB_GAMMA: u32 = 45_455;
/// The tolerance for sRGB's gamma: encoders round it in several ways.
const GAMMA_TOLERANCE: u32 = 600;
/// sRGB's white point and primaries as stored in `cHRM`.
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
/// The tolerance for sRGB's chromaticities.
const CHROMATICITY_TOLERANCE: u32 = 150;

/// The colour chunks to write into the thumbnails, so that their colours mean the same as the source's. All empty:
/// sRGB.
#[derive(Clone, Debug, Default)]
pub(super) struct ColourChunks {
    /// `cICP`: primaries, transfer function, matrix, range.
    pub(super) code_points: Option<[u8; 4]>,
    /// `iCCP`
    pub(super) profile: Option<Vec<u8>>,
    /// `gAMA`
    pub(super) gamma: Option<ScaledFloat>,
    /// `cHRM`
    pub(super) chromaticities: Option<SourceChromaticities>,
}

impl ColourChunks {
    /// How to handle the colours of a picture: `cICP` has priority over `iCCP`, then `sRGB`, then `gAMA` and `cHRM`.
    pub(super) fn of(info: &Info<'_>, profile: Option<Vec<u8>>, space: Space) -> (Colours, Self) {
        let mut chunks = Self::default();
        if let Some(points) = info.coding_independent_code_points {
            let range = u8::from(points.is_video_full_range_image);
            let points = [points.color_primaries, points.transfer_function, points.matrix_coefficients, range];
            // BT.709 primaries with sRGB's transfer function are sRGB.
            chunks.code_points = (points != [1, 13, 0, 1]).then_some(points);
            return (Colours::Plain, chunks);
        }
        if let Some(profile) = profile {
            let colours = Colours::of(profile, space);
            chunks.profile = colours.carried().map(<[u8]>::to_vec);
            return (colours, chunks);
        }
        if info.srgb.is_none() {
            chunks.gamma = info.gama_chunk.filter(|gamma| !is_near(gamma.into_scaled(), SRGB_GAMMA, GAMMA_TOLERANCE));
            // Without `gAMA`, browsers ignore `cHRM`.
            chunks.chromaticities = info.chrm_chunk.filter(|_| info.gama_chunk.is_some()).filter(|c| !is_srgb(c));
            if chunks.chromaticities.is_some() {
                chunks.gamma = info.gama_chunk;
            }
        }
        (Colours::Plain, chunks)
    }
}

fn is_near(value: u32, meant: u32, tolerance: u32) -> bool {
    value.abs_diff(meant) <= tolerance
}

fn is_srgb(chromaticities: &SourceChromaticities) -> bool {
    let SourceChromaticities { white, red, green, blue } = *chromaticities;
    let values = [white, red, green, blue].into_iter().flat_map(|(x, y)| [x, y]);
    values.zip(SRGB_CHROMATICITIES).all(|(value, meant)| is_near(value.into_scaled(), meant, CHROMATICITY_TOLERANCE))
}

/// Whether every colour of the palette is a gray.
pub(super) fn is_gray_palette(info: &Info<'_>) -> bool {
    let is_gray = |palette: &Cow<'_, [u8]>| palette.as_chunks::<3>().0.iter().all(|&[r, g, b]| r == g && g == b);
    info.color_type == ColorType::Indexed && info.palette.as_ref().is_some_and(is_gray)
}
