//! Encodes pictures with libjpeg-turbo in every mode that it supports, and compares darkroom's rendering with its own.
#![no_main]

use darkroom_thumbnail::{Recipe, Size, Limits, Stop, render};
use libfuzzer_sys::fuzz_target;
use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, Subsamp, YuvImage};

/// The largest permitted sample difference: both decoders round, and the thumbnail is encoded again at the best
/// quality.
const TOLERANCE: u8 = 6;

const LAYOUTS: [Subsamp; 6] =
    [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Gray, Subsamp::Sub1x2, Subsamp::Sub4x1];

fuzz_target!(|input: &[u8]| {
    let Some((&[coding, layout, width, height, quality, scale], pixels)) = input.split_first_chunk() else { return };
    if pixels.is_empty() {
        return;
    }
    let (width, height) = (1 + usize::from(width), 1 + usize::from(height));
    let sample = |at: usize| pixels[at / (1 + usize::from(scale)) % pixels.len()];
    let samples: Vec<u8> = (0..3 * width * height).map(sample).collect();
    let mut compressor = Compressor::new().unwrap();
    compressor.set_progressive(coding & 1 != 0).unwrap();
    compressor.set_arithmetic(coding & 2 != 0).unwrap();
    compressor.set_optimize(coding & 4 != 0).unwrap();
    compressor.set_subsamp(LAYOUTS[usize::from(layout) % LAYOUTS.len()]).unwrap();
    compressor.set_quality(1 + i32::from(quality) % 100).unwrap();
    let image = Image { pixels: samples.as_slice(), width, pitch: 3 * width, height, format: PixelFormat::RGB };
    let file = compressor.compress_to_vec(image).unwrap();

    let limits = Limits { max_bytes: 1 << 22, max_pixels: 1 << 20, stop: Stop::default() };
    let sizes = vec![Size { name: "whole".to_owned(), side: 256 }];
    let recipe = Recipe { sizes, jpeg_quality: 100, jpeg_optimize: false };
    let rendered = render(&file, &recipe, &limits).unwrap_or_else(|error| panic!("{error}"));
    let (own, reference) = (luma(&rendered.thumbnails[0].bytes), luma(&file));
    assert_eq!(own.len(), reference.len());
    let off = own.iter().zip(&reference).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
    assert!(off <= TOLERANCE, "{off} off");
});

/// Decodes the luma of a file with libjpeg-turbo.
fn luma(file: &[u8]) -> Vec<u8> {
    let mut decompressor = Decompressor::new().unwrap();
    let header = decompressor.read_header(file).unwrap();
    let (width, height, subsamp) = (header.width, header.height, header.subsamp);
    let mut planes = vec![0; turbojpeg::yuv_pixels_len(width, 1, height, subsamp).unwrap()];
    let yuv = YuvImage { pixels: planes.as_mut_slice(), width, align: 1, height, subsamp };
    decompressor.decompress_to_yuv(file, yuv).unwrap();
    // Rows of luma are padded to whole chroma samples.
    let stride = width.next_multiple_of(subsamp.width());
    planes.chunks(stride).take(height).flat_map(|row| row[..width].to_vec()).collect()
}
