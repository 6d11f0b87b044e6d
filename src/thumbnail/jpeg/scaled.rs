//! Decoding a JPEG small: only the coefficients that a scaled picture shows are kept.
//!
//! libjpeg makes numbers of all coefficients and then leaves most of them out. Here those that are not shown are gone
//! over several at a time; nothing is lost by it, for the inverse transform to fewer samples uses no others. A
//! progressive file, whose coefficients must be kept until its last scan, takes a quarter of libjpeg's memory, and its
//! refinement bits are read in runs.
//!
//! It takes flawless files alone. Whatever is out of the ordinary, damage above all, is [`Unusual`] and left to
//! libjpeg-turbo, which then decides what it is.

mod bits;
mod blocks;
mod frame;
mod huffman;
mod lookahead;
mod scan;
mod sequential;
mod transform;

use super::super::dispatch::dispatched;
use super::super::planes::Planes;
use super::super::{Stop, Stopped};

use blocks::Blocks;
use frame::{Component, Frame, Tables};
use scan::Scan;
use sequential::Sequential;
use transform::Transform;

/// The file has something that this decoder leaves to libjpeg-turbo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unusual;

/// Why there is no picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Halt {
    Unusual,
    Stopped(Stopped),
}

impl From<Unusual> for Halt {
    fn from(_: Unusual) -> Self {
        Self::Unusual
    }
}

impl From<Stopped> for Halt {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

/// A band of coefficients in zigzag order, and how many of their last bits are still to come.
#[derive(Clone, Copy, Debug)]
struct Band {
    first: u32,
    last: u32,
    low: u32,
}

/// Fills `planes` with the picture at so many eighths of its size.
pub(super) fn decode(bytes: &[u8], eighths: u32, planes: &mut Planes, stop: &Stop) -> Result<(), Halt> {
    // The last coefficient of a square of so many a side, in zigzag order, and those before it.
    match eighths {
        1 => decode_square::<1, 1>(bytes, planes, stop),
        2 => decode_square::<2, 5>(bytes, planes, stop),
        3 => decode_square::<3, 13>(bytes, planes, stop),
        4 => decode_square::<4, 25>(bytes, planes, stop),
        5 => decode_square::<5, 40>(bytes, planes, stop),
        6 => decode_square::<6, 52>(bytes, planes, stop),
        7 => decode_square::<7, 60>(bytes, planes, stop),
        8 => decode_square::<8, 64>(bytes, planes, stop),
        _ => Err(Halt::Unusual),
    }
}

fn decode_square<const N: usize, const K: usize>(bytes: &[u8], planes: &mut Planes, stop: &Stop) -> Result<(), Halt> {
    let mut segments = frame::Segments::new(bytes)?;
    let mut tables = Tables::default();
    let mut frame: Option<Frame> = None;
    let mut blocks: Vec<Blocks<K>> = Vec::new();
    loop {
        let (marker, body) = segments.next()?;
        match marker {
            0xc4 => tables.read_huffman(body)?,
            0xdb => tables.read_quantisation(body)?,
            0xdd => tables.read_restart_interval(body)?,
            0xc0 | 0xc1 if frame.is_none() => frame = Some(Frame::read(body)?),
            0xc2 if frame.is_none() => {
                let read = Frame::read(body)?;
                blocks = read.components.iter().map(|own| Blocks::new(own.stride(), own.rows())).collect();
                frame = Some(read);
            }
            0xda if blocks.is_empty() => {
                let frame = frame.as_mut().ok_or(Unusual)?;
                let scan = Sequential::read(body, frame, &tables)?;
                segments.at = scan.run::<N, K>(bytes, segments.at, frame, planes, stop)?;
                planes.fill_up();
            }
            0xda => {
                let frame = frame.as_mut().ok_or(Unusual)?;
                let scan = Scan::read(body, frame, &tables)?;
                segments.at = scan.run(bytes, segments.at, frame, &mut blocks, stop)?;
            }
            0xe0..=0xef | 0xfe => {}
            0xd9 => break,
            _ => return Err(Halt::Unusual),
        }
    }
    let frame = frame.filter(Frame::is_complete).ok_or(Unusual)?;
    if blocks.is_empty() {
        // One scan was painted as it came.
        return Ok(());
    }
    paint::<N, K>(&frame.components, &blocks, planes, stop)
}

fn paint<const N: usize, const K: usize>(
    components: &[Component],
    blocks: &[Blocks<K>],
    planes: &mut Planes,
    stop: &Stop,
) -> Result<(), Halt> {
    let mut count = 0;
    for ((width, plane), (component, blocks)) in planes.parts_mut().zip(components.iter().zip(blocks)) {
        stop.check()?;
        let quantisation = component.quantisation.as_ref().ok_or(Unusual)?;
        if width > blocks.stride * N || plane.len() > width * N * component.rows() {
            return Err(Halt::Unusual);
        }
        let transform = Transform::<N, K>::new(quantisation);
        dispatched(
            #[inline(always)]
            || transform.apply(blocks, plane, width),
        );
        count += 1;
    }
    planes.fill_up();
    if count == components.len() { Ok(()) } else { Err(Halt::Unusual) }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

    use super::super::super::geometry::Dimensions;
    use super::*;

    /// A JPEG of waves and noise.
    fn picture(is_progressive: bool, width: usize, height: usize, subsampling: Subsamp, quality: i32) -> Vec<u8> {
        let sample = |at: usize| {
            let (x, y) = ((at / 3 % width) as f64, (at / 3 / width) as f64);
            let noise = (at as u32).wrapping_mul(2_654_435_761).rotate_left(9) % 24;
            (120.0 + 90.0 * (x / 7.0 + at as f64 % 3.0).sin() * (y / 11.0).cos()) as u8 + noise as u8
        };
        let pixels: Vec<u8> = (0..3 * width * height).map(sample).collect();
        let mut compressor = Compressor::new().unwrap();
        compressor.set_progressive(is_progressive).unwrap();
        compressor.set_subsamp(subsampling).unwrap();
        compressor.set_quality(quality).unwrap();
        let image = Image { pixels: pixels.as_slice(), width, pitch: 3 * width, height, format: PixelFormat::RGB };
        compressor.compress_to_vec(image).unwrap()
    }

    /// What this decoder makes of a file, and what libjpeg-turbo makes of it.
    fn both(bytes: &[u8], eighths: u32) -> (Result<Planes, Halt>, Planes) {
        let mut decompressor = Decompressor::new().unwrap();
        let header = decompressor.read_header(bytes).unwrap();
        decompressor.set_scaling_factor(ScalingFactor::new(eighths as usize, 8)).unwrap();
        let size = Dimensions::new(header.width as u32, header.height as u32).eighths(eighths);
        let blank = || Planes::over(Vec::new(), size, header.subsamp);
        let (mut own, mut theirs) = (blank(), blank());
        decompressor.decompress_to_yuv(bytes, theirs.as_yuv_mut()).unwrap();
        theirs.fill_up();
        (decode(bytes, eighths, &mut own, &Stop::default()).map(|()| own), theirs)
    }

    #[test]
    fn planes_are_those_of_libjpeg_turbo_to_a_rounding() {
        let kinds = [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Gray, Subsamp::Sub1x2, Subsamp::Sub4x1];
        let sizes = [(160, 96, 97), (131, 77, 80), (17, 9, 50), (1, 1, 90), (64, 64, 100)];
        for (is_progressive, kind) in [false, true].into_iter().flat_map(|coding| kinds.map(|kind| (coding, kind))) {
            for (width, height, quality) in sizes {
                let bytes = picture(is_progressive, width, height, kind, quality);
                for eighths in 1..=8 {
                    let (own, theirs) = both(&bytes, eighths);
                    let what = format!("{is_progressive} {kind:?} {width}x{height} at {eighths}/8");
                    let own = own.unwrap_or_else(|halt| panic!("{halt:?}: {what}"));
                    let off = own.samples.iter().zip(&theirs.samples).map(|(a, b)| a.abs_diff(*b));
                    // libjpeg averages at a half and a quarter instead of leaving out what is too fine.
                    let tolerance = if matches!(eighths, 2 | 4) { 40 } else { 2 };
                    let most = off.max().unwrap_or(0);
                    assert!(most <= tolerance, "{what}: {most} off");
                }
            }
        }
    }

    #[test]
    fn restart_markers_are_gone_over() {
        for name in ["restart_markers.jpg", "restart_markers_progressive.jpg"] {
            let file = format!("{}/tests/golden/sources/{name}", env!("CARGO_MANIFEST_DIR"));
            let (own, theirs) = both(&std::fs::read(file).unwrap(), 8);
            assert!(own.unwrap().samples.iter().zip(&theirs.samples).all(|(a, b)| a.abs_diff(*b) <= 2), "{name}");
        }
    }

    #[test]
    fn only_flawless_files_are_taken() {
        for is_progressive in [false, true] {
            let fine = picture(is_progressive, 64, 64, Subsamp::Sub2x2, 80);
            let decoded = |bytes: &[u8]| {
                let mut planes = Planes::over(Vec::new(), Dimensions::new(24, 24), Subsamp::Sub2x2);
                decode(bytes, 3, &mut planes, &Stop::default())
            };
            assert_eq!(decoded(&fine), Ok(()));
            for length in 0..fine.len() {
                assert_eq!(decoded(&fine[..length]), Err(Halt::Unusual), "cut at {length}");
            }
            let end = fine.len() - 2;
            assert_eq!(decoded(&[&fine[..end], b"\0", &fine[end..]].concat()), Err(Halt::Unusual));
            // A scan left out: some bits never come.
            let scan = (0..end).rfind(|&at| fine[at..].starts_with(b"\xff\xda")).unwrap();
            assert_eq!(decoded(&[&fine[..scan], &fine[end..]].concat()), Err(Halt::Unusual));
        }
    }

    #[test]
    fn it_stops_between_rows_when_it_is_told() {
        for is_progressive in [false, true] {
            let bytes = picture(is_progressive, 64, 64, Subsamp::Sub2x2, 80);
            let mut planes = Planes::over(Vec::new(), Dimensions::new(24, 24), Subsamp::Sub2x2);
            let halt = decode(&bytes, 3, &mut planes, &Stop::at(Instant::now())).unwrap_err();
            assert_eq!(halt, Halt::Stopped(Stopped::Deadline));
        }
    }
}
