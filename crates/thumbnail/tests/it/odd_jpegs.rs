//! JPEGs with faults that cost no pixel: each is rendered like the same file without the fault, and the fault is
//! reported. JPEGs that lack pixels are refused.

mod leftovers;
mod profiles;
mod restarts;

use std::path::Path;

use darkroom_codec::jpeg::markers::{SOS, Segment, Segments};
use darkroom_thumbnail::{Limits, Recipe, RefusalReason, RenderError, Rendered, Size, Tolerated, render};

use crate::images;

const SOI: &[u8] = b"\xff\xd8";
const END: &[u8] = b"\xff\xd9";
const DHT: u8 = 0xc4;
const SOF: u8 = 0xc0;
const DQT: u8 = 0xdb;
const DRI: u8 = 0xdd;
const APP0: u8 = 0xe0;
const APP1: u8 = 0xe1;
const APP2: u8 = 0xe2;
const ADOBE: u8 = 0xee;
const COM: u8 = 0xfe;

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/sources").join(name)).unwrap()
}

/// Sequential files, Huffman-coded, with a JFIF marker: all layouts, with and without restart markers.
fn sequential() -> Vec<(&'static str, Vec<u8>)> {
    let names = [
        "sampling_420.jpg",
        "sampling_422.jpg",
        "sampling_422_restart_markers.jpg",
        "sampling_440.jpg",
        "sampling_444.jpg",
        "one_scan_per_component.jpg",
        "gray.jpg",
        "sampling_440_restart_markers.jpg",
        "restart_markers.jpg",
    ];
    names.map(|name| (name, golden(name))).into()
}

fn rendered(bytes: &[u8]) -> Result<Rendered, RenderError> {
    let sizes = [("small", 24), ("whole", 200)].map(|(name, side)| Size { name: name.to_owned(), side });
    render(bytes, &Recipe { sizes: sizes.into(), ..Recipe::default() }, &Limits::default())
}

/// Checks that a file is rendered like `plain`, and that exactly these oddities are reported.
fn assert_like(plain: &[u8], odd: &[u8], tolerated: &[Tolerated], what: &str) {
    let plain = rendered(plain).unwrap();
    let odd = rendered(odd).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(plain.tolerated, [].into(), "{what}");
    assert_eq!(odd.tolerated, tolerated.iter().copied().collect(), "{what}");
    assert!(odd.thumbnails == plain.thumbnails, "{what}: another picture");
}

fn assert_corrupt(bytes: &[u8], what: &str) {
    match rendered(bytes) {
        Err(RenderError::Refused(refusal)) => assert_eq!(refusal.reason, RefusalReason::Corrupt, "{what}"),
        other => panic!("{what}: {:?}", other.map(|rendered| rendered.tolerated)),
    }
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker][..], &length, body].concat()
}

/// The segments up to the first scan.
fn header(jpeg: &[u8]) -> Vec<Segment> {
    let mut segments = Segments::new(jpeg);
    let mut found: Vec<Segment> = segments.by_ref().take_while(|segment| segment.marker != SOS).collect();
    let mut scan = Segments::new(jpeg);
    found.extend(scan.find(|segment| segment.marker == SOS));
    found
}

/// Where the first segment with this marker begins, and where it ends.
fn place(jpeg: &[u8], marker: u8) -> (usize, usize) {
    let segment = header(jpeg).into_iter().find(|segment| segment.marker == marker).unwrap();
    (segment.body.start - 4, segment.body.end)
}

/// The file with these bytes before the first segment with this marker.
fn before(jpeg: &[u8], marker: u8, extra: &[u8]) -> Vec<u8> {
    let (start, _) = place(jpeg, marker);
    [&jpeg[..start], extra, &jpeg[start..]].concat()
}

/// The file with another segment in place of the first one with this marker.
fn replaced(jpeg: &[u8], marker: u8, new: &[u8]) -> Vec<u8> {
    let (start, end) = place(jpeg, marker);
    [&jpeg[..start], new, &jpeg[end..]].concat()
}

/// The parameters of the first segment with this marker.
fn body(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let (start, end) = place(jpeg, marker);
    jpeg[start + 4..end].to_vec()
}

/// The positions of every scan header's parameters.
fn scans(jpeg: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut segments = Segments::new(jpeg);
    let mut found = Vec::new();
    while let Some(segment) = segments.next() {
        if segment.marker == SOS {
            found.push(segment.body);
            segments.skip_scan();
        }
    }
    found
}

/// The positions of the restart markers' numbers.
fn restarts(jpeg: &[u8]) -> Vec<usize> {
    let first = scans(jpeg)[0].end;
    (first..jpeg.len()).filter(|&at| jpeg[at - 1] == 0xff && (0xd0..=0xd7).contains(&jpeg[at])).collect()
}

/// Samsung's cameras write zeros.
#[test]
fn spectral_selection_of_a_sequential_scan_is_ignored() {
    for (name, plain) in sequential() {
        for parameters in [[0, 0, 0], [0, 0, 1], [0, 63, 0x10], [1, 63, 0], [0, 62, 0], [63, 0, 0], [0xff; 3]] {
            let mut odd = plain.clone();
            scans(&plain).into_iter().for_each(|scan| odd[scan.end - 3..scan.end].copy_from_slice(&parameters));
            assert_like(&plain, &odd, &[Tolerated::ScanParameters], &format!("{name}, {parameters:?}"));
        }
    }
}

#[test]
fn bytes_between_segments_are_skipped() {
    let stray = [&[0; 4][..], &[0; 5000], b"text", b"\xff\0", b"\xff\xff\0\xff\0\xff", b"\xff\xd3", b"a\xff\x01b"];
    for (name, plain) in sequential() {
        for Segment { marker, .. } in header(&plain) {
            for bytes in stray {
                let odd = before(&plain, marker, bytes);
                assert_like(&plain, &odd, &[Tolerated::StrayBytes], &format!("{name}, {bytes:?} before {marker:#x}"));
            }
            for fine in [&b"\xff"[..], &[0xff; 300], &segment(COM, b"\xff\xd9\xff\xda"), &segment(COM, b"")] {
                assert_like(&plain, &before(&plain, marker, fine), &[], &format!("{name}, {fine:?} at {marker:#x}"));
            }
        }
    }
}

#[test]
fn application_data_does_not_matter() {
    let plain = golden("sampling_422.jpg");
    let thumbnail = images::jpeg(16, 16);
    for (marker, data) in [
        (APP0, [b"JFXX\0\x10".to_vec(), thumbnail.clone()].concat()),
        (APP0, b"JFIF\0\x01".to_vec()),
        (APP0, Vec::new()),
        (APP1, b"Exif\0\0II*\0\xff\xff\xff\xff".to_vec()),
        (APP1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff".to_vec()),
        (APP1, [b"Exif\0\0".to_vec(), thumbnail].concat()),
        (APP1, b"http://ns.adobe.com/xap/1.0/\0<x".to_vec()),
        (APP2, b"MPF\0MM\0*\0\0\0\x08".to_vec()),
        (APP2, b"ICC_PROFILE\0\x01".to_vec()),
        (APP2, b"ICC_PROFILE\0\x01\x01".to_vec()),
        (ADOBE, b"Adobe".to_vec()),
        (ADOBE, b"Adobe\0\x64\0\0\0\0".to_vec()),
    ] {
        for place in header(&plain).into_iter().map(|segment| segment.marker) {
            let odd = before(&plain, place, &segment(marker, &data));
            assert_like(&plain, &odd, &[], &format!("{marker:#x} {data:?} before {place:#x}"));
        }
    }
    // Lengths that do not even include themselves.
    for length in [0, 1] {
        assert_like(&plain, &before(&plain, DQT, &[0xff, APP1, 0, length]), &[], "a short length");
    }
}

#[test]
fn versions_and_transforms_do_not_matter() {
    for (name, plain) in sequential() {
        for major in [0, 2, 255] {
            let mut jfif = body(&plain, APP0);
            jfif[5] = major;
            let odd = replaced(&plain, APP0, &segment(APP0, &jfif));
            assert_like(&plain, &odd, &[Tolerated::JfifVersion], &format!("{name}, JFIF {major}"));
        }
        let has_colour = name != "gray.jpg";
        let bare = replaced(&plain, APP0, b"");
        for (transform, is_odd) in [(0, false), (1, false), (2, has_colour), (3, true), (255, true)] {
            let adobe = segment(ADOBE, &[b"Adobe\0\x64\0\0\0\0", &[transform][..]].concat());
            let tolerated = if is_odd { &[Tolerated::AdobeTransform][..] } else { &[] };
            let what = format!("{name}, transform {transform}");
            assert_like(&plain, &before(&plain, DQT, &adobe), tolerated, &what);
            if transform > 0 || !has_colour {
                assert_like(&plain, &before(&bare, DQT, &adobe), tolerated, &what);
            }
        }
    }
    // Ids other than 1, 2, 3 and R, G, B.
    let plain = golden("sampling_420.jpg");
    let bare = replaced(&plain, APP0, b"");
    for ids in [[0, 1, 2], [7, 7, 7], [b'Y', b'C', b'c'], [3, 2, 1]] {
        let (mut frame, mut scan) = (body(&bare, SOF), body(&bare, SOS));
        for (place, id) in ids.into_iter().enumerate() {
            (frame[6 + 3 * place], scan[1 + 2 * place]) = (id, id);
        }
        let odd = replaced(&replaced(&bare, SOF, &segment(SOF, &frame)), SOS, &segment(SOS, &scan));
        assert_like(&plain, &odd, &[], &format!("{ids:?}"));
    }
}

#[test]
fn repeated_and_unused_tables_do_not_matter() {
    for (name, plain) in sequential() {
        let like = |odd: &[u8], what: &str| assert_like(&plain, odd, &[], &format!("{name}, {what}"));
        let (tables, codes) = (segment(DQT, &body(&plain, DQT)), segment(DHT, &body(&plain, DHT)));
        like(&before(&plain, SOF, &tables), "quantisation tables twice");
        like(&before(&plain, SOS, &codes.repeat(2)), "Huffman tables twice");
        like(&before(&plain, DQT, &segment(DQT, &[&[0x23][..], &[9; 128]].concat())), "an unused table of 16 bits");
        let unused = |counts: [u8; 16], symbols: &[u8]| [&[0x13][..], &counts, symbols].concat();
        like(&before(&plain, SOS, &segment(DHT, &unused([1; 16], &[5; 16]))), "unused codes");
        let mut counts = [0; 16];
        counts[0] = 3;
        like(&before(&plain, SOS, &segment(DHT, &unused(counts, &[1, 2, 3]))), "unused codes that are not possible");
        let interval = header(&plain).into_iter().find(|segment| segment.marker == DRI);
        let interval = interval.map_or(vec![0, 0], |segment| plain[segment.body].to_vec());
        let twice = [segment(DRI, &[0, 5]), segment(DRI, &interval)].concat();
        like(&before(&plain, SOS, &twice), "restart intervals twice");
        like(&before(&plain, DQT, &segment(0xdc, &[0, 65])), "the number of lines in the header");
    }
}

#[test]
fn jpegs_that_lack_pixels_are_refused() {
    let plain = golden("sampling_422.jpg");
    let mut without_height = plain.clone();
    let (frame, _) = place(&plain, SOF);
    without_height[frame + 5..frame + 7].fill(0);
    assert_corrupt(&without_height, "no height");
    let end = plain.len() - 2;
    let lines = [&without_height[..end], &segment(0xdc, &[0, 65]), END].concat();
    assert_corrupt(&lines, "the number of lines behind the first scan");
    assert_corrupt(&[SOI, &plain].concat(), "two start markers");
    assert_corrupt(&before(&plain, DQT, SOI), "a second start marker");
    assert_corrupt(&before(&plain, SOS, END), "an end marker before the scan");
    assert_corrupt(&before(&plain, SOS, &segment(SOF, &body(&plain, SOF))), "two frames");
    assert_corrupt(&replaced(&plain, DQT, b""), "no quantisation table");
    for marker in [0x02, 0xbf, 0xc8, 0xf0, 0xfd] {
        assert_corrupt(&before(&plain, DQT, &segment(marker, b"hello")), &format!("marker {marker:#x}"));
    }
    for (marker, wrong) in [(DRI, &[0][..]), (DRI, &[0; 4]), (DQT, &[0; 3]), (DQT, &[4; 65]), (DHT, &[0x10; 20])] {
        assert_corrupt(&before(&plain, SOS, &segment(marker, wrong)), &format!("{marker:#x} {wrong:?}"));
    }
    // A second picture is no replacement for the rest of the first.
    for length in (place(&plain, SOS).1..plain.len() - 3).step_by(7) {
        assert_corrupt(&[&plain[..length], &plain].concat(), &format!("cut at {length}"));
        assert_corrupt(&[&plain[..length], END].concat(), &format!("cut at {length}, with an end"));
    }
    let plain = golden("one_scan_per_component.jpg");
    let last = scans(&plain).pop().unwrap().start - 4;
    assert_corrupt(&[&plain[..last], END].concat(), "a component without a scan");
}
