//! Compares the memory of rendering with the header's bound, which admission relies on.

use std::process::Command;

use darkroom_thumbnail::{Limits, Recipe, Size, Stop, inspect, max_render_memory, render, render_from};
use png::{BitDepth, ColorType};
use turbojpeg::Subsamp;

use crate::images::{self, JpegKind};
use crate::pieces::Pieces;

/// The variable with the kind of image that the child process renders.
const KIND: &str = "DARKROOM_TEST_MEMORY_OF";

fn limits() -> Limits {
    Limits { max_bytes: 64 << 20, max_pixels: 100_000_000, stop: Stop::default() }
}

fn image(kind: &str) -> Vec<u8> {
    let jpeg = |subsampling, is_progressive| {
        images::jpeg_of(JpegKind { subsampling, is_progressive, is_arithmetic: false, quality: 60 }, 4032, 3024)
    };
    match kind {
        "baseline" => jpeg(Subsamp::Sub2x2, false),
        "progressive" => jpeg(Subsamp::Sub2x2, true),
        "progressive 4:4:4" => jpeg(Subsamp::None, true),
        "inks" => images::jpeg_cmyk(2400, 1800),
        "profile of texts" => images::with_segment(&images::jpeg(64, 64), 0xe2, &profile_of_texts()),
        "small" => images::jpeg_of(JpegKind { subsampling: Subsamp::None, ..JpegKind::default() }, 1400, 1050),
        "png" => images::png_rgba(2400, 1800),
        "flat png" => images::png_rgb(20_000, 200),
        "gray png" => images::white_30mp_png(),
        "profile" => with_profile(&images::png_rgb(800, 600), 4 << 20),
        "endless profile" => with_profile(&images::png_rgb(800, 600), 60 << 20),
        // Noise, so that the file is larger than the memory of its rendering.
        "large png" => images::png_of(ColorType::Rgb, BitDepth::Eight, 3600, 2700, &images::noise(3600 * 2700 * 3)),
        "deep png" => images::png_of(ColorType::Rgba, BitDepth::Sixteen, 2000, 1500, &images::noise(2000 * 1500 * 8)),
        endless if endless.ends_with(", no end") => {
            let mut bytes = image(endless.trim_end_matches(", no end"));
            bytes.truncate(bytes.len() - 12);
            bytes
        }
        other => panic!("no such kind: {other}"),
    }
}

/// The PNG with a profile of `length` bytes, which takes a thousandth of them in the file.
fn with_profile(png: &[u8], length: usize) -> Vec<u8> {
    let body = [b"icc\0\0".to_vec(), fdeflate::compress_to_vec(&vec![0; length])].concat();
    let (header, rest) = png.split_at(33);
    [header, &images::png_chunk(b"iCCP", &body), rest].concat()
}

/// A segment with a profile whose description is one text in 2,000 languages: 30 KB that expand to 60 MB if each is
/// read.
fn profile_of_texts() -> Vec<u8> {
    const LANGUAGES: u32 = 2000;
    const TEXT_BYTES: u32 = 30_000;
    let mut profile = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let entry = (132..).step_by(12).find(|&at| profile[at..].starts_with(b"desc")).unwrap();
    let (offset, length) = (profile.len() as u32, 16 + 12 * LANGUAGES + TEXT_BYTES);
    profile[entry + 4..entry + 12].copy_from_slice(&[offset.to_be_bytes(), length.to_be_bytes()].concat());
    profile
        .extend([b"mluc", &[0; 4], &LANGUAGES.to_be_bytes(), &12_u32.to_be_bytes()].map(|field| &field[..]).concat());
    let record = [&b"enUS"[..], &TEXT_BYTES.to_be_bytes(), &(16 + 12 * LANGUAGES).to_be_bytes()].concat();
    profile.extend(record.repeat(LANGUAGES as usize));
    profile.extend(b"\x4e\0".repeat(TEXT_BYTES as usize / 2));
    let total = profile.len() as u32;
    profile[..4].copy_from_slice(&total.to_be_bytes());
    [b"ICC_PROFILE\0\x01\x01", &profile[..]].concat()
}

/// The peak memory of this process since the last reset, in bytes.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn rendering_stays_inside_the_memory_that_the_header_promises() {
    let kinds = [
        "baseline",
        "progressive",
        "progressive 4:4:4",
        "inks",
        "profile of texts",
        "small",
        "png",
        "flat png",
        "gray png",
        "profile",
        "endless profile",
        "deep png",
        "large png",
        "large png, no end",
        "deep png, no end",
    ];
    for kind in kinds {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "memory::child_renders_one_image_alone", "--include-ignored", "--nocapture"])
            .env(KIND, kind)
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success(), "{kind}: {output}{}", String::from_utf8_lossy(&child.stderr));
        assert!(output.contains(&format!("{kind} took")), "{kind}: {output}");
    }
}

#[test]
#[ignore = "run by the test above, in a process of its own"]
fn child_renders_one_image_alone() {
    let Ok(kind) = std::env::var(KIND) else { return };
    let bytes = image(&kind);
    let promised = inspect(&bytes, &Recipe::default(), &limits()).unwrap().header().decode_bytes;
    // Writing 5 resets the peak to the current memory.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = peak();
    if kind.starts_with("large png") {
        assert!(bytes.len() as u64 > promised, "{} bytes, {promised} were promised", bytes.len());
        render_from(&mut Pieces::new(&bytes, 1 << 16), &Recipe::default(), &limits()).unwrap();
    } else {
        render(&bytes, &Recipe::default(), &limits()).unwrap();
    }
    let took = peak().saturating_sub(before);
    println!("{kind} took {took} of {promised}");
    assert!(took <= promised, "{kind} took {took} bytes, {promised} were promised");
    // A bound that is much too large would admit too few images.
    assert!(promised < 4 * took + (32 << 20), "{kind} took {took} bytes, {promised} were promised");
}

#[test]
fn the_bound_includes_the_profile_of_a_jpeg() {
    let bound = |bytes: Vec<u8>| inspect(bytes, &Recipe::default(), &limits()).unwrap().header().decode_bytes;
    let profile = profile_of_texts();
    let plain = bound(images::jpeg(64, 64));
    assert!(bound(images::with_segment(&images::jpeg(64, 64), 0xe2, &profile)) >= plain + profile.len() as u64 - 14);
}

/// A PNG has at most a million pixels per side, so no image has more than 10^12 pixels.
#[test]
fn the_bound_of_all_images_grows_up_to_the_largest_image_and_never_overflows() {
    const LARGEST: u64 = 1_000_000 * 1_000_000;
    for side in [1, 1000, u32::MAX] {
        let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side }], ..Recipe::default() };
        let [below, at, above, all] =
            [LARGEST - 1, LARGEST, LARGEST + 1, u64::MAX].map(|pixels| max_render_memory(&recipe, pixels));
        assert!(below < at, "{side}: {below}, {at}");
        assert_eq!((above, all), (at, at), "{side}");
    }
}
