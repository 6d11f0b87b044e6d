//! Which EXIF orientations count. The table is what Chromium 156.0.8078.108 shows for these files, asked by
//! `naturalWidth`, `naturalHeight` and the pixels on a canvas, on 2026-11-28.

use darkroom_thumbnail::{Limits, Recipe, Rendered, Size, render};

use crate::images::{self, png_chunk, with_segment};

const ORIENTATION: u16 = 0x0112;
/// Any other tag.
const WIDTH: u16 = 0x0100;
const EXIF_DIRECTORY: u16 = 0x8769;
const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const UNDEFINED: u16 = 7;
const SIGNED_SHORT: u16 = 8;
const IFD: u16 = 13;

/// An entry of a directory: tag, type, count, and the bytes of its value.
type Entry = (u16, u16, u32, [u8; 4]);

const fn short(value: u8) -> Entry {
    (ORIENTATION, SHORT, 1, [value, 0, 0, 0])
}

const fn pointer(at: u8) -> Entry {
    (EXIF_DIRECTORY, LONG, 1, [at, 0, 0, 0])
}

/// A little-endian directory without a next one.
fn directory(entries: &[Entry]) -> Vec<u8> {
    let mut out = u16::try_from(entries.len()).unwrap().to_le_bytes().to_vec();
    for (tag, kind, count, value) in entries {
        out.extend([&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), value].concat());
    }
    [out, vec![0; 4]].concat()
}

fn little_endian(entries: &[Entry]) -> Vec<u8> {
    [b"II*\0\x08\0\0\0".to_vec(), directory(entries)].concat()
}

/// A big-endian structure whose only entry has this type and value.
fn big_endian(kind: u16, value: [u8; 4]) -> Vec<u8> {
    let entry = [&ORIENTATION.to_be_bytes()[..], &kind.to_be_bytes(), b"\0\0\0\x01", &value].concat();
    [b"MM\0*\0\0\0\x08\0\x01".to_vec(), entry, vec![0; 4]].concat()
}

/// A root directory, and a second one behind it, which the root points to at byte 26 if its only entry is a pointer.
fn two_directories(root: &[Entry], second: &[Entry]) -> Vec<u8> {
    [little_endian(root), directory(second)].concat()
}

/// TIFF structures, the same in a JPEG and a PNG, and the orientation that is shown.
fn structures() -> Vec<(&'static str, Vec<u8>, u8)> {
    let six = little_endian(&[short(6)]);
    let of = |kind, count| little_endian(&[(ORIENTATION, kind, count, [6, 0, 0, 0])]);
    let second_behind = |value| {
        let mut tiff = two_directories(&[(ORIENTATION, SHORT, 1, [value, 0, 0, 0])], &[short(6)]);
        tiff[22] = 26;
        tiff
    };
    let others = vec![(WIDTH, SHORT, 1, [1, 0, 0, 0]); 2000];
    let edited = |at: usize, bytes: &[u8]| [&six[..at], bytes, &six[at + bytes.len()..]].concat();
    vec![
        ("short", six.clone(), 6),
        ("big-endian short", big_endian(SHORT, [0, 6, 0, 0]), 6),
        ("long", of(LONG, 1), 1),
        ("big-endian long", big_endian(LONG, [0, 0, 0, 6]), 1),
        ("big-endian long with six in its upper half", big_endian(LONG, [0, 6, 0, 0]), 1),
        ("byte", of(BYTE, 1), 1),
        ("big-endian byte", big_endian(BYTE, [6, 0, 0, 0]), 1),
        ("signed short", of(SIGNED_SHORT, 1), 1),
        ("undefined", of(UNDEFINED, 1), 1),
        ("text", little_endian(&[(ORIENTATION, ASCII, 1, *b"6\0\0\0")]), 1),
        ("type 0", of(0, 1), 1),
        ("no value", of(SHORT, 0), 1),
        ("two values", of(SHORT, 2), 1),
        ("two equal values", little_endian(&[(ORIENTATION, SHORT, 2, [6, 0, 6, 0])]), 1),
        ("rubbish behind the value", little_endian(&[(ORIENTATION, SHORT, 1, [6, 0, 7, 0])]), 6),
        ("0", little_endian(&[short(0)]), 1),
        ("9", little_endian(&[short(9)]), 1),
        ("256 + 6", little_endian(&[(ORIENTATION, SHORT, 1, [6, 1, 0, 0])]), 1),
        ("1, then 6", little_endian(&[short(1), short(6)]), 1),
        ("6, then 1", little_endian(&[short(6), short(1)]), 6),
        ("8, then 6", little_endian(&[short(8), short(6)]), 8),
        ("0, then 6", little_endian(&[short(0), short(6)]), 6),
        ("9, then 6", little_endian(&[short(9), short(6)]), 6),
        ("a long 8, then 6", little_endian(&[(ORIENTATION, LONG, 1, [8, 0, 0, 0]), short(6)]), 6),
        ("tags out of order", little_endian(&[(0x200, SHORT, 1, [1, 0, 0, 0]), short(6), others[0]]), 6),
        ("behind 2,000 tags", little_endian(&[others, vec![short(6)]].concat()), 6),
        ("an empty directory", little_endian(&[]), 1),
        ("in the second directory", second_behind(0), 1),
        ("1 and 6 in the second directory", second_behind(1), 1),
        ("in the camera's directory", two_directories(&[pointer(26)], &[short(6)]), 6),
        ("3 before a pointer to 6", two_directories(&[short(3), pointer(38)], &[short(6)]), 3),
        ("a pointer to 6 before 3", two_directories(&[pointer(38), short(3)], &[short(6)]), 6),
        ("9 before a pointer to 6", two_directories(&[short(9), pointer(38)], &[short(6)]), 6),
        ("a pointer as short", two_directories(&[(EXIF_DIRECTORY, SHORT, 1, [26, 0, 0, 0])], &[short(6)]), 1),
        ("a pointer as directory", two_directories(&[(EXIF_DIRECTORY, IFD, 1, [26, 0, 0, 0])], &[short(6)]), 1),
        ("two pointers", two_directories(&[(EXIF_DIRECTORY, LONG, 2, [26, 0, 0, 0])], &[short(6)]), 1),
        ("a pointer beyond the end", little_endian(&[pointer(200), short(6)]), 6),
        ("a pointer to the root", little_endian(&[pointer(8), short(6)]), 6),
        ("a pointer by the pointed", two_directories(&[pointer(26)], &[pointer(44), short(0)]), 1),
        (
            "only the first pointer",
            [two_directories(&[pointer(38), pointer(56)], &[others_one()]), directory(&[short(6)])].concat(),
            1,
        ),
        ("a directory at an odd place", [b"II*\0\x09\0\0\0\0".to_vec(), directory(&[short(6)])].concat(), 6),
        ("a directory beyond the end", edited(4, b"\xff\xff\0\0"), 1),
        ("a directory at the last number", edited(4, b"\xff\xff\xff\xff"), 1),
        ("a directory inside the header", edited(4, b"\x04"), 1),
        ("more entries claimed", edited(8, b"\xff\0"), 6),
        ("no offset of a next directory", six[..22].to_vec(), 6),
        ("an entry cut short", six[..21].to_vec(), 1),
        ("another magic number", edited(2, b"\x2b"), 1),
        ("mixed byte order marks", edited(0, b"IM"), 1),
        ("lower-case byte order marks", edited(0, b"ii"), 1),
    ]
}

const fn others_one() -> Entry {
    (WIDTH, SHORT, 1, [1, 0, 0, 0])
}

fn rendered(bytes: &[u8]) -> Rendered {
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    render(bytes, &recipe, &Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, ..Limits::default() }).unwrap()
}

/// Checks that a file is shown as a file with the same picture and this orientation.
fn assert_turned(name: &str, bytes: &[u8], orientation: u8, reference: &[u8]) {
    let rendered = rendered(bytes);
    assert_eq!(rendered.header.orientation, orientation, "{name}");
    assert!(rendered.thumbnails == self::rendered(reference).thumbnails, "{name}: another picture");
}

fn app1(tiff: &[u8]) -> Vec<u8> {
    [b"Exif\0\0", tiff].concat()
}

/// Checks a JPEG against the one with a plain orientation.
fn assert_jpeg(name: &str, bytes: &[u8], orientation: u8) {
    let plain = images::jpeg(48, 32);
    let reference = with_segment(&plain, 0xe1, &app1(&little_endian(&[short(orientation)])));
    assert_turned(name, bytes, orientation, &reference);
}

/// A PNG with these chunks before and after its image data.
fn png(before: &[Vec<u8>], after: &[Vec<u8>]) -> Vec<u8> {
    let plain = images::png_rgb(48, 32);
    let (head, rest) = plain.split_at(33);
    let (data, end) = rest.split_at(rest.len() - 12);
    [head, &before.concat(), data, &after.concat(), end].concat()
}

/// Checks a PNG against the one with a plain orientation.
fn assert_png(name: &str, bytes: &[u8], orientation: u8) {
    let reference = png(&[png_chunk(b"eXIf", &little_endian(&[short(orientation)]))], &[]);
    assert_turned(name, bytes, orientation, &reference);
}

#[test]
fn each_orientation_counts_as_in_chromium() {
    let plain = images::jpeg(48, 32);
    for (name, tiff, orientation) in structures() {
        assert_jpeg(name, &with_segment(&plain, 0xe1, &app1(&tiff)), orientation);
        assert_png(name, &png(&[png_chunk(b"eXIf", &tiff)], &[]), orientation);
    }
    for orientation in 1..=8 {
        let tiff = little_endian(&[short(orientation)]);
        assert_jpeg("each", &with_segment(&plain, 0xe1, &app1(&tiff)), orientation);
        assert_eq!(rendered(&png(&[png_chunk(b"eXIf", &tiff)], &[])).header.orientation, orientation);
    }
}

/// XMP, as it would be in a file with this orientation.
const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF \
    xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description \
    xmlns:tiff='http://ns.adobe.com/tiff/1.0/' tiff:Orientation='6'/></rdf:RDF></x:xmpmeta>";

#[test]
fn the_segment_of_a_jpeg_that_counts_is_chromiums() {
    let plain = images::jpeg(48, 32);
    let tiff = |value| little_endian(&[short(value)]);
    // Added one before the other.
    let two = |first: &[u8], second: &[u8]| with_segment(&with_segment(&plain, 0xe1, second), 0xe1, first);
    let six = app1(&tiff(6));
    let at = |marker: u8| plain.windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    // As the first segment of a file that consists of the rest.
    let before = |at: usize, body: &[u8]| {
        let segment = with_segment(&[0; 2], 0xe1, body);
        [&plain[..at], &segment[2..], &plain[at..]].concat()
    };
    let xmp = [b"http://ns.adobe.com/xap/1.0/\0", XMP].concat();
    for (name, bytes, orientation) in [
        ("1, then 6", two(&app1(&tiff(1)), &six), 1),
        ("6, then 1", two(&six, &app1(&tiff(1))), 6),
        ("3, then 6", two(&app1(&tiff(3)), &six), 3),
        ("0, then 6", two(&app1(&tiff(0)), &six), 1),
        ("nonsense, then 6", two(&app1(b"nonsense"), &six), 1),
        ("one byte, then 6", two(&app1(b"I"), &six), 1),
        ("nothing, then 6", two(&app1(b""), &six), 6),
        ("a cut name, then 6", two(b"Exif", &six), 6),
        ("a cut prefix, then 6", two(b"Exif\0", &six), 6),
        ("behind the frame header", before(at(0xc4), &six), 6),
        ("before the scan", before(at(0xda), &six), 6),
        ("behind the scan", before(plain.len() - 2, &six), 1),
        ("another byte of padding", with_segment(&plain, 0xe1, &[b"Exif\0\xff", &tiff(6)[..]].concat()), 6),
        ("no padding", with_segment(&plain, 0xe1, &[b"Exif\0", &tiff(6)[..]].concat()), 1),
        ("no zero", with_segment(&plain, 0xe1, &[b"ExifXX", &tiff(6)[..]].concat()), 1),
        ("a lower-case name", with_segment(&plain, 0xe1, &[b"exif\0\0", &tiff(6)[..]].concat()), 1),
        ("no name", with_segment(&plain, 0xe1, &tiff(6)), 1),
        ("two prefixes", with_segment(&plain, 0xe1, &app1(&six)), 1),
        ("APP2", with_segment(&plain, 0xe2, &six), 1),
        ("XMP", with_segment(&plain, 0xe1, &xmp), 1),
        ("XMP, then 3", two(&xmp, &app1(&tiff(3))), 3),
    ] {
        assert_jpeg(name, &bytes, orientation);
    }
}
