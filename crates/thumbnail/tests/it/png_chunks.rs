//! Which chunks of a PNG count: in odd orders, repeated, damaged, or of an animation. The pictures are those of
//! Chromium 156.0.8078.108, asked on 2026-11-28. It refuses some of the files that are shown here: those with certain
//! damaged animations, with `bKGD` before the palette, and with a repeated or suggested palette that is invalid.

use darkroom_thumbnail::Tolerated::DamagedChunk;

use crate::images::exif;
use crate::png_file::{Chunk, File, assert_corrupt, assert_shown, chunk, outcome, stored};

/// A file for each way of decoding.
fn files() -> impl Iterator<Item = (&'static str, File)> {
    ["rgb_8.png", "palette_8.png", "gray_2.png", "rgb_16.png", "gray_8_interlaced.png"]
        .into_iter()
        .map(|name| (name, File::golden(name)))
}

fn animation(frames: u32) -> Chunk {
    chunk(b"acTL", [frames.to_be_bytes(), [0; 4]].concat())
}

/// `fcTL` with this sequence number and width, a height of one, and this way of blending.
fn frame(number: u32, width: u32, blend: u8) -> Chunk {
    let numbers = [number, width, 1, 0, 0].map(u32::to_be_bytes).concat();
    chunk(b"fcTL", [&numbers[..], &[0, 1, 0, 10, 0, blend]].concat())
}

fn frame_data(number: u32) -> Chunk {
    chunk(b"fdAT", [&number.to_be_bytes()[..], b"rubbish"].concat())
}

#[test]
fn the_static_picture_of_an_animation_is_shown() {
    for (name, file) in files() {
        let (controls, data) = ([animation(2), frame(0, 1, 0)], [frame(1, 1, 0), frame_data(2)]);
        let before = |chunks: &[Chunk]| file.clone().before(chunks.to_vec()).after(data.clone());
        let after = |chunks: &[Chunk]| file.clone().before(controls.clone()).after(chunks.to_vec());
        for (odd, animated) in [
            ("a first frame of another size", before(&controls)),
            ("no fcTL", before(&[animation(2)])),
            ("no acTL", before(&[frame(0, 1, 0)])),
            ("no frames", before(&[animation(0), frame(0, 1, 0)])),
            ("too many frames", before(&[animation(u32::MAX), frame(0, 1, 0)])),
            ("two acTL", before(&[animation(2), animation(3), frame(0, 1, 0)])),
            ("two fcTL", before(&[animation(2), frame(0, 1, 0), frame(1, 1, 0)])),
            ("a wrong number", before(&[animation(2), frame(7, 1, 0)])),
            ("no width", before(&[animation(2), frame(0, 0, 0)])),
            ("an unknown blending", before(&[animation(2), frame(0, 1, 9)])),
            ("a short acTL", before(&[chunk(b"acTL", b"x"), frame(0, 1, 0)])),
            ("a short fcTL", before(&[animation(2), chunk(b"fcTL", b"x")])),
            ("a damaged acTL", before(&[animation(2).with_wrong_crc(), frame(0, 1, 0)])),
            ("a damaged fcTL", before(&[animation(2), frame(0, 1, 0).with_wrong_crc()])),
            ("frame data before the picture", before(&[animation(2), frame(0, 1, 0), frame_data(1)])),
            ("no frame data", after(&[])),
            ("wrong numbers of frame data", after(&[frame(1, 1, 0), frame_data(9)])),
            ("short frame data", after(&[frame(1, 1, 0), chunk(b"fdAT", b"x")])),
            ("damaged frame data", after(&[frame(1, 1, 0), frame_data(2).with_wrong_crc()])),
            ("acTL behind the picture", file.clone().after([animation(2), frame(0, 1, 0), frame_data(1)])),
        ] {
            assert_shown(&format!("{name}, {odd}"), &animated.bytes(), &file, &[]);
        }
    }
}

#[test]
fn chunks_that_do_not_define_the_pixels_cost_none() {
    for (name, file) in files() {
        let others: [(&[u8; 4], &[u8]); 20] = [
            (b"bKGD", b"\0"),
            (b"bKGD", b"\0\0\0\0\0\0"),
            (b"hIST", b"\0\x01"),
            (b"pHYs", b"x"),
            (b"sBIT", b"ccc"),
            (b"sPLT", b"bad"),
            (b"tIME", b"x"),
            (b"tEXt", b""),
            (b"zTXt", b"k\0\0broken"),
            (b"iTXt", b"k\0\x01\0\0\0broken"),
            (b"gAMA", b"x"),
            (b"gAMA", b"\0\0\0\0"),
            (b"gAMA", b"\0\x01\x86\xa0x"),
            (b"cHRM", b"short"),
            (b"sRGB", b"\x09"),
            (b"iCCP", b"x"),
            (b"cICP", b"xx"),
            (b"eXIf", b""),
            (b"abcd", b"x"),
            (b"a1\xff ", b"x"),
        ];
        for (kind, data) in others {
            let chunk = chunk(kind, data);
            let name = format!("{name}, {}", kind.escape_ascii());
            assert_shown(&name, &file.clone().first([chunk.clone()]).bytes(), &file, &[]);
            assert_shown(&name, &file.clone().before([chunk.clone(), chunk.clone()]).bytes(), &file, &[]);
            let after = file.clone().after([chunk.clone(), chunk.clone().with_wrong_crc()]);
            assert_shown(&name, &after.bytes(), &file, &[]);
            let damaged = outcome(&file.clone().before([chunk.with_wrong_crc()]).bytes());
            assert!(damaged.is_ok_and(|(thumbnails, _)| thumbnails == outcome(&file.bytes()).unwrap().0), "{name}");
        }
        let text = chunk(b"tEXt", vec![b'v'; 9 << 20]);
        assert_shown(name, &file.clone().before([text]).bytes(), &file, &[]);
    }
}

#[test]
fn chunks_without_which_no_pixel_is_certain_are_damage() {
    for (name, file) in files() {
        for (odd, damaged) in [
            ("a second header", file.clone().before([file.head[0].clone()])),
            ("an unknown chunk", file.clone().before([chunk(b"ABCD", b"x")])),
            ("a chunk without a name", file.clone().before([chunk(b"\0\0\0\0", [])])),
            ("a damaged palette", file.clone().before([chunk(b"PLTE", [7; 12]).with_wrong_crc()])),
        ] {
            assert_corrupt(&format!("{name}, {odd}"), &damaged.bytes());
        }
        let longer = [&file.head[0].1[..], b"x"].concat();
        let mut damaged = file.clone();
        damaged.head[0] = chunk(b"IHDR", longer);
        assert_corrupt(&format!("{name}, a long header"), &damaged.bytes());
        damaged.head[0] = file.head[0].clone().with_wrong_crc();
        assert_corrupt(&format!("{name}, a damaged header"), &damaged.bytes());
    }
    let file = File::golden("palette_8.png");
    let palette = file.head.iter().find(|chunk| chunk.0 == *b"PLTE").unwrap().clone();
    let bare = file.clone().without(b"PLTE");
    for (odd, damaged) in [
        ("no palette", bare.clone()),
        ("a palette behind the data", bare.clone().after([palette.clone()])),
        ("two palettes", file.clone().before([chunk(b"PLTE", [7; 12])])),
        ("a damaged one before", bare.clone().before([palette.clone().with_wrong_crc(), palette.clone()])),
    ] {
        assert_corrupt(odd, &damaged.bytes());
    }
    assert_shown("the same palette twice", &file.clone().before([palette.clone()]).bytes(), &file, &[]);
    let longer = chunk(b"PLTE", [&palette.1[..palette.1.len() - 3], b"xx"].concat());
    let shorter = chunk(b"PLTE", &palette.1[..palette.1.len() - 3]);
    assert_shown("two bytes more", &bare.clone().before([longer]).bytes(), &bare.before([shorter]), &[]);
    // A suggestion. Chromium refuses the invalid ones.
    let file = File::golden("rgb_8.png");
    for suggested in [&[7; 12][..], b"xx", b""] {
        assert_shown("suggested", &file.clone().before([chunk(b"PLTE", suggested)]).bytes(), &file, &[]);
    }
}

/// Two columns of gray 100 and 200, by a palette if the colour type is 3.
fn two_columns(colour: u8) -> File {
    let header = [&[0, 0, 0, 2, 0, 0, 0, 1, 8, colour][..], &[0; 3]].concat();
    let row: &[u8] = match colour {
        2 => &[0, 100, 100, 100, 200, 200, 200],
        3 => &[0, 0, 1],
        _ => &[0, 100, 200],
    };
    let palette = (colour == 3).then(|| chunk(b"PLTE", [100, 100, 100, 200, 200, 200]));
    let head = [chunk(b"IHDR", header)].into_iter().chain(palette).collect();
    let stream = stored(row, true);
    File { head, data: vec![chunk(b"IDAT", &stream)], stream, tail: vec![chunk(b"IEND", [])] }
}

/// The alpha of the two columns, which must have their colours.
fn alphas(file: &File) -> [u8; 2] {
    let (thumbnails, _) = outcome(&file.bytes()).unwrap();
    let picture = image::load_from_memory(&thumbnails[0].bytes).unwrap().into_rgba8();
    [(0, 100), (1, 200)].map(|(x, gray)| {
        let [r, g, b, alpha] = picture.get_pixel(x, 0).0;
        assert!(alpha == 0 || [r, g, b] == [gray; 3], "{r}, {g}, {b}");
        alpha
    })
}

#[test]
fn the_first_valid_transparency_counts() {
    let gray = |value: u8| chunk(b"tRNS", [0, value]);
    let rgb = |value: u8| chunk(b"tRNS", [0, value].repeat(3));
    let indexed = |alphas: &[u8]| chunk(b"tRNS", alphas);
    let (opaque, first, second) = ([255, 255], [0, 255], [255, 0]);
    for (colour, chunks, expected) in [
        (0, vec![gray(100)], first),
        (0, vec![gray(100), gray(200)], first),
        (0, vec![chunk(b"tRNS", [7, 200])], second),
        (0, vec![chunk(b"tRNS", [0, 200, 9])], second),
        (0, vec![chunk(b"tRNS", [100])], opaque),
        (0, vec![chunk(b"tRNS", []), gray(200)], second),
        (2, vec![rgb(200)], second),
        (2, vec![rgb(200), rgb(100).with_wrong_crc()], second),
        (2, vec![chunk(b"tRNS", [0, 100, 0, 100, 0])], opaque),
        (2, vec![chunk(b"tRNS", [0, 100].repeat(4))], first),
        (2, vec![chunk(b"tRNS", [0, 100].repeat(150))], opaque),
        (3, vec![indexed(&[0])], first),
        (3, vec![indexed(&[255, 0])], second),
        (3, vec![indexed(&[255, 0, 3, 4])], second),
        (3, vec![indexed(&[0, 128]), indexed(&[7, 7])], [0, 128]),
        (3, vec![indexed(&[])], opaque),
        (3, vec![indexed(&[0; 256])], [0, 0]),
        (3, vec![indexed(&[0; 257])], opaque),
    ] {
        assert_eq!(alphas(&two_columns(colour).before(chunks.clone())), expected, "colour type {colour}, {chunks:?}");
        assert_eq!(alphas(&two_columns(colour).after(chunks)), opaque, "behind the data");
    }
    // Before the palette.
    assert_eq!(alphas(&two_columns(3).first([indexed(&[0])])), opaque);
    assert_eq!(alphas(&two_columns(2).before([rgb(200), chunk(b"PLTE", [7; 3])])), second);
    // Chromium ignores a damaged one, and shows what is meant to be hidden.
    for (colour, chunk) in [(0, gray(100)), (2, rgb(100)), (3, indexed(&[0]))] {
        let damaged = two_columns(colour).before([chunk.clone().with_wrong_crc()]);
        assert_corrupt("a damaged tRNS", &damaged.bytes());
        assert_eq!(alphas(&two_columns(colour).after([chunk.with_wrong_crc()])), opaque);
    }
}

/// Others show black: Pillow, sharp, and the PNG specification's advice.
#[test]
fn an_index_beyond_the_palette_is_the_last_colour_as_in_chromium() {
    let with = |palette: &[u8], alphas: &[u8]| {
        let file = two_columns(3).without(b"PLTE").before([chunk(b"PLTE", palette)]);
        if alphas.is_empty() { file } else { file.before([chunk(b"tRNS", alphas)]) }
    };
    for (alphas, padded) in [(&[][..], &[][..]), (&[64], &[64, 64]), (&[64, 32], &[64, 64])] {
        let short = with(&[100, 0, 9], alphas);
        assert_shown("one colour", &short.bytes(), &with(&[100, 0, 9, 100, 0, 9], padded), &[]);
    }
}

#[test]
fn the_first_valid_colour_chunk_before_the_data_counts() {
    let gamma = |value: u32| chunk(b"gAMA", value.to_be_bytes());
    let (srgb, linear, other) = (chunk(b"sRGB", [0]), gamma(100_000), gamma(60_000));
    for (name, file) in files() {
        let file = file.without(b"sRGB").without(b"gAMA");
        let shown = file.clone().first([linear.clone()]);
        assert_ne!(outcome(&shown.bytes()), outcome(&file.bytes()), "{name}");
        for (odd, chunks, is_used, kinds) in [
            ("behind the palette", vec![linear.clone()], true, &[][..]),
            ("twice", vec![linear.clone(), other.clone()], true, &[]),
            ("behind a damaged one", vec![other.clone().with_wrong_crc(), linear.clone()], true, &[DamagedChunk]),
            ("behind zero", vec![gamma(0), linear.clone()], true, &[]),
            ("behind a short one", vec![chunk(b"gAMA", b"xx"), linear.clone()], true, &[]),
            ("with a damaged sRGB", vec![srgb.clone().with_wrong_crc(), linear.clone()], true, &[DamagedChunk]),
            ("with an invalid sRGB", vec![chunk(b"sRGB", [9]), linear.clone()], true, &[]),
            ("with sRGB behind it", vec![linear.clone(), srgb.clone()], false, &[]),
            ("damaged", vec![linear.clone().with_wrong_crc()], false, &[DamagedChunk]),
        ] {
            let expected = if is_used { &shown } else { &file };
            assert_shown(&format!("{name}, {odd}"), &file.clone().before(chunks).bytes(), expected, kinds);
        }
        assert_shown(&format!("{name}, behind the data"), &file.clone().after([linear.clone()]).bytes(), &file, &[]);
    }
}

#[test]
fn code_points_that_chromium_does_not_know_are_ignored() {
    let with = |points: [u8; 4]| File::golden("rgb_8.png").without(b"sRGB").first([chunk(b"cICP", points)]);
    let gamma = chunk(b"gAMA", 100_000_u32.to_be_bytes());
    let without = File::golden("rgb_8.png").without(b"sRGB").first([gamma.clone()]);
    let is_known = |points: [u8; 4]| {
        let both = with(points).before([gamma.clone()]).bytes();
        let seen = outcome(&both).unwrap().0;
        assert!(seen == outcome(&without.bytes()).unwrap().0 || seen == outcome(&with(points).bytes()).unwrap().0);
        seen != outcome(&without.bytes()).unwrap().0
    };
    let known = |range: std::ops::Range<u8>, points: fn(u8) -> [u8; 4]| -> Vec<u8> {
        range.filter(|value| is_known(points(*value))).collect()
    };
    assert_eq!(known(0..24, |primaries| [primaries, 13, 0, 1]), [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 22]);
    assert_eq!(known(0..20, |transfer| [9, transfer, 0, 1]), [1, 4, 5, 6, 7, 8, 11, 13, 14, 15, 16, 17, 18]);
    assert_eq!(known(0..3, |range| [9, 16, 0, range]), [1]);
    // Chromium refuses the file, so its thumbnail must not have the chunk.
    assert_eq!(known(0..3, |matrix| [9, 16, matrix, 1]), [0]);
}

/// "Raw profile type exif", as ImageMagick writes EXIF without `eXIf`.
fn raw_profile(tiff: &[u8]) -> String {
    let exif = [b"Exif\0\0", tiff].concat();
    format!("\nexif\n{:8}\n{}\n", exif.len(), data_encoding::HEXLOWER.encode(&exif))
}

#[test]
fn the_first_intact_exif_before_the_data_turns_the_picture() {
    let of = |value: u8| chunk(b"eXIf", exif(value));
    let raw = raw_profile(&exif(6));
    for (name, file) in files() {
        for (odd, turned, value, kinds) in [
            ("6, then 3", file.clone().before([of(6), of(3)]), 6, &[][..]),
            ("1, then 6", file.clone().before([of(1), of(6)]), 1, &[]),
            ("nonsense, then 6", file.clone().before([chunk(b"eXIf", b"nonsense"), of(6)]), 1, &[]),
            ("empty, then 6", file.clone().before([chunk(b"eXIf", b""), of(6)]), 1, &[]),
            ("damaged, then 3", file.clone().before([of(6).with_wrong_crc(), of(3)]), 3, &[DamagedChunk]),
            ("damaged", file.clone().before([of(6).with_wrong_crc()]), 1, &[DamagedChunk]),
            ("before the palette", file.clone().first([of(6)]), 6, &[]),
            ("behind the data", file.clone().after([of(6)]), 1, &[]),
            ("before and behind", file.clone().before([of(6)]).after([of(3)]), 6, &[]),
            ("a prefix", file.clone().before([chunk(b"eXIf", [b"Exif\0\0", &exif(6)[..]].concat())]), 1, &[]),
            ("tEXt", file.clone().before([chunk(b"tEXt", format!("Raw profile type exif\0{raw}"))]), 1, &[]),
            ("iTXt", file.clone().before([chunk(b"iTXt", format!("Raw profile type exif\0\0\0\0\0{raw}"))]), 1, &[]),
            ("APP1", file.clone().before([chunk(b"tEXt", format!("Raw profile type APP1\0{raw}"))]), 1, &[]),
            ("another name", file.clone().before([chunk(b"zxIf", exif(6))]), 1, &[]),
        ] {
            let expected = file.clone().before([of(value)]);
            assert_shown(&format!("{name}, {odd}"), &turned.bytes(), &expected, kinds);
        }
        let stream = stored(raw.as_bytes(), true);
        let text = chunk(b"zTXt", [b"Raw profile type exif\0\0", &stream[..]].concat());
        assert_shown(&format!("{name}, zTXt"), &file.clone().before([text]).bytes(), &file, &[]);
    }
}
