//! Sizes: what fits inside a box, the effect of an orientation, and the scale at which a JPEG is decoded.

/// Width and height in pixels, both at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dimensions {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The least ratio of a decoded picture to its largest thumbnail, per side: below it, the scaling of the inverse DCT
/// becomes visible.
const OVERSAMPLING: (u64, u64) = (3, 2);

impl Dimensions {
    pub(super) const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    pub(super) const fn pixels(self) -> u64 {
        self.width as u64 * self.height as u64
    }

    /// The largest size of the same aspect ratio inside a box of `side`: never enlarged, at least one pixel per side.
    pub(super) fn inside(self, side: u32) -> Self {
        let long = self.width.max(self.height);
        if long <= side {
            return self;
        }
        let scaled = |length: u32| {
            let rounded = (2 * u64::from(length) * u64::from(side) + u64::from(long)) / (2 * u64::from(long));
            u32::try_from(rounded).unwrap_or(side).max(1)
        };
        Self::new(scaled(self.width), scaled(self.height))
    }

    /// The size after the orientation, or before it: both swap the same sides.
    pub(super) const fn turned(self, orientation: u8) -> Self {
        if orientation >= 5 { Self::new(self.height, self.width) } else { self }
    }

    /// Each side times `eighths / 8`, rounded up, as the inverse DCT does it.
    pub(super) fn eighths(self, eighths: u32) -> Self {
        let scaled = |side: u32| (side as u64 * eighths as u64).div_ceil(8) as u32;
        Self::new(scaled(self.width), scaled(self.height))
    }

    /// The fewest eighths of this size that keep enough pixels for a thumbnail of `target`.
    pub(super) fn eighths_for(self, target: Self) -> u32 {
        let keeps = |side: u32, target: u32| u64::from(side) * OVERSAMPLING.1 >= u64::from(target) * OVERSAMPLING.0;
        (1..8)
            .find(|&eighths| {
                let scaled = self.eighths(eighths);
                keeps(scaled.width, target.width) && keeps(scaled.height, target.height)
            })
            .unwrap_or(8)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn photographs_fit_their_boxes() {
        let photo = Dimensions::new(4032, 3024);
        assert_eq!(photo.inside(1000), Dimensions::new(1000, 750));
        assert_eq!(photo.inside(500), Dimensions::new(500, 375));
        assert_eq!(photo.inside(100), Dimensions::new(100, 75));
        assert_eq!(photo.turned(6).inside(100), Dimensions::new(75, 100));
    }

    #[test]
    fn extreme_ratios_keep_a_pixel() {
        assert_eq!(Dimensions::new(1, 20_000).inside(100), Dimensions::new(1, 100));
        assert_eq!(Dimensions::new(20_000, 1).inside(1), Dimensions::new(1, 1));
    }

    #[test]
    fn a_12_megapixel_photograph_is_decoded_at_three_eighths() {
        assert_eq!(Dimensions::new(4032, 3024).eighths_for(Dimensions::new(1000, 750)), 3);
        assert_eq!(Dimensions::new(1400, 1000).eighths_for(Dimensions::new(1000, 714)), 8);
    }

    proptest! {
        #[test]
        fn a_thumbnail_is_inside_its_box_and_never_larger(
            width in 1u32..70_000,
            height in 1u32..70_000,
            side in 1u32..10_000,
        ) {
            let source = Dimensions::new(width, height);
            let fitted = source.inside(side);
            prop_assert!(fitted.width >= 1 && fitted.height >= 1);
            prop_assert!(fitted.width <= side.min(width) && fitted.height <= side.min(height));
            prop_assert!(fitted == source || fitted.width.max(fitted.height) == side);
        }

        #[test]
        fn a_thumbnail_keeps_the_shape_to_half_a_pixel(
            width in 1u32..70_000,
            height in 1u32..70_000,
            side in 1u32..10_000,
        ) {
            let fitted = Dimensions::new(width, height).inside(side);
            let scale = f64::from(side.min(width.max(height))) / f64::from(width.max(height));
            for (fitted, side) in [(fitted.width, width), (fitted.height, height)] {
                let exact = f64::from(side) * scale;
                prop_assert!((f64::from(fitted) - exact).abs() <= 0.5 + 1e-6 || (fitted == 1 && exact < 1.0));
            }
        }

        #[test]
        fn fitting_and_turning_commute(
            width in 1u32..70_000,
            height in 1u32..70_000,
            side in 1u32..10_000,
            orientation in 1u8..=8,
        ) {
            let source = Dimensions::new(width, height);
            prop_assert_eq!(source.turned(orientation).inside(side), source.inside(side).turned(orientation));
            prop_assert_eq!(source.turned(orientation).turned(orientation), source);
        }

        #[test]
        fn decoding_keeps_one_and_a_half_times_the_target(
            width in 1u32..70_000,
            height in 1u32..70_000,
            side in 1u32..10_000,
        ) {
            let source = Dimensions::new(width, height);
            let target = source.inside(side);
            let eighths = source.eighths_for(target);
            let decoded = source.eighths(eighths);
            prop_assert!((1..=8).contains(&eighths));
            prop_assert!(decoded.width >= target.width && decoded.height >= target.height);
            if eighths < 8 {
                prop_assert!(f64::from(decoded.width) >= 1.5 * f64::from(target.width));
                prop_assert!(f64::from(decoded.height) >= 1.5 * f64::from(target.height));
            }
        }
    }
}
