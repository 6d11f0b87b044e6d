//! The result for a file depends only on its bytes and the recipe, not on earlier renderings.

use std::path::Path;

use darkroom_thumbnail::{Limits, Recipe, RenderError, Size, Stop, Thumbnail, render};

use crate::images;

/// The result for a file: its thumbnails or its error.
type Outcome = Result<Vec<Thumbnail>, String>;

fn recipe(jpeg_optimize: bool) -> Recipe {
    let sizes = vec![Size { name: "box".to_owned(), side: 24 }, Size { name: "dot".to_owned(), side: 5 }];
    Recipe { sizes, jpeg_optimize, ..Recipe::default() }
}

fn outcome(bytes: &[u8], recipe: &Recipe) -> Outcome {
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, stop: Stop::default() };
    match render(bytes, recipe, &limits) {
        Ok(rendered) => Ok(rendered.thumbnails),
        Err(RenderError::Refused(refusal)) => Err(format!("{:?}: {}", refusal.reason, refusal.detail)),
        Err(error) => panic!("{error}"),
    }
}

/// Drops the kept scratch memory: a rendering that fails keeps none.
fn forget_the_scratch() {
    let whole = images::jpeg(64, 64);
    assert!(outcome(&whole[..whole.len() / 2], &recipe(false)).is_err());
}

fn without_segments(jpeg: &[u8], marker: u8) -> Vec<u8> {
    let mut kept = jpeg[..2].to_vec();
    let mut at = 2;
    while jpeg[at + 1] != 0xda {
        let end = at + 2 + usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        if jpeg[at + 1] != marker {
            kept.extend(&jpeg[at..end]);
        }
        at = end;
    }
    kept.extend(&jpeg[at..]);
    kept
}

/// The golden files, PngSuite, files without tables, and each of them truncated.
fn all_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for folder in ["sources", "pngsuite"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden").join(folder);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jpg" || extension == "png") {
                files.push((path.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()));
            }
        }
    }
    files.sort();
    let plain = images::jpeg(64, 48);
    files.push(("no Huffman tables".to_owned(), without_segments(&plain, 0xc4)));
    files.push(("no quantisation tables".to_owned(), without_segments(&plain, 0xdb)));
    files.push(("no frame".to_owned(), without_segments(&plain, 0xc0)));
    files.push(("arithmetic".to_owned(), arithmetic(false)));
    files.push(("arithmetic, progressive".to_owned(), arithmetic(true)));
    let cut = |(name, bytes): &(String, Vec<u8>)| (format!("{name}, cut"), bytes[..bytes.len() * 2 / 3].to_vec());
    let cuts: Vec<_> = files.iter().step_by(5).map(cut).collect();
    [files, cuts].concat()
}

fn arithmetic(is_progressive: bool) -> Vec<u8> {
    images::jpeg_of(images::JpegKind { is_arithmetic: true, is_progressive, ..Default::default() }, 64, 48)
}

/// One file for each path of decoding and encoding.
const BEFORE: [&str; 13] = [
    "sampling_420.jpg",
    "sampling_444_progressive.jpg",
    "restart_markers.jpg",
    "gray.jpg",
    "cmyk.jpg",
    "orientation_6.jpg",
    "no Huffman tables",
    "arithmetic",
    "arithmetic, progressive",
    "rgb_8.png",
    "rgba_16_interlaced.png",
    "palette_4_transparent.png",
    "gray_1.png",
];

#[test]
fn a_file_ends_the_same_behind_every_other() {
    let files = all_files();
    let plain = recipe(false);
    let alone: Vec<Outcome> = files
        .iter()
        .map(|(_, bytes)| {
            forget_the_scratch();
            outcome(bytes, &plain)
        })
        .collect();
    let rendered = alone.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(rendered > 100 && alone.len() - rendered > 20, "{rendered} rendered of {}", alone.len());

    for before in BEFORE {
        let (_, first) = files.iter().find(|(name, _)| name == before).unwrap();
        // Huffman tables that are optimised for one picture must not be used for the next.
        let fitted = recipe(true);
        for ((name, bytes), alone) in files.iter().zip(&alone) {
            assert!(outcome(first, &fitted).is_ok(), "{before}");
            assert!(outcome(bytes, &plain) == *alone, "{name} behind {before}");
        }
    }
}

#[test]
fn missing_tables_are_the_typical_ones_or_damage() {
    let plain = images::jpeg(64, 48);
    // libjpeg writes the typical tables unless optimised ones are requested.
    assert_eq!(outcome(&without_segments(&plain, 0xc4), &recipe(false)), outcome(&plain, &recipe(false)));
    let refused = outcome(&without_segments(&plain, 0xdb), &recipe(false));
    assert_eq!(refused, Err("Corrupt: a table is missing".to_owned()));
}
