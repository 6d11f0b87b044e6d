//! Colour profiles: which one a thumbnail keeps, which one is converted to sRGB, and which one is dropped.

use moxcms::{ColorProfile, DataColorSpace, Layout, Transform8BitExecutor, TransformOptions};
use std::sync::Arc;

use super::pixels::{Channels, Pixels};

/// The largest profile that is copied into thumbnails, in bytes: Display P3 takes 500, Adobe RGB 560.
const MAX_CARRIED_BYTES: usize = 4096;
/// A longer profile is ignored; the largest printer profiles have two megabytes.
pub(super) const MAX_PROFILE_BYTES: usize = 4 << 20;
/// Memory per byte of a profile while it is parsed and converted: five bytes were measured.
const MEMORY_PER_BYTE: u64 = 8;

/// Upper bound of the memory that a profile of this size takes.
pub(super) fn memory(profile_bytes: u64) -> u64 {
    if profile_bytes > MAX_PROFILE_BYTES as u64 { 0 } else { profile_bytes * MEMORY_PER_BYTE }
}
/// The largest difference from sRGB, in rounded samples, of a profile that still counts as sRGB.
const SRGB_TOLERANCE: u8 = 2;

/// The position of a profile's tag table: its length, then for each tag a signature, an offset and a length (ICC.1,
/// 7.3).
const TAG_TABLE: usize = 128;

/// The tags that define a profile's colours.
const COLOUR_TAGS: [&[u8; 4]; 13] = [
    b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"kTRC", b"cicp", b"chad", b"A2B0", b"A2B1", b"A2B2",
];

/// The colour space of a picture before any conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Space {
    Gray,
    Rgb,
    Cmyk,
}

/// How a picture's profile is handled.
pub(super) enum Colours {
    /// No profile, or it is sRGB, or it does not fit the picture: the thumbnail has none, and browsers display it the
    /// same way.
    Plain,
    /// The thumbnail keeps the profile.
    Carried(Vec<u8>),
    /// The picture is converted to sRGB.
    Converted(Conversion),
}

/// A conversion to sRGB.
pub(super) struct Conversion {
    profile: Box<ColorProfile>,
}

impl Colours {
    /// Decides how to handle the profile of a picture in `space`.
    pub(super) fn of(profile: Vec<u8>, space: Space) -> Self {
        if !is_whole(&profile) || profile.len() > MAX_PROFILE_BYTES {
            return Self::Plain;
        }
        let Ok(parsed) = ColorProfile::new_from_slice(&with_colour_tags_only(profile.clone())) else {
            return Self::Plain;
        };
        match (space, parsed.color_space) {
            (Space::Rgb, DataColorSpace::Rgb) if is_srgb(&parsed) => Self::Plain,
            (Space::Rgb, DataColorSpace::Rgb) if profile.len() <= MAX_CARRIED_BYTES => Self::Carried(profile),
            (Space::Rgb, DataColorSpace::Rgb)
            | (Space::Gray, DataColorSpace::Gray)
            | (Space::Cmyk, DataColorSpace::Cmyk) => Self::Converted(Conversion { profile: Box::new(parsed) }),
            _ => Self::Plain,
        }
    }

    /// The profile to write into the thumbnails.
    pub(super) fn carried(&self) -> Option<&[u8]> {
        match self {
            Self::Carried(profile) => Some(profile),
            Self::Plain | Self::Converted(_) => None,
        }
    }
}

impl Conversion {
    fn transform(&self, from: Layout, to: Layout) -> Option<Arc<Transform8BitExecutor>> {
        self.profile.create_transform_8bit(from, &ColorProfile::new_srgb(), to, TransformOptions::default()).ok()
    }

    /// Converts gray, gray with alpha, RGB or RGBA in place. An unusable profile changes nothing.
    pub(super) fn apply(&self, pixels: &mut Pixels) {
        match pixels.channels {
            Channels::Gray => self.apply_to_gray(&mut pixels.samples, 1),
            Channels::GrayAlpha => self.apply_to_gray(&mut pixels.samples, 2),
            Channels::Rgb => self.apply_to_rgb(&mut pixels.samples, Layout::Rgb),
            Channels::Rgba => self.apply_to_rgb(&mut pixels.samples, Layout::Rgba),
        }
    }

    /// Converts every `step`-th sample.
    pub(super) fn apply_to_gray(&self, samples: &mut [u8], step: usize) {
        let Some(transform) = self.transform(Layout::Gray, Layout::Rgb) else { return };
        let every: Vec<u8> = (0..=255).collect();
        let mut table = [0; 3 * 256];
        if transform.transform(&every, &mut table).is_ok() {
            samples.iter_mut().step_by(step).for_each(|sample| *sample = table[3 * usize::from(*sample)]);
        }
    }

    fn apply_to_rgb(&self, samples: &mut Vec<u8>, layout: Layout) {
        let Some(transform) = self.transform(layout, layout) else { return };
        let mut converted = vec![0; samples.len()];
        if transform.transform(samples, &mut converted).is_ok() {
            *samples = converted;
        }
    }

    /// The conversion from CMYK; `None` if the profile is unusable.
    pub(super) fn of_inks(&self) -> Option<InkConversion> {
        self.transform(Layout::Rgba, Layout::Rgb).map(|transform| InkConversion { transform })
    }
}

/// A conversion from CMYK to sRGB.
pub(super) struct InkConversion {
    transform: Arc<Transform8BitExecutor>,
}

impl InkConversion {
    /// Converts to RGB from inverted inks, which is how Adobe's and most other programs store them.
    pub(super) fn rgb(&self, inks: &[u8]) -> Option<Vec<u8>> {
        let full: Vec<u8> = inks.iter().map(|ink| !ink).collect();
        let mut rgb = vec![0; inks.len() / 4 * 3];
        self.transform.transform(&full, &mut rgb).is_ok().then_some(rgb)
    }
}

/// The profile with only the needed tags, each once. Tags may share their data, and so may the translations of a text:
/// a few kilobytes can expand to gigabytes of text.
fn with_colour_tags_only(mut profile: Vec<u8>) -> Vec<u8> {
    let Some((count, entries)) = profile.get_mut(TAG_TABLE..).and_then(|table| table.split_first_chunk_mut::<4>())
    else {
        return profile;
    };
    let count = u32::from_be_bytes(*count) as usize;
    let mut missing = COLOUR_TAGS.to_vec();
    for [signature @ .., _, _, _, _, _, _, _, _] in entries.as_chunks_mut::<12>().0.iter_mut().take(count) {
        match missing.iter().position(|tag| *tag == signature) {
            Some(index) => drop(missing.swap_remove(index)),
            None => *signature = [0; 4],
        }
    }
    profile
}

/// Whether a profile has all the bytes that its header claims (ICC.1, 7.2.2).
fn is_whole(profile: &[u8]) -> bool {
    profile.first_chunk().is_some_and(|&length| u32::from_be_bytes(length) as usize <= profile.len())
}

/// Whether a profile maps a range of colours like sRGB.
fn is_srgb(profile: &ColorProfile) -> bool {
    const LEVELS: [u8; 5] = [0, 40, 110, 190, 255];
    let colours: Vec<u8> = LEVELS
        .iter()
        .flat_map(|&r| LEVELS.iter().flat_map(move |&g| LEVELS.iter().flat_map(move |&b| [r, g, b])))
        .collect();
    let mut shown = vec![0; colours.len()];
    let srgb = ColorProfile::new_srgb();
    let transform = profile.create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default());
    transform.is_ok_and(|transform| transform.transform(&colours, &mut shown).is_ok())
        && colours.iter().zip(&shown).all(|(own, shown)| own.abs_diff(*shown) <= SRGB_TOLERANCE)
}

#[cfg(test)]
mod tests {
    use super::super::geometry::Dimensions;
    use super::*;

    #[test]
    fn srgb_says_nothing_new() {
        let profile = ColorProfile::new_srgb().encode().unwrap();
        assert!(matches!(Colours::of(profile, Space::Rgb), Colours::Plain));
    }

    #[test]
    fn a_small_rgb_profile_is_carried_and_a_large_one_converted() {
        let mut profile = ColorProfile::new_display_p3().encode().unwrap();
        assert_eq!(Colours::of(profile.clone(), Space::Rgb).carried(), Some(profile.as_slice()));
        profile.resize(MAX_CARRIED_BYTES + 1, 0);
        let Colours::Converted(conversion) = Colours::of(profile, Space::Rgb) else { panic!("not converted") };
        let mut red = Pixels { size: Dimensions::new(1, 1), channels: Channels::Rgba, samples: vec![200, 100, 100, 7] };
        conversion.apply(&mut red);
        assert!(red.samples[0] > 205 && red.samples[1] < 100 && red.samples[3] == 7, "{:?}", red.samples);
    }

    #[test]
    fn gray_is_converted() {
        let profile = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
        let Colours::Converted(conversion) = Colours::of(profile, Space::Gray) else { panic!("not converted") };
        let mut samples = [0, 9, 55, 9, 255, 9];
        conversion.apply_to_gray(&mut samples, 2);
        assert_eq!([samples[0], samples[1], samples[4]], [0, 9, 255]);
        assert!(samples[2].abs_diff(128) <= 2, "{samples:?}");
    }

    #[test]
    fn each_tag_is_read_once_and_texts_are_not() {
        let signatures = |profile: &[u8]| -> Vec<[u8; 4]> {
            let entries = profile[TAG_TABLE + 4..].as_chunks::<12>().0;
            let count = u32::from_be_bytes(*profile[TAG_TABLE..].first_chunk().unwrap());
            entries.iter().take(count as usize).map(|entry| *entry.first_chunk().unwrap()).collect()
        };
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        let kept = signatures(&with_colour_tags_only(profile.clone()));
        let expected =
            signatures(&profile).into_iter().map(|tag| if COLOUR_TAGS.contains(&&tag) { tag } else { [0; 4] });
        assert_eq!(kept, expected.collect::<Vec<_>>());
        assert!(kept.contains(b"rTRC") && kept.contains(&[0; 4]));

        let mut repeated = vec![0; TAG_TABLE];
        repeated.extend(3_u32.to_be_bytes());
        repeated.extend([*b"A2B0offslens", *b"A2B0offslens", *b"A2B1offslens", *b"mlucbehind_t"].as_flattened());
        let kept = with_colour_tags_only(repeated.clone());
        assert_eq!(signatures(&kept), [*b"A2B0", [0; 4], *b"A2B1"]);
        assert_eq!(kept[TAG_TABLE + 40..], repeated[TAG_TABLE + 40..]);
        for length in 0..repeated.len() {
            assert_eq!(with_colour_tags_only(repeated[..length].to_vec()).len(), length);
        }
    }

    #[test]
    fn what_does_not_fit_is_ignored() {
        let rgb = ColorProfile::new_display_p3().encode().unwrap();
        assert!(matches!(Colours::of(rgb.clone(), Space::Gray), Colours::Plain));
        assert!(matches!(Colours::of(rgb[..100].to_vec(), Space::Rgb), Colours::Plain));
        assert!(matches!(Colours::of(rgb[..rgb.len() - 1].to_vec(), Space::Rgb), Colours::Plain));
        assert!(matches!(Colours::of(b"nonsense".to_vec(), Space::Rgb), Colours::Plain));
        assert!(matches!(Colours::of(Vec::new(), Space::Rgb), Colours::Plain));
    }
}
