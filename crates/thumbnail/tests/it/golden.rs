//! Compares every kind of JPEG and PNG with the output of an independent decoder: see `tests/golden/make.py`.

use std::path::{Path, PathBuf};

use darkroom_thumbnail::{Limits, RENDER_REVISION, Recipe, RefusalReason, RenderError, Size, Stop, Thumbnail, render};
use image::RgbaImage;
use sha2::{Digest, Sha256};

use crate::images::png_chunk;

/// The box of the expected thumbnails.
const BOX: u32 = 32;

fn golden(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(folder)
}

fn rendered(bytes: &[u8]) -> Result<Thumbnail, RenderError> {
    rendered_inside(bytes, BOX)
}

fn rendered_inside(bytes: &[u8], side: u32) -> Result<Thumbnail, RenderError> {
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side }], ..Recipe::default() };
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, stop: Stop::default() };
    render(bytes, &recipe, &limits).map(|mut rendered| rendered.thumbnails.remove(0))
}

/// The mean difference of all samples, with premultiplied alpha.
fn difference(a: &RgbaImage, b: &RgbaImage) -> f64 {
    let shown = |image: &RgbaImage| -> Vec<f64> {
        image
            .pixels()
            .flat_map(|pixel| {
                let [r, g, b, alpha] = pixel.0.map(f64::from);
                [r * alpha / 255.0, g * alpha / 255.0, b * alpha / 255.0, alpha]
            })
            .collect()
    };
    let (a, b) = (shown(a), shown(b));
    a.iter().zip(&b).map(|(a, b)| (a - b).abs()).sum::<f64>() / a.len() as f64
}

/// The picture after encoding as a JPEG with the thumbnails' quality and subsampling.
fn through_a_jpeg(picture: &RgbaImage) -> RgbaImage {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_quality(Recipe::default().jpeg_quality.into()).unwrap();
    compressor.set_subsamp(turbojpeg::Subsamp::Sub2x2).unwrap();
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let format = turbojpeg::PixelFormat::RGBA;
    let image = turbojpeg::Image { pixels: picture.as_raw().as_slice(), width, pitch: 4 * width, height, format };
    image::load_from_memory(&compressor.compress_to_vec(image).unwrap()).unwrap().into_rgba8()
}

#[test]
fn every_golden_file_looks_as_an_independent_decoder_shows_it() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for entry in std::fs::read_dir(golden("sources")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let expected = image::open(golden("expected").join(format!("{name}.png"))).unwrap().into_rgba8();
        let thumbnail = rendered(&std::fs::read(&path).unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let made = image::load_from_memory(&thumbnail.bytes).unwrap().into_rgba8();
        let is_jpeg = path.extension().is_some_and(|extension| extension == "jpg");
        // A few pixels with hard edges: four of them share one chroma sample.
        let is_tiny = expected.width().min(expected.height()) < 16;
        let tolerance = match (is_jpeg, is_tiny) {
            (true, true) => 8.0,
            (true, false) => 4.0,
            (false, _) => 0.5,
        };
        seen += 1;
        if made.dimensions() != expected.dimensions() {
            wrong.push(format!("{name}: {:?} instead of {:?}", made.dimensions(), expected.dimensions()));
            continue;
        }
        let mut off = difference(&made, &expected);
        if is_jpeg {
            // Ignore the loss of encoding: the expected picture is encoded as well.
            off = off.min(difference(&made, &through_a_jpeg(&expected)));
        }
        println!("{name}: {off:.2} off");
        if off > tolerance {
            wrong.push(format!("{name}: {off:.2} off"));
        }
    }
    assert!(seen >= 80, "{seen} golden files");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The chunks of a PNG: type and data.
pub(crate) fn chunks(png: &[u8]) -> Vec<([u8; 4], Vec<u8>)> {
    let mut rest = &png[8..];
    let mut out = Vec::new();
    while let Some((head, tail)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes(*head.first_chunk().unwrap()) as usize;
        out.push(([head[4], head[5], head[6], head[7]], tail[..length].to_vec()));
        rest = &tail[length + 4..];
    }
    out
}

pub(crate) fn assembled(chunks: &[([u8; 4], Vec<u8>)]) -> Vec<u8> {
    let body: Vec<u8> = chunks.iter().flat_map(|(kind, body)| png_chunk(kind, body)).collect();
    [b"\x89PNG\r\n\x1a\n".to_vec(), body].concat()
}

/// The damage of PngSuite's invalid files, each applied to a valid file.
#[test]
fn every_kind_of_damage_to_a_png_is_named() {
    let fine = std::fs::read(golden("sources/palette_4.png")).unwrap();
    let reason = |bytes: &[u8]| match rendered(bytes) {
        Err(RenderError::Refused(refusal)) => refusal.reason,
        other => panic!("not refused: {other:?}"),
    };
    for (at, byte) in [(0, 0x88), (4, b'\n'), (5, 0), (7, b'\r')] {
        let mut broken = fine.clone();
        broken[at] = byte;
        assert_eq!(reason(&broken), RefusalReason::UnsupportedType, "byte {at} of the signature");
    }
    let without = |kind: &[u8; 4]| {
        let left: Vec<_> = chunks(&fine).into_iter().filter(|(own, _)| own != kind).collect();
        assembled(&left)
    };
    assert_eq!(assembled(&chunks(&fine)), fine);
    for kind in [b"IHDR", b"PLTE", b"IDAT"] {
        assert_eq!(reason(&without(kind)), RefusalReason::Corrupt, "without {}", kind.escape_ascii());
    }
    for body in [vec![], vec![7; 2], vec![7; 771]] {
        let with_palette: Vec<_> = chunks(&fine)
            .into_iter()
            .map(|(kind, own)| if &kind == b"PLTE" { (kind, body.clone()) } else { (kind, own) })
            .collect();
        assert_eq!(reason(&assembled(&with_palette)), RefusalReason::Corrupt, "a palette of {} bytes", body.len());
    }
    // IHDR and PLTE. The data of IDAT has a second checksum.
    for (index, (kind, _)) in chunks(&fine).iter().enumerate().take(2) {
        let mut damaged = fine.clone();
        let crc = 8 + chunks(&fine)[..=index].iter().map(|(_, body)| body.len() + 12).sum::<usize>() - 1;
        damaged[crc] ^= 1;
        assert_eq!(reason(&damaged), RefusalReason::Corrupt, "checksum of {}", kind.escape_ascii());
    }
    let changed = |field: usize, value: u8| {
        let mut all = chunks(&fine);
        all[0].1[field] = value;
        assembled(&all)
    };
    for (field, value) in [(8, 0), (8, 3), (8, 99), (9, 1), (9, 5), (9, 9), (10, 1), (11, 1), (12, 2), (3, 0), (7, 0)] {
        assert_eq!(reason(&changed(field, value)), RefusalReason::Corrupt, "header field {field} = {value}");
    }
}

#[test]
fn the_pictures_of_pngsuite_are_what_libvips_shows_to_the_bit() {
    let folder = golden("pngsuite");
    let shown = std::fs::read_to_string(folder.join("shown.txt")).unwrap();
    let mut made = String::new();
    for name in shown.lines().map(|line| line.split(' ').next().unwrap()) {
        let thumbnail = rendered_inside(&std::fs::read(folder.join(name)).unwrap(), 128);
        let thumbnail = thumbnail.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut picture = image::load_from_memory(&thumbnail.bytes).unwrap().into_rgba8();
        picture.pixels_mut().filter(|pixel| pixel.0[3] == 0).for_each(|pixel| pixel.0 = [0; 4]);
        let digest = data_encoding::HEXLOWER.encode(&Sha256::digest(picture.as_raw())[..8]);
        made += &format!("{name} {} {} {digest}\n", picture.width(), picture.height());
    }
    assert_eq!(made, shown);
    assert_eq!(shown.lines().count(), 60);
}

/// The encoder's output when `RENDER_REVISION` was last raised. Thumbnails are immutable under their keys: if this
/// fails because rendering changed, raise the revision and put the new values here.
const BYTES_OF_REVISION_6: [(&str, &str); 7] = [
    ("cmyk.jpg", "288dc626085b6cfb"),
    ("sampling_444_progressive.jpg", "0a6cd96bc008a09b"),
    ("sampling_420.jpg", "014aac2e0a70b574"),
    ("sampling_420_progressive.jpg", "014aac2e0a70b574"),
    ("orientation_6.jpg", "45788af7ef3f21a9"),
    ("rgba_8.png", "8cccba8d3fa67b2f"),
    ("palette_4.png", "ca2bf398cb02bcbf"),
];

#[test]
fn other_bytes_need_another_revision() {
    assert_eq!(RENDER_REVISION, 6, "put the bytes of the new revision here");
    let made: Vec<(&str, String)> = BYTES_OF_REVISION_6
        .iter()
        .map(|(name, _)| {
            let source = std::fs::read(golden("sources").join(name)).unwrap();
            // Other sizes take other code paths.
            let bytes = [BOX, 12, 8, 200].map(|side| rendered_inside(&source, side).unwrap().bytes).concat();
            (*name, data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)[..8]))
        })
        .collect();
    let expected: Vec<(&str, String)> =
        BYTES_OF_REVISION_6.iter().map(|(name, hash)| (*name, (*hash).to_owned())).collect();
    assert_eq!(made, expected);
}
