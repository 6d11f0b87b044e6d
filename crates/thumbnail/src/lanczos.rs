//! The filter of every resize: Lanczos3, computed with one short polynomial instead of two sines.
//!
//! A strip of a picture needs tens of thousands of weights: with the library's sines they took a fifteenth of a PNG's
//! time.

use std::f64::consts::{FRAC_PI_2, PI};

use fast_image_resize::{Filter, FilterType, ResizeAlg, ResizeOptions};

/// The support of the filter, in pixels of the smaller picture.
pub(super) const REACH: f64 = 3.0;

/// Options of a resize with this filter.
pub(super) fn options() -> ResizeOptions {
    let filter = Filter::new("lanczos3", lanczos3, REACH).map_or(FilterType::Lanczos3, FilterType::Custom);
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter))
}

/// `sinc(x) * sinc(x / 3)`. With `s = sin(pi x / 3)`, `sin(pi x)` is `3 s - 4 s^3`.
fn lanczos3(x: f64) -> f64 {
    let angle = x.abs() * (PI / REACH);
    if angle >= PI {
        return 0.0;
    }
    if angle < 1e-8 {
        return 1.0;
    }
    let square = sine(angle).powi(2);
    square * (3.0 - 4.0 * square) / (REACH * angle * angle)
}

/// The sine of an angle from 0 to pi, with an error below 1e-7: far below what eight bits show.
fn sine(angle: f64) -> f64 {
    let y = angle.min(PI - angle) / FRAC_PI_2;
    let square = y * y;
    // The Taylor series in quarters of a turn.
    const TERMS: [f64; 6] = [
        FRAC_PI_2,
        -0.645_964_097_506_246_2,
        0.079_692_626_246_167_05,
        -0.004_681_754_135_318_688,
        0.000_160_441_184_787_359_8,
        -0.000_003_598_843_235_212_085,
    ];
    y * TERMS.iter().rev().fold(0.0, |sum, term| sum * square + term)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_filter_of_its_name() {
        for step in -3200..=3200 {
            let x = f64::from(step) / 1000.0;
            let sinc = |x: f64| if x == 0.0 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let meant = if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 };
            assert!((lanczos3(x) - meant).abs() < 1e-6, "{} for {meant} at {x}", lanczos3(x));
        }
    }
}
