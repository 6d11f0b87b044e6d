//! Compares the decoder with libjpeg-turbo, and tests the files that it rejects.

mod reference;

use std::time::Instant;

use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp};

use super::*;

/// The parameters of an encoded file.
#[derive(Clone, Copy, Debug)]
struct Kind {
    is_progressive: bool,
    is_arithmetic: bool,
    subsampling: Subsamp,
    quality: i32,
}

const BASELINE: Kind = Kind { is_progressive: false, is_arithmetic: false, subsampling: Subsamp::Sub2x2, quality: 80 };

/// Baseline, progressive, and both with arithmetic coding.
fn codings() -> [Kind; 4] {
    let coding = |is_progressive, is_arithmetic| Kind { is_progressive, is_arithmetic, ..BASELINE };
    [coding(false, false), coding(true, false), coding(false, true), coding(true, true)]
}

/// A JPEG of waves and noise.
fn picture(kind: Kind, width: usize, height: usize) -> Vec<u8> {
    let sample = |at: usize| {
        let (x, y) = ((at / 3 % width) as f64, (at / 3 / width) as f64);
        let noise = (at as u32).wrapping_mul(2_654_435_761).rotate_left(9) % 24;
        (120.0 + 90.0 * (x / 7.0 + at as f64 % 3.0).sin() * (y / 11.0).cos()) as u8 + noise as u8
    };
    encoded(kind, width, height, sample)
}

fn encoded(kind: Kind, width: usize, height: usize, sample: impl Fn(usize) -> u8) -> Vec<u8> {
    let pixels: Vec<u8> = (0..3 * width * height).map(sample).collect();
    let mut compressor = Compressor::new().unwrap();
    compressor.set_progressive(kind.is_progressive).unwrap();
    compressor.set_arithmetic(kind.is_arithmetic).unwrap();
    compressor.set_subsamp(kind.subsampling).unwrap();
    compressor.set_quality(kind.quality).unwrap();
    let image = Image { pixels: pixels.as_slice(), width, pitch: 3 * width, height, format: PixelFormat::RGB };
    compressor.compress_to_vec(image).unwrap()
}

/// The planes of a picture, one after another in libjpeg-turbo's layout.
struct Planes {
    size: (usize, usize),
    subsampling: Subsamp,
    samples: Vec<u8>,
}

impl Planes {
    fn blank(size: (usize, usize), subsampling: Subsamp) -> Self {
        let length = turbojpeg::yuv_pixels_len(size.0, 1, size.1, subsampling).unwrap();
        Self { size, subsampling, samples: vec![0; length] }
    }

    /// Each plane with its row length.
    fn parts_mut(&mut self) -> Vec<PlaneMut<'_>> {
        let (across, down) = (self.subsampling.width(), self.subsampling.height());
        let (width, height) = self.size;
        let luma = (width.next_multiple_of(across), height.next_multiple_of(down));
        let chroma = (width.div_ceil(across), height.div_ceil(down));
        let mut rest = self.samples.as_mut_slice();
        let shapes = if self.subsampling == Subsamp::Gray { vec![luma] } else { vec![luma, chroma, chroma] };
        let part = |(width, height)| PlaneMut { width, samples: rest.split_off_mut(..width * height).unwrap() };
        shapes.into_iter().map(part).collect()
    }

    /// Sets the padding of luma outside the picture to zero.
    fn crop(&mut self) {
        let (width, height) = self.size;
        let PlaneMut { width: stored, samples } = self.parts_mut().swap_remove(0);
        samples.chunks_mut(stored).take(height).for_each(|row| row[width..].fill(0));
        samples[stored * height..].fill(0);
    }
}

fn decode_planes(bytes: &[u8], eighths: u32, planes: &mut Planes, stop: &Stop) -> Result<Decoded, Error> {
    let decoded = decode(bytes, eighths, &mut planes.parts_mut(), stop)?;
    planes.crop();
    Ok(decoded)
}

/// The planes from this decoder, and those from libjpeg-turbo.
fn both(bytes: &[u8], eighths: u32) -> (Planes, Planes) {
    let mut decompressor = Decompressor::new().unwrap();
    let header = decompressor.read_header(bytes).unwrap();
    decompressor.set_scaling_factor(ScalingFactor::new(eighths as usize, 8)).unwrap();
    let scaled = |side: usize| (side * eighths as usize).div_ceil(8);
    let blank = || Planes::blank((scaled(header.width), scaled(header.height)), header.subsamp);
    let (mut own, mut theirs) = (blank(), blank());
    let Planes { size: (width, height), subsampling, ref mut samples } = theirs;
    let yuv = turbojpeg::YuvImage { pixels: samples.as_mut_slice(), width, height, align: 1, subsamp: subsampling };
    decompressor.decompress_to_yuv(bytes, yuv).unwrap();
    theirs.crop();
    let decoded = decode_planes(bytes, eighths, &mut own, &Stop::default());
    decoded.unwrap_or_else(|error| panic!("{error:?}"));
    (own, theirs)
}

/// The largest difference between two samples.
fn most_off(own: &Planes, theirs: &Planes) -> u8 {
    own.samples.iter().zip(&theirs.samples).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

#[test]
fn planes_are_those_of_libjpeg_turbo_to_a_rounding() {
    let layouts = [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Gray, Subsamp::Sub1x2, Subsamp::Sub4x1];
    let sizes = [(160, 96, 97), (131, 77, 80), (17, 9, 50), (1, 1, 90), (64, 64, 100)];
    for coding in codings() {
        for subsampling in layouts {
            for (width, height, quality) in sizes {
                let bytes = picture(Kind { subsampling, quality, ..coding }, width, height);
                for eighths in 1..=8 {
                    let (own, mut theirs) = both(&bytes, eighths);
                    // At a half and a quarter, libjpeg averages samples instead of leaving out high frequencies.
                    if matches!(eighths, 2 | 4) {
                        let baseline = picture(Kind { subsampling, quality, ..BASELINE }, width, height);
                        theirs = reference::scaled(&baseline, eighths as usize);
                    }
                    let most = most_off(&own, &theirs);
                    assert!(most <= 2, "{coding:?} {subsampling:?} {width}x{height}, {eighths}/8: {most} off");
                }
            }
        }
    }
}

#[test]
fn flat_pictures_leave_out_zeros_at_their_end() {
    for coding in codings() {
        for (flat_from, shade) in [(0, 255), (0, 128), (0, 0), (1, 255), (3 * 500 * 100, 255), (3 * 500 * 100, 0)] {
            let noise = |at: usize| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0];
            let bytes = encoded(coding, 500, 400, |at| if at < flat_from { noise(at) } else { shade });
            let (own, theirs) = both(&bytes, 8);
            assert!(most_off(&own, &theirs) <= 2, "{coding:?}, {shade} from {flat_from}");
        }
    }
}

/// Found by fuzzing: every block is the same, so all decisions are the more probable ones while the estimates still
/// adapt.
#[test]
fn patterns_that_repeat_themselves_leave_out_more() {
    for coding in codings() {
        let kind = Kind { subsampling: Subsamp::None, quality: 1, ..coding };
        let bytes = encoded(kind, 256, 256, |at| [0xff, 0x32, 0x47, 0x19][at / 2 % 4]);
        let (own, theirs) = both(&bytes, 8);
        assert!(most_off(&own, &theirs) <= 2, "{coding:?}");
    }
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../tests/golden/sources/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

#[test]
fn restart_markers_are_gone_over_whatever_their_numbers() {
    for name in ["restart_markers.jpg", "restart_markers_progressive.jpg"] {
        let mut bytes = golden(name);
        let (own, theirs) = both(&bytes, 8);
        assert!(most_off(&own, &theirs) <= 2, "{name}");
        let markers: Vec<usize> = (1..bytes.len()).filter(|&at| is_restart(&bytes[at - 1..=at])).collect();
        bytes[markers[markers.len() / 2]] ^= 3;
        let mut again = Planes::blank(own.size, own.subsampling);
        decode_planes(&bytes, 8, &mut again, &Stop::default()).unwrap();
        assert_eq!(again.samples, own.samples, "{name}");
    }
}

fn is_restart(pair: &[u8]) -> bool {
    pair[0] == 0xff && (0xd0..=0xd7).contains(&pair[1])
}

/// The result for a file of 64 x 64 pixels in 4:2:0.
fn decoded(bytes: &[u8]) -> Result<bool, Error> {
    let mut planes = Planes::blank((24, 24), Subsamp::Sub2x2);
    decode_planes(bytes, 3, &mut planes, &Stop::default())
        .map(|decoded| !decoded.oddities.contains(&Oddity::MissingEnd))
}

#[test]
fn a_file_that_is_cut_anywhere_but_at_its_end_marker_is_damaged() {
    for kind in codings() {
        let fine = picture(kind, 64, 64);
        assert_eq!(decoded(&fine), Ok(true));
        let end = fine.len() - 2;
        for length in 0..=fine.len() {
            let outcome = decoded(&fine[..length]);
            match length {
                _ if length == fine.len() => assert_eq!(outcome, Ok(true)),
                // Only Huffman-coded data shows whether it is complete.
                _ if length >= end && !kind.is_arithmetic => assert_eq!(outcome, Ok(false), "{kind:?} cut at {length}"),
                _ => assert!(matches!(outcome, Err(Error::Damaged(_))), "{kind:?} cut at {length}"),
            }
        }
    }
}

#[test]
fn what_follows_the_last_block_of_a_scan_is_left_out() {
    for kind in codings() {
        let fine = picture(kind, 64, 64);
        let end = fine.len() - 2;
        for leftovers in
            [&b"\0"[..], b"\0\0\0\0\0\0\0\0\0\0\0\0", b"rubbish \xff\0 and more", b"\xff\xff\xff", b"\xff\xd0"]
        {
            assert_eq!(decoded(&[&fine[..end], leftovers, &fine[end..]].concat()), Ok(true), "{kind:?} {leftovers:?}");
        }
        let second = picture(BASELINE, 16, 16);
        assert_eq!(decoded(&[&fine[..], &second].concat()), Ok(true));
    }
}

#[test]
fn a_progression_may_be_unfinished_but_not_cut() {
    let fine = picture(Kind { is_progressive: true, ..BASELINE }, 64, 64);
    let end = fine.len() - 2;
    let scan = (0..end).rfind(|&at| fine[at..].starts_with(b"\xff\xda")).unwrap();
    assert_eq!(decoded(&[&fine[..scan], &fine[end..]].concat()), Ok(true));
    assert_eq!(decoded(&fine[..scan]), Err(Error::Damaged(Damage::Incomplete)));
    // Repeating the last scan repeats bits.
    let repeated = [&fine[..end], &fine[scan..]].concat();
    assert_eq!(decoded(&repeated), Err(Error::Damaged(Damage::Progression)));
}

#[test]
fn intervals_that_are_dropped_or_doubled_are_damage() {
    let fine = golden("restart_markers.jpg");
    let (own, _) = both(&fine, 3);
    let outcome = |bytes: &[u8]| {
        let mut planes = Planes::blank(own.size, own.subsampling);
        decode_planes(bytes, 3, &mut planes, &Stop::default()).map(|_| ())
    };
    assert_eq!(outcome(&fine), Ok(()));
    let markers: Vec<usize> = (0..fine.len() - 1).filter(|&at| is_restart(&fine[at..at + 2])).collect();
    let (first, second) = (markers[0], markers[1]);
    let dropped = [&fine[..first], &fine[second..]].concat();
    assert_eq!(outcome(&dropped), Err(Error::Damaged(Damage::EndsEarly)));
    let doubled = [&fine[..second], &fine[first..]].concat();
    assert_eq!(outcome(&doubled), Err(Error::Damaged(Damage::ExtraRestart)));
    let short = [&fine[..second - 6], &fine[second..]].concat();
    assert!(matches!(outcome(&short), Err(Error::Damaged(_))));
    let long = [&fine[..second], b"\0", &fine[second..]].concat();
    assert_eq!(outcome(&long), Err(Error::Damaged(Damage::MissingRestart)));
}

#[test]
fn it_stops_between_rows_on_request() {
    for kind in codings() {
        let bytes = picture(kind, 64, 64);
        let mut planes = Planes::blank((24, 24), Subsamp::Sub2x2);
        let error = decode_planes(&bytes, 3, &mut planes, &Stop::at(Instant::now())).unwrap_err();
        assert_eq!(error, Error::Stopped(Stopped::Deadline));
    }
}
