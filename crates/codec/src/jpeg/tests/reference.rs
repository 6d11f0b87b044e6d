//! A reference for scaled decoding: decodes with libjpeg-turbo at full size, then scales like the scaled inverse
//! transform, by leaving out the frequencies that a smaller block cannot hold. libjpeg-turbo's own scaling to 2/8 and
//! 4/8 averages samples instead.

use std::f64::consts::{PI, SQRT_2};

use turbojpeg::{Decompressor, YuvImage};

use super::{Planes, Segments};

/// The planes of a baseline JPEG at `eighths / 8` of its size.
pub(super) fn scaled(bytes: &[u8], eighths: usize) -> Planes {
    let mut decompressor = Decompressor::new().unwrap();
    let header = decompressor.read_header(bytes).unwrap();
    let whole = with_whole_mcus(bytes);
    let padded = decompressor.read_header(&whole).unwrap();
    let (width, height, subsamp) = (padded.width, padded.height, padded.subsamp);
    let mut full = Planes::blank((width, height), subsamp);
    let pixels = full.samples.as_mut_slice();
    decompressor.decompress_to_yuv(&whole, YuvImage { pixels, width, align: 1, height, subsamp }).unwrap();

    let side = |side: usize| (side * eighths).div_ceil(8);
    let mut planes = Planes::blank((side(header.width), side(header.height)), subsamp);
    for (small, large) in planes.parts_mut().into_iter().zip(full.parts_mut()) {
        let smaller = scaled_plane(large.samples, large.width, eighths);
        let stride = large.width / 8 * eighths;
        for (to, from) in small.samples.chunks_mut(small.width).zip(smaller.chunks(stride)) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }
    planes.crop();
    planes
}

/// The same file with larger dimensions in its frame header, so that the padding of the last MCUs counts as picture.
/// The scans of a progressive file lack some of those blocks.
fn with_whole_mcus(bytes: &[u8]) -> Vec<u8> {
    let mut segments = Segments::new(bytes);
    let is_frame = |marker| matches!(marker, 0xc0..=0xc2 | 0xc9 | 0xca);
    let frame = std::iter::from_fn(|| segments.next()).find(|segment| is_frame(segment.marker)).unwrap().body;
    let mut whole = bytes.to_vec();
    let body = &mut whole[frame];
    let factors: Vec<u8> = body[6..].chunks(3).map(|component| component[1]).collect();
    let most = |of: fn(u8) -> u8| u16::from(factors.iter().map(|factor| of(*factor)).max().unwrap());
    for (place, factor) in [(1, most(|factor| factor & 15)), (3, most(|factor| factor >> 4))] {
        let side = u16::from_be_bytes([body[place], body[place + 1]]).next_multiple_of(8 * factor);
        body[place..place + 2].copy_from_slice(&side.to_be_bytes());
    }
    whole
}

/// Scales a plane of whole blocks to `side` samples per block side.
fn scaled_plane(samples: &[u8], width: usize, side: usize) -> Vec<u8> {
    let weights = weights(side);
    let (across, stride) = (width / 8, width / 8 * side);
    let mut smaller = vec![0; samples.len() / 64 * side * side];
    for block in 0..samples.len() / 64 {
        let (row, column) = (block / across, block % across);
        for y in 0..side {
            for x in 0..side {
                let line = |i: usize| -> f64 {
                    let first = (8 * row + i) * width + 8 * column;
                    let pairs = samples[first..first + 8].iter().zip(&weights[x]);
                    pairs.map(|(own, weight)| f64::from(*own) * weight).sum()
                };
                let value: f64 = (0..8).map(|i| weights[y][i] * line(i)).sum();
                smaller[(row * side + y) * stride + column * side + x] = (value + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
    }
    smaller
}

/// The weight of each of the 8 input samples for each of the `side` output samples: the transform to the frequencies
/// below `side`, and back.
fn weights(side: usize) -> Vec<[f64; 8]> {
    let wave = |frequency: usize, at: usize, length: usize| {
        let height = if frequency == 0 { 1.0 } else { SQRT_2 };
        height * (PI * (2 * at + 1) as f64 * frequency as f64 / (2 * length) as f64).cos()
    };
    let weight =
        |x: usize, i: usize| (0..side).map(|frequency| wave(frequency, x, side) * wave(frequency, i, 8) / 8.0).sum();
    (0..side).map(|x| std::array::from_fn(|i| weight(x, i))).collect()
}
