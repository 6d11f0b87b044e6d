//! JPEGs with oddities that cost no pixel.

use moxcms::ColorProfile;

use super::baseline::{Layout, encode};
use super::jpegs::{APP2, APP14};
use super::{SIZE, Sample, converted, display_p3, sample};
use crate::images::{jpeg, jpeg_gray, jpeg_oriented, jpeg_progressive, noise, with_segment};

const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const DHT: u8 = 0xc4;
const DQT: u8 = 0xdb;
const SOS: u8 = 0xda;
pub(super) const SOF0: u8 = 0xc0;
const EOI_BYTES: usize = 2;

/// A marker segment in front of the first scan's data.
pub(super) struct Segment {
    pub(super) marker: u8,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The segments up to the header of the first scan, with that header.
pub(super) fn segments(jpeg: &[u8]) -> Vec<Segment> {
    let mut all: Vec<Segment> = Vec::new();
    while all.last().is_none_or(|it| it.marker != SOS) {
        let start = all.last().map_or(2, |it| it.end);
        let length = usize::from(u16::from_be_bytes([jpeg[start + 2], jpeg[start + 3]]));
        all.push(Segment { marker: jpeg[start + 1], start, end: start + 2 + length });
    }
    all
}

/// The first segment with this marker.
pub(super) fn segment(jpeg: &[u8], marker: u8) -> Segment {
    segments(jpeg).into_iter().find(|it| it.marker == marker).unwrap()
}

/// The same JPEG without the segments with this marker.
pub(super) fn without(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let all = segments(jpeg);
    let kept = all.iter().filter(|it| it.marker != marker).flat_map(|it| &jpeg[it.start..it.end]).copied();
    jpeg[..2].iter().copied().chain(kept).chain(jpeg[all.last().unwrap().end..].iter().copied()).collect()
}

/// The same JPEG with these bytes in front of the first segment with this marker.
pub(super) fn with_before(jpeg: &[u8], marker: u8, bytes: &[u8]) -> Vec<u8> {
    let (head, tail) = jpeg.split_at(segment(jpeg, marker).start);
    [head, bytes, tail].concat()
}

/// The same JPEG with another byte at this place.
pub(super) fn with_byte(jpeg: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut edited = jpeg.to_vec();
    edited[at] = byte;
    edited
}

/// The body of an APP2 segment with a part of a profile.
pub(super) fn icc(profile: &[u8], number: u8, count: u8) -> Vec<u8> {
    [b"ICC_PROFILE\0", &[number, count][..], profile].concat()
}

/// A whole segment.
pub(super) fn whole_segment(marker: u8, body: &[u8]) -> Vec<u8> {
    with_segment(&[0xff, 0xd8], marker, body).split_off(2)
}

/// A TIFF structure whose only entry is an orientation of 6 with this type and count.
pub(super) fn orientation_6(kind: u16, count: u32) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0\x01\0\x12\x01".to_vec();
    out.extend([&kind.to_le_bytes()[..], &count.to_le_bytes(), &[6, 0, 0, 0, 0, 0, 0, 0]].concat());
    out
}

pub(super) fn all() -> Vec<Sample> {
    let plain = jpeg(SIZE.0, SIZE.1);
    [headers(&plain), profiles(&plain), orientations(&plain), scans(&plain)].into_iter().flatten().collect()
}

fn headers(plain: &[u8]) -> Vec<Sample> {
    let bare = without(plain, APP0);
    let adobe = |transform| whole_segment(APP14, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
    let version = segment(plain, APP0).start + 9;
    let parameters = segment(plain, SOS).end - 3;
    let zeroed = [&plain[..parameters], &[0; 3], &plain[parameters + 3..]].concat();
    vec![
        sample("scan_parameters_zero.jpg", zeroed),
        sample("jfif_version_0.jpg", with_byte(plain, version, 0)),
        sample("adobe_transform_2.jpg", with_before(&bare, DQT, &adobe(2))),
        sample("adobe_transform_9.jpg", with_before(&bare, DQT, &adobe(9))),
        sample("zeros_between_segments.jpg", with_before(plain, DQT, &[0; 4])),
        sample("fill_bytes.jpg", with_before(plain, DQT, &[0xff; 5])),
        sample("no_huffman_tables.jpg", without(plain, DHT)),
    ]
}

fn profiles(plain: &[u8]) -> Vec<Sample> {
    let p3 = display_p3();
    let (first, second) = p3.split_at(p3.len() / 2);
    let part = |bytes, number, count| whole_segment(APP2, &icc(bytes, number, count));
    let front = |parts: &[Vec<u8>]| with_before(plain, DQT, &parts.concat());
    let whole = part(&p3, 1, 1);
    let behind = with_before(&front(std::slice::from_ref(&whole)), SOS, &whole);
    let rgb = ColorProfile::new_srgb().encode().unwrap();
    let gray = with_segment(&jpeg_gray(SIZE.0, SIZE.1), APP2, &icc(&rgb, 1, 1));
    vec![
        converted("profile_twice.jpg", front(&[whole.clone(), whole])),
        converted("profile_behind_frame.jpg", behind),
        converted("profile_part_0_of_1.jpg", front(&[part(&p3, 0, 1)])),
        converted("profile_parts_swapped.jpg", front(&[part(second, 2, 2), part(first, 1, 2)])),
        converted("profile_part_missing.jpg", front(&[part(first, 1, 2)])),
        converted("profile_garbage.jpg", front(&[part(&noise(300), 1, 1)])),
        converted("gray_with_rgb_profile.jpg", gray),
    ]
}

fn orientations(plain: &[u8]) -> Vec<Sample> {
    let [byte, short, long] = [1, 3, 4];
    let exif = |tiff: &[u8]| whole_segment(APP1, &[b"Exif\0\0", tiff].concat());
    let six = orientation_6(short, 1);
    let mut one = six.clone();
    one[18] = 1;
    let front = |segments: &[Vec<u8>]| [&plain[..2], &segments.concat(), &plain[2..]].concat();
    let turned = jpeg_oriented(SIZE.0, SIZE.1, 6);
    let exif_of_turned = segment(&turned, APP1);
    let moved = with_before(&without(&turned, APP1), SOS, &turned[exif_of_turned.start..exif_of_turned.end]);
    vec![
        sample("orientation_long.jpg", front(&[exif(&orientation_6(long, 1))])),
        sample("orientation_byte.jpg", front(&[exif(&orientation_6(byte, 1))])),
        sample("orientation_count_2.jpg", front(&[exif(&orientation_6(short, 2))])),
        sample("orientation_second_exif.jpg", front(&[exif(&one), exif(&six)])),
        sample("orientation_behind_frame.jpg", moved),
    ]
}

fn scans(plain: &[u8]) -> Vec<Sample> {
    let (body, end) = plain.split_at(plain.len() - EOI_BYTES);
    let rubbish: Vec<u8> = noise(600).into_iter().filter(|byte| *byte != 0xff).collect();
    let second = [body, &[0; 40], end, &jpeg_gray(SIZE.0, SIZE.1)].concat();
    let luma_below = Layout { factors: [(1, 1), (2, 2), (2, 2)], ..Layout::default() };
    let progressive = jpeg_progressive(SIZE.0, SIZE.1);
    let first_scan = segment(&progressive, SOS).end;
    let next = first_scan + progressive[first_scan..].windows(2).position(|it| it == [0xff, DHT]).unwrap();
    vec![
        sample("zeros_then_second_jpeg.jpg", second),
        sample("leftovers_behind_last_mcu.jpg", [body, &rubbish, end].concat()),
        sample("no_end_marker.jpg", body.to_vec()),
        sample("restart_misnumbered.jpg", restart_misnumbered()),
        sample("three_scans.jpg", encode(&Layout { is_interleaved: false, ..Layout::default() })),
        sample("luma_below_chroma.jpg", encode(&luma_below)),
        sample("one_dc_scan.jpg", [&progressive[..next], end].concat()),
    ]
}

/// One restart marker has the number of the next one; all intervals are whole.
fn restart_misnumbered() -> Vec<u8> {
    // Two rows of MCUs.
    let mut jpeg = encode(&Layout { restart_interval: 40, ..Layout::default() });
    let at = restart_markers(&jpeg)[2];
    jpeg[at + 1] += 1;
    jpeg
}

/// Where the restart markers are.
pub(super) fn restart_markers(jpeg: &[u8]) -> Vec<usize> {
    let data = segment(jpeg, SOS).end;
    (data..jpeg.len() - 1).filter(|&at| jpeg[at] == 0xff && (0xd0..0xd8).contains(&jpeg[at + 1])).collect()
}
