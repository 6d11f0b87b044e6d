//! JPEGs as cameras and programs write them.

use turbojpeg::{Colorspace, Compressor, Image, PixelFormat, Subsamp};

use super::baseline::{Layout, encode};
use super::odd_jpegs::{icc, without};
use super::{SIZE, Sample, converted, display_p3, sample};
use crate::images::{JpegKind, jpeg_cmyk, jpeg_of, jpeg_oriented, noise, picture, with_segment};

pub(super) const APP2: u8 = 0xe2;
pub(super) const APP14: u8 = 0xee;

pub(super) fn all() -> Vec<Sample> {
    let (width, height) = SIZE;
    let of = |kind| jpeg_of(kind, width, height);
    let sampled = |subsampling| of(JpegKind { subsampling, ..JpegKind::default() });
    let plain = sampled(Subsamp::Sub2x2);
    let cmyk = jpeg_cmyk(width, height);
    let restarts = |factors| encode(&Layout { factors, restart_interval: 4, ..Layout::default() });
    let mut all = vec![
        sample("420.jpg", plain.clone()),
        sample("422.jpg", sampled(Subsamp::Sub2x1)),
        sample("440.jpg", sampled(Subsamp::Sub1x2)),
        sample("444.jpg", sampled(Subsamp::None)),
        sample("411.jpg", sampled(Subsamp::Sub4x1)),
        sample("restarts_420.jpg", restarts([(2, 2), (1, 1), (1, 1)])),
        sample("restarts_422.jpg", restarts([(2, 1), (1, 1), (1, 1)])),
        sample("progressive.jpg", of(JpegKind { is_progressive: true, ..JpegKind::default() })),
        sample("arithmetic.jpg", of(JpegKind { is_arithmetic: true, ..JpegKind::default() })),
        converted("gray.jpg", sampled(Subsamp::Gray)),
        sample("cmyk.jpg", cmyk.clone()),
        converted("cmyk_no_adobe.jpg", without(&cmyk, APP14)),
        sample("rgb_adobe.jpg", rgb()),
        converted("profile_p3.jpg", with_segment(&plain, APP2, &icc(&display_p3(), 1, 1))),
        sample("trailer.jpg", [plain, noise(5000)].concat()),
    ];
    let names = ["2", "3", "4", "5", "6", "7", "8"].map(|number| format!("orientation_{number}.jpg"));
    let turned = (2..).zip(names).map(|(turn, name)| sample(name, jpeg_oriented(width, height, turn)));
    all.extend(turned);
    all
}

/// RGB components, which the Adobe marker declares.
fn rgb() -> Vec<u8> {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let mut compressor = Compressor::new().unwrap();
    compressor.set_subsamp(Subsamp::None).unwrap();
    compressor.set_colorspace(Colorspace::RGB).unwrap();
    let pixels = picture(SIZE.0, SIZE.1);
    compressor
        .compress_to_vec(Image { pixels: &pixels[..], width, pitch: 3 * width, height, format: PixelFormat::RGB })
        .unwrap()
}
