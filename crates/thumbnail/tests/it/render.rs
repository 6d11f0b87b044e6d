//! Rendering: right sizes, upright, with alpha and without metadata, and a specific error for each invalid file.

use std::fmt::Debug;
use std::time::Instant;

use darkroom_thumbnail::{
    Format, Limits, Recipe, RefusalReason, RenderError, Rendered, Size, Stop, Stopped, Thumbnail, Tolerated, inspect,
    render,
};
use turbojpeg::Subsamp;

use crate::images::{self, JpegKind};

fn limits() -> Limits {
    Limits { max_bytes: 64 << 20, max_pixels: 100_000_000, stop: Stop::default() }
}

fn rendered(bytes: &[u8]) -> Rendered {
    render(bytes, &Recipe::default(), &limits()).unwrap()
}

/// Why a file is refused.
fn refused(bytes: &[u8]) -> RefusalReason {
    reason(render(bytes, &Recipe::default(), &limits()))
}

fn reason<T: Debug>(result: Result<T, RenderError>) -> RefusalReason {
    match result {
        Err(RenderError::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn sizes(rendered: &Rendered) -> Vec<(&str, u32, u32)> {
    rendered.thumbnails.iter().map(|t| (t.size.as_str(), t.width, t.height)).collect()
}

/// The pixels of a thumbnail, by an independent decoder, checked against the dimensions that it claims.
fn decoded(thumbnail: &Thumbnail) -> image::RgbaImage {
    let picture = image::load_from_memory(&thumbnail.bytes).unwrap().into_rgba8();
    assert_eq!(picture.dimensions(), (thumbnail.width, thumbnail.height));
    picture
}

/// Whether the colours of the test picture are where they belong.
fn assert_shows_the_picture(thumbnail: &Thumbnail, tolerance: i32) {
    let picture = decoded(thumbnail);
    for (x, y) in [(0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75), (0.1, 0.9), (0.9, 0.1)] {
        let at = |place: f64, side: u32| ((place * f64::from(side)) as u32).min(side - 1);
        let pixel = picture.get_pixel(at(x, thumbnail.width), at(y, thumbnail.height));
        for (seen, meant) in pixel.0.iter().zip(images::colour_at(x, y)) {
            let difference = (i32::from(*seen) - i32::from(meant)).abs();
            assert!(difference <= tolerance, "{} at {x},{y}: {pixel:?} is {difference} off", thumbnail.size);
        }
    }
}

#[test]
fn a_photograph_gives_three_thumbnails_inside_their_boxes() {
    let rendered = rendered(&images::jpeg_12mp());
    assert_eq!(sizes(&rendered), [("small", 100, 75), ("medium", 500, 375), ("large", 1000, 750)]);
    assert_eq!(rendered.header.format, Format::Jpeg);
    rendered.thumbnails.iter().for_each(|thumbnail| assert_shows_the_picture(thumbnail, 12));
}

#[test]
fn an_image_is_never_enlarged() {
    assert_eq!(sizes(&rendered(&images::jpeg(120, 60))), [("small", 100, 50), ("medium", 120, 60), ("large", 120, 60)]);
    assert_eq!(sizes(&rendered(&images::png_rgb(1, 1))), [("small", 1, 1), ("medium", 1, 1), ("large", 1, 1)]);
}

#[test]
fn extreme_ratios_keep_at_least_a_pixel_a_side() {
    for bytes in [images::jpeg(1, 20_000), images::png_rgb(1, 20_000), images::jpeg_progressive(1, 20_000)] {
        assert_eq!(sizes(&rendered(&bytes)), [("small", 1, 100), ("medium", 1, 500), ("large", 1, 1000)]);
    }
}

#[test]
fn all_eight_orientations_end_upright() {
    for orientation in 1..=8 {
        let rendered = rendered(&images::jpeg_oriented(640, 427, orientation));
        assert_eq!(rendered.header.orientation, orientation);
        assert_eq!(sizes(&rendered)[0], ("small", 100, 67), "orientation {orientation}");
        rendered.thumbnails.iter().for_each(|thumbnail| assert_shows_the_picture(thumbnail, 12));
    }
}

/// Renders into small boxes, so that a small image is scaled while it is decoded.
fn assert_small_thumbnails_show_the_picture(bytes: &[u8]) {
    let size = |name: &str, side| Size { name: name.to_owned(), side };
    let recipe = Recipe { sizes: vec![size("tiny", 80), size("small", 133)], ..Recipe::default() };
    for thumbnail in render(bytes, &recipe, &limits()).unwrap().thumbnails {
        assert_shows_the_picture(&thumbnail, 16);
    }
}

#[test]
fn every_kind_of_jpeg_shows_the_picture() {
    let subsamplings = [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Sub1x2, Subsamp::Sub4x1];
    for subsampling in subsamplings {
        for (is_progressive, is_arithmetic) in [(false, false), (true, false), (false, true), (true, true)] {
            let kind = JpegKind { subsampling, is_progressive, is_arithmetic, quality: 90 };
            assert_small_thumbnails_show_the_picture(&images::jpeg_of(kind, 403, 301));
        }
    }
    assert_small_thumbnails_show_the_picture(&images::jpeg_cmyk(403, 301));
}

/// As in Chromium 156.0.8078.108, asked on 2026-11-28.
#[test]
fn four_components_without_an_adobe_marker_are_cmyk() {
    let bytes = images::jpeg_cmyk(64, 48);
    let at = bytes.windows(7).position(|window| window == b"\xff\xee\0\x0eAdo").unwrap();
    let transform = at + 15;
    let with = |value: u8| rendered(&[&bytes[..transform], &[value], &bytes[transform + 1..]].concat()).thumbnails;
    assert_eq!(bytes[transform], 2);
    assert!(with(2) == with(1) && with(2) != with(0), "1 and 2 stand for YCCK, 0 for CMYK");
    let bare = [&bytes[..at], &bytes[at + 16..]].concat();
    let jfif = images::with_segment(&bare, 0xe0, b"JFIF\0\x01\x01\0\0\x01\0\x01\0\0");
    let cut = images::with_segment(&bare, 0xee, b"Adobe\0\x64\0\0");
    for (name, odd) in [("no marker", &bare), ("JFIF", &jfif), ("a cut marker", &cut)] {
        assert!(rendered(odd).thumbnails == with(0), "{name}");
    }
}

#[test]
fn gray_stays_gray() {
    for bytes in [images::jpeg_gray(640, 480), images::png_gray(640, 480)] {
        for thumbnail in rendered(&bytes).thumbnails {
            assert!(!image::load_from_memory(&thumbnail.bytes).unwrap().color().has_color());
        }
    }
}

#[test]
fn alpha_is_kept() {
    let rendered = rendered(&images::png_rgba(640, 480));
    assert_eq!(rendered.header.format, Format::Png);
    for thumbnail in &rendered.thumbnails {
        let picture = decoded(thumbnail);
        let alpha = |x: u32| i32::from(picture.get_pixel(x, thumbnail.height / 2).0[3]);
        assert!(alpha(0) <= 3 && alpha(thumbnail.width - 1) >= 252);
        assert!((alpha(thumbnail.width / 2) - 128).abs() <= 3);
    }
}

#[test]
fn nothing_of_the_metadata_survives() {
    for thumbnail in rendered(&images::jpeg_oriented(640, 480, 6)).thumbnails {
        let holds = |text: &[u8]| thumbnail.bytes.windows(text.len()).any(|window| window == text);
        assert!(!holds(images::SECRET) && !holds(b"Exif"));
    }
}

#[test]
fn the_header_alone_decides_what_is_refused() {
    let reason = |bytes: &[u8]| reason(inspect(bytes, &Recipe::default(), &limits()));
    assert_eq!(reason(b""), RefusalReason::Empty);
    for (kind, bytes) in images::other_kinds() {
        assert_eq!(reason(&bytes), RefusalReason::UnsupportedType, "{kind}");
    }
    assert_eq!(images::claims_100000_png().len(), 74);
    assert_eq!(reason(&images::claims_100000_png()), RefusalReason::TooManyPixels);
    assert_eq!(reason(&images::png_claiming(0, 5)), RefusalReason::Corrupt);
    // Found by fuzzing: its cost overflows 64 bits.
    assert_eq!(reason(&images::png_claiming(u32::MAX >> 1, u32::MAX)), RefusalReason::TooManyPixels);
    assert_eq!(reason(&images::png_claiming(u32::MAX, u32::MAX)), RefusalReason::TooManyPixels);
    assert_eq!(reason(&images::zero_height_jpeg()), RefusalReason::Corrupt);
    let gray = images::gray_400mp_png();
    assert!(gray.len() < 1 << 20);
    assert_eq!(reason(&gray), RefusalReason::TooManyPixels);
}

#[test]
fn one_byte_over_the_limit_is_too_many() {
    let bytes = images::jpeg(64, 64);
    let limits = |max_bytes| Limits { max_bytes, ..limits() };
    assert!(inspect(&bytes, &Recipe::default(), &limits(bytes.len() as u64)).is_ok());
    assert_eq!(
        reason(inspect(&bytes, &Recipe::default(), &limits(bytes.len() as u64 - 1))),
        RefusalReason::TooManyBytes
    );
}

#[test]
fn a_plain_white_image_of_30_megapixels_is_valid() {
    let rendered = rendered(&images::white_30mp_png());
    assert_eq!(sizes(&rendered)[2], ("large", 1000, 833));
    assert!(decoded(&rendered.thumbnails[2]).as_raw().iter().all(|&sample| sample == 255));
}

#[test]
fn a_truncated_file_is_corrupt() {
    for bytes in [
        images::jpeg(1600, 1200),
        images::jpeg_progressive(1600, 1200),
        images::jpeg_of(JpegKind { subsampling: Subsamp::None, ..JpegKind::default() }, 800, 600),
        images::jpeg_gray(1600, 1200),
        images::jpeg_cmyk(800, 600),
        images::png_rgb(1600, 1200),
        images::png_rgba(800, 600),
    ] {
        for length in [bytes.len() / 2, bytes.len() - 200, bytes.len() - 20] {
            assert_eq!(refused(&bytes[..length]), RefusalReason::Corrupt, "cut at {length} of {}", bytes.len());
        }
    }
}

#[test]
fn a_missing_end_marker_alone_is_accepted() {
    for (bytes, marker) in
        [(images::jpeg(640, 480), 2), (images::jpeg_progressive(640, 480), 2), (images::png_rgb(640, 480), 12)]
    {
        let whole = rendered(&bytes);
        let cut = rendered(&bytes[..bytes.len() - marker]);
        assert_eq!(cut.thumbnails, whole.thumbnails);
        assert_eq!(cut.tolerated, [Tolerated::MissingEnd].into());
        assert_eq!(whole.tolerated, [].into());
    }
}

/// Cameras fill a block of their card, scanners leave garbage, and phones append a second picture.
#[test]
fn what_follows_the_last_block_of_a_jpeg_is_no_damage() {
    for bytes in [images::jpeg(640, 480), images::jpeg_progressive(640, 480), images::jpeg_cmyk(640, 480)] {
        let whole = rendered(&bytes);
        let (picture, end) = bytes.split_at(bytes.len() - 2);
        let rubbish: Vec<u8> = (0..100).collect();
        let second = images::jpeg(64, 64);
        for leftovers in [&[0][..], &[0; 8], &[0; 300], &rubbish, b"\xff\0 stuffed \xff\0"] {
            let padded = rendered(&[picture, leftovers, end, &second].concat());
            assert_eq!(padded.thumbnails, whole.thumbnails, "{leftovers:?}");
        }
    }
}

#[test]
fn a_picture_may_have_many_scans_up_to_the_limit_itself() {
    // Each scan reads one block of its only component, and costs as much to start as 2,048 blocks.
    let most = 50_000_000 / 2049;
    for (scans, is_allowed) in [(most - 1, true), (most, true), (most + 1, false)] {
        let result = inspect(images::jpeg_of_scans(scans), &Recipe::default(), &limits());
        if is_allowed {
            assert!(result.is_ok(), "{scans} scans: {result:?}");
        } else {
            assert_eq!(reason(result), RefusalReason::TooMuchWork);
        }
    }
    // A sequential picture is complete after its first scan.
    assert_eq!(rendered(&images::jpeg_of_scans(20)).thumbnails, rendered(&images::jpeg_of_scans(1)).thumbnails);
    // An apparent end marker inside a comment does not end the file.
    let hidden = images::with_segment(&images::jpeg_of_scans(most + 1), 0xfe, b"\xff\xd9\xff\xd9");
    assert_eq!(refused(&hidden), RefusalReason::TooMuchWork);
}

#[test]
fn an_inspected_file_is_rendered_with_the_recipe_that_it_was_inspected_for() {
    let bytes = images::jpeg(64, 48);
    let recipe = Recipe { sizes: vec![Size { name: "tiny".to_owned(), side: 8 }], ..Recipe::default() };
    let inspected = inspect(&bytes, &recipe, &limits()).unwrap().render(&Stop::default()).unwrap();
    assert_eq!(sizes(&inspected), [("tiny", 8, 6)]);
    assert_eq!(inspected.thumbnails, render(&bytes, &recipe, &limits()).unwrap().thumbnails);
}

#[test]
fn a_jpeg_quality_out_of_range_counts_as_the_nearest_in_range() {
    let bytes = images::jpeg(320, 240);
    let of_quality = |jpeg_quality: u8| {
        let recipe = Recipe { jpeg_quality, ..Recipe::default() };
        render(&bytes, &recipe, &limits()).unwrap().thumbnails
    };
    let [zero, one, two] = [0, 1, 2].map(of_quality);
    assert!(zero == one && one != two);
    let [below, most, above, far] = [99, 100, 101, u8::MAX].map(of_quality);
    assert!(below != most && above == most && far == most);
}

#[test]
fn damage_in_the_middle_is_corrupt() {
    for mut bytes in [images::jpeg(1600, 1200), images::png_rgb(1600, 1200)] {
        let middle = bytes.len() / 2;
        bytes[middle..middle + 64].fill(0xff);
        assert_eq!(refused(&bytes), RefusalReason::Corrupt);
    }
}

#[test]
fn rendering_stops_on_request() {
    let bytes = images::jpeg(64, 64);
    let late = Limits { stop: Stop::at(Instant::now()), ..limits() };
    let error = render(&bytes, &Recipe::default(), &late).unwrap_err();
    assert_eq!(error, RenderError::Stopped(Stopped::Deadline));
    let cancelled = limits();
    cancelled.stop.cancel();
    let error = render(&bytes, &Recipe::default(), &cancelled).unwrap_err();
    assert_eq!(error, RenderError::Stopped(Stopped::Cancelled));
}
