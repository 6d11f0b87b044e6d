//! The chunks of a PNG that define its colours, interpreted as browsers do.

use png::{ScaledFloat, SourceChromaticities};

use super::super::colour::{Colours, Space};

/// sRGB's gamma as stored in `gAMA`.
const SRGB_GAMMA: u32 = 45_455;
/// The tolerance for sRGB's gamma: encoders round it in several ways.
const GAMMA_TOLERANCE: u32 = 600;
/// sRGB's white point and primaries as stored in `cHRM`.
const SRGB_CHROMATICITIES: [u32; 8] = [31_270, 32_900, 64_000, 33_000, 30_000, 60_000, 15_000, 6_000];
/// The tolerance for sRGB's chromaticities.
const CHROMATICITY_TOLERANCE: u32 = 150;

/// The largest value of `sRGB`, a rendering intent.
const MAX_INTENT: u8 = 3;

/// The colour chunks of a file. The first valid one of each kind counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct StoredColours {
    code_points: Option<[u8; 4]>,
    is_srgb: bool,
    gamma: Option<u32>,
    chromaticities: Option<[u32; 8]>,
}

impl StoredColours {
    /// Bytes of the longest of these chunks.
    pub(in super::super) const MAX_BYTES: u32 = 32;

    /// Takes the data of a chunk: `cICP`, `sRGB`, `gAMA` or `cHRM`.
    pub(in super::super) fn take(&mut self, kind: [u8; 4], data: &[u8]) {
        match (&kind, data) {
            (b"cICP", &[primaries, transfer, matrix, range]) => {
                self.code_points.get_or_insert([primaries, transfer, matrix, range]);
            }
            (b"sRGB", &[0..=MAX_INTENT]) => self.is_srgb = true,
            (b"gAMA", &[g0, g1, g2, g3]) => {
                let gamma = Some(u32::from_be_bytes([g0, g1, g2, g3])).filter(|gamma| *gamma > 0);
                self.gamma = self.gamma.or(gamma);
            }
            (b"cHRM", data) if data.len() == 32 => {
                let values = data.as_chunks::<4>().0;
                self.chromaticities.get_or_insert(std::array::from_fn(|index| u32::from_be_bytes(values[index])));
            }
            _ => {}
        }
    }
}

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
    pub(super) fn of(stored: &StoredColours, profile: Option<Vec<u8>>, space: Space) -> (Colours, Self) {
        let mut chunks = Self::default();
        if let Some(points) = stored.code_points.filter(is_known) {
            // BT.709 primaries with sRGB's transfer function are sRGB.
            chunks.code_points = (points != [1, 13, 0, 1]).then_some(points);
            return (Colours::Plain, chunks);
        }
        if let Some(profile) = profile {
            let colours = Colours::of(profile, space);
            chunks.profile = colours.carried().map(<[u8]>::to_vec);
            return (colours, chunks);
        }
        // Without `gAMA`, browsers ignore `cHRM`.
        if let Some(gamma) = stored.gamma.filter(|_| !stored.is_srgb) {
            let chromaticities = stored.chromaticities.filter(|values| !is_srgb(values));
            let is_needed = chromaticities.is_some() || !is_near(gamma, SRGB_GAMMA, GAMMA_TOLERANCE);
            chunks.gamma = is_needed.then_some(ScaledFloat::from_scaled(gamma));
            chunks.chromaticities = chromaticities.map(chunk);
        }
        (Colours::Plain, chunks)
    }
}

/// Whether Chromium knows these code points. It refuses a file with an unknown matrix or range, and otherwise uses the
/// next chunk.
const fn is_known([primaries, transfer, matrix, range]: &[u8; 4]) -> bool {
    matches!(primaries, 1 | 4..=12 | 22)
        && matches!(transfer, 1 | 4..=8 | 11 | 13..=18)
        && matches!((matrix, range), (0, 1))
}

fn chunk(values: [u32; 8]) -> SourceChromaticities {
    let [[wx, wy], [rx, ry], [gx, gy], [bx, by]] =
        std::array::from_fn(|index| [values[2 * index], values[2 * index + 1]].map(ScaledFloat::from_scaled));
    SourceChromaticities { white: (wx, wy), red: (rx, ry), green: (gx, gy), blue: (bx, by) }
}

fn is_near(value: u32, meant: u32, tolerance: u32) -> bool {
    value.abs_diff(meant) <= tolerance
}

fn is_srgb(chromaticities: &[u32; 8]) -> bool {
    chromaticities.iter().zip(SRGB_CHROMATICITIES).all(|(value, meant)| is_near(*value, meant, CHROMATICITY_TOLERANCE))
}

/// Whether every colour of a palette is a gray.
pub(super) fn is_gray(palette: &[u8]) -> bool {
    palette.as_chunks::<3>().0.iter().all(|&[r, g, b]| r == g && g == b)
}
