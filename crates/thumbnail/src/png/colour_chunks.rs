//! The chunks of a PNG that say what its colours mean, by the rules that browsers follow.

use std::borrow::Cow;

use png::{ColorType, Info, ScaledFloat, SourceChromaticities};

use super::super::colour::{Colours, Space};

/// sRGB's gamma as `gAMA` writes it.
const SRGB_GAMMA: u32 = 45_455;
/// How far from it still is sRGB: encoders round in several ways.
const GAMMA_TOLERANCE: u32 = 600;
/// sRGB's white, red, green and blue as `cHRM` writes them.
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
/// How far from them still is sRGB.
const CHROMATICITY_TOLERANCE: u32 = 150;

/// What goes into the thumbnails so that their colours mean what the source's do. All empty: sRGB.
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
    /// What becomes of the colours of a picture: `cICP` goes before `iCCP`, that before `sRGB`, that before `gAMA` and `cHRM`.
    pub(super) fn of(info: &Info<'_>, profile: Option<Vec<u8>>, space: Space) -> (Colours, Self) {
        let mut chunks = Self::default();
        if let Some(points) = info.coding_independent_code_points {
            let range = u8::from(points.is_video_full_range_image);
            let points = [points.color_primaries, points.transfer_function, points.matrix_coefficients, range];
            // BT.709 primaries with sRGB's curve are sRGB.
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
            // Without a gamma, browsers do not look at the primaries.
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
