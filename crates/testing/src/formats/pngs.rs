//! PNGs: each colour type, colour chunks, animations, and oddities that cost no pixel.

use super::odd_jpegs::orientation_6;
use super::{OPAQUE, SIZE, Sample, Shows, converted, display_p3, sample};
use crate::images::{CORNERS, picture, png_chunk};

/// How samples are stored.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    colour_type: u8,
    depth: u8,
    is_interlaced: bool,
}

const fn kind(colour_type: u8, depth: u8) -> Kind {
    Kind { colour_type, depth, is_interlaced: false }
}

const GRAY: Kind = kind(0, 8);
pub(super) const RGB: Kind = kind(2, 8);
const PALETTE: Kind = kind(3, 8);
const GRAY_ALPHA: Kind = kind(4, 8);
const RGBA: Kind = kind(6, 8);

pub(super) fn all() -> Vec<Sample> {
    [plain(), colours(), orientations(), animations(), odd()].into_iter().flatten().collect()
}

/// A PNG with these chunks between IHDR and the data.
pub(super) fn png(kind: Kind, chunks: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let interlace = kind.is_interlaced.into();
    let size = [SIZE.0.to_be_bytes(), SIZE.1.to_be_bytes()].concat();
    let header = png_chunk(b"IHDR", &[&size[..], &[kind.depth, kind.colour_type, 0, 0, interlace]].concat());
    [b"\x89PNG\r\n\x1a\n", &header[..], &chunks.concat(), data, &png_chunk(b"IEND", b"")].concat()
}

/// One IDAT chunk of these rows.
pub(super) fn idat(rows: &[u8]) -> Vec<u8> {
    png_chunk(b"IDAT", &chunk_of(rows))
}

/// A zlib stream (RFC 1950) of stored blocks.
pub(super) fn chunk_of(rows: &[u8]) -> Vec<u8> {
    let (low, high) = rows.iter().fold((1_u32, 0_u32), |(low, high), byte| {
        let low = (low + u32::from(*byte)) % 65_521;
        (low, (high + low) % 65_521)
    });
    [&[0x78, 1], &stored(rows)[..], &(high << 16 | low).to_be_bytes()].concat()
}

/// A deflate stream (RFC 1951) of stored blocks.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let count = bytes.len().div_ceil(65_535);
    let block = |(index, bytes): (usize, &[u8])| {
        let length = bytes.len() as u16;
        [&[u8::from(index + 1 == count)], &length.to_le_bytes()[..], &(!length).to_le_bytes(), bytes].concat()
    };
    bytes.chunks(65_535).enumerate().flat_map(block).collect()
}

/// The samples of the test picture, 0 to 255, in the order of this kind. A palette has the four colours of its
/// quarters.
fn samples(kind: Kind) -> Vec<u8> {
    let (width, height) = SIZE;
    let alpha = |at: usize| (255 * (at as u32 % width) / (width - 1)) as u8;
    let quarter = |at: usize| {
        let (x, y) = (at as u32 % width, at as u32 / width);
        u8::from(2 * x >= width) + 2 * u8::from(2 * y >= height)
    };
    let pixel = |(at, rgb): (usize, &[u8])| match kind.colour_type {
        0 => vec![rgb[1]],
        2 => rgb.to_vec(),
        3 => vec![quarter(at)],
        4 => vec![rgb[1], alpha(at)],
        _ => [rgb, &[alpha(at)]].concat(),
    };
    picture(width, height).chunks(3).enumerate().flat_map(pixel).collect()
}

/// Rows with filter 0, as the PNG's data holds them before compression.
pub(super) fn rows_of(kind: Kind) -> Vec<u8> {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let samples = samples(kind);
    let channels = samples.len() / (width * height);
    const ADAM7: [(usize, usize, usize, usize); 7] =
        [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let passes = if kind.is_interlaced { &ADAM7[..] } else { &[(0, 0, 1, 1)] };
    let mut rows = Vec::new();
    for &(left, top, across, down) in passes {
        for y in (top..height).step_by(down) {
            let pixels = (left..width).step_by(across).map(|x| (y * width + x) * channels);
            rows.push(0);
            rows.extend(packed(kind, pixels.flat_map(|at| &samples[at..at + channels]).copied()));
        }
    }
    rows
}

fn packed(kind: Kind, samples: impl Iterator<Item = u8>) -> Vec<u8> {
    match kind.depth {
        16 => samples.flat_map(|sample| [sample, sample]).collect(),
        8 => samples.collect(),
        depth => {
            let shift = if kind.colour_type == 3 { 0 } else { 8 - depth };
            let samples: Vec<u8> = samples.map(|sample| sample >> shift).collect();
            let byte = |part: &[u8]| {
                let full = 8 / usize::from(depth);
                (0..full).fold(0, |byte, at| byte << depth | part.get(at).copied().unwrap_or(0))
            };
            samples.chunks(8 / usize::from(depth)).map(byte).collect()
        }
    }
}

fn of(kind: Kind) -> Vec<u8> {
    png(kind, &[], &idat(&rows_of(kind)))
}

fn palette() -> Vec<u8> {
    png_chunk(b"PLTE", CORNERS.as_flattened())
}

fn plain() -> Vec<Sample> {
    let interlaced = |kind: Kind| Kind { is_interlaced: true, ..kind };
    let faded = png_chunk(b"tRNS", &[0, 85, 170, 255]);
    let transparent = png(PALETTE, &[palette(), faded], &idat(&rows_of(PALETTE)));
    let mut all = vec![
        sample("rgb_8.png", of(RGB)),
        sample("rgb_16.png", of(kind(2, 16))),
        sample("rgb_interlaced.png", of(interlaced(RGB))),
        sample("palette_2.png", png(kind(3, 2), &[palette()], &idat(&rows_of(kind(3, 2))))),
        sample("palette_8.png", png(PALETTE, &[palette()], &idat(&rows_of(PALETTE)))),
        converted("palette_transparent.png", transparent),
        converted("gray_16.png", of(kind(0, 16))),
        converted("gray_alpha.png", of(GRAY_ALPHA)),
        converted("rgba_8.png", of(RGBA)),
        converted("rgba_16_interlaced.png", of(interlaced(kind(6, 16)))),
        converted("gray_transparent.png", png(GRAY, &[png_chunk(b"tRNS", &[0, 60])], &idat(&rows_of(GRAY)))),
    ];
    let gray = [1, 2, 4, 8].map(|depth| converted(format!("gray_{depth}.png"), of(kind(0, depth))));
    all.extend(gray);
    all
}

fn colours() -> Vec<Sample> {
    let with = |chunks: &[Vec<u8>]| png(RGB, chunks, &idat(&rows_of(RGB)));
    let gamma = |value: u32| png_chunk(b"gAMA", &value.to_be_bytes());
    let named = |profile: &[u8]| png_chunk(b"iCCP", &[b"P3\0\0", &chunk_of(profile)[..]].concat());
    // Primaries and transfer function of ITU-T H.273, RGB, full range.
    let cicp = |primaries, transfer| png_chunk(b"cICP", &[primaries, transfer, 0, 1]);
    let [bt_709, bt_2020, p3] = [1, 9, 12];
    let [linear, srgb, pq] = [8, 13, 16];
    vec![
        sample("gamma_srgb.png", with(&[gamma(45_455)])),
        converted("gamma_linear.png", with(&[gamma(100_000)])),
        sample("srgb_and_gamma.png", with(&[png_chunk(b"sRGB", b"\0"), gamma(100_000)])),
        converted("profile_p3.png", with(&[named(&display_p3())])),
        converted("cicp_p3.png", with(&[cicp(p3, srgb)])),
        converted("cicp_linear.png", with(&[cicp(bt_709, linear)])),
        converted("cicp_pq.png", with(&[cicp(bt_2020, pq)])),
    ]
}

fn orientations() -> Vec<Sample> {
    const SHORT: u16 = 3;
    let data = idat(&rows_of(RGB));
    let exif = |bytes: &[u8]| png_chunk(b"eXIf", bytes);
    let six = orientation_6(SHORT, 1);
    let prefixed = [b"Exif\0\0", &six[..]].concat();
    let hex: String = prefixed.iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("\nexif\n{:8}\n{hex}\n", prefixed.len());
    let raw = png_chunk(b"zTXt", &[b"Raw profile type exif\0\0", &chunk_of(text.as_bytes())[..]].concat());
    vec![
        converted("exif.png", png(RGB, &[exif(&six)], &data)),
        sample("exif_behind_data.png", png(RGB, &[], &[data.clone(), exif(&six)].concat())),
        sample("exif_prefix.png", png(RGB, &[exif(&prefixed)], &data)),
        sample("exif_as_text.png", png(RGB, &[raw], &data)),
    ]
}

fn animations() -> Vec<Sample> {
    let data = idat(&rows_of(RGB));
    let control = |number: u32, width: u32| {
        let size = [number, width, SIZE.1, 0, 0].map(u32::to_be_bytes).concat();
        png_chunk(b"fcTL", &[&size[..], &[0, 1, 0, 10, 0, 0]].concat())
    };
    // The frames of the animation are gray.
    let gray = chunk_of(
        &vec![128; rows_of(RGB).len()]
            .chunks(1 + 3 * SIZE.0 as usize)
            .fold(Vec::new(), |rows, row| [&rows[..], &[0], &row[1..]].concat()),
    );
    let frame = |number: u32| png_chunk(b"fdAT", &[&number.to_be_bytes(), &gray[..]].concat());
    let frames = |count: u32| png_chunk(b"acTL", &[count, 0].map(u32::to_be_bytes).concat());
    let first = [frames(2), control(0, SIZE.0)];
    let second = [control(1, SIZE.0), frame(2)].concat();
    let hidden = [control(0, SIZE.0), frame(1), control(2, SIZE.0), frame(3)].concat();
    let mut damaged = second.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let wrong = [frames(2), control(0, SIZE.0 - 1)];
    vec![
        sample("apng.png", png(RGB, &first, &[data.clone(), second.clone()].concat())),
        sample("apng_hidden_picture.png", png(RGB, &[frames(2)], &[data.clone(), hidden].concat())),
        sample("apng_first_frame_smaller.png", png(RGB, &wrong, &[data.clone(), second].concat())),
        sample("apng_frame_crc.png", png(RGB, &first, &[data, damaged].concat())),
    ]
}

fn odd() -> Vec<Sample> {
    let mut wrong_adler = chunk_of(&rows_of(RGB));
    *wrong_adler.last_mut().unwrap() ^= 1;
    let mut wrong_crc = idat(&rows_of(RGB));
    *wrong_crc.last_mut().unwrap() ^= 1;
    let indexed = rows_of(PALETTE);
    // The last quarter has an index beyond the palette, which selects the palette's last colour.
    let beyond: Vec<u8> = indexed.iter().map(|index| if *index == 3 { 5 } else { *index }).collect();
    let three = png_chunk(b"PLTE", CORNERS[..3].as_flattened());
    let quarters = match OPAQUE {
        Shows::Picture([a, b, c, _]) => Shows::Picture([a, b, c, c]),
        Shows::Converted => OPAQUE,
    };
    let background = png_chunk(b"bKGD", &[0]);
    let xcode = png(RGBA, &[], &png_chunk(b"IDAT", &stored(&rows_of(RGBA))));
    let xcode = [&xcode[..8], &png_chunk(b"CgBI", b"\x50\0\x20\x02"), &xcode[8..]].concat();
    vec![
        sample("background_before_palette.png", png(PALETTE, &[background, palette()], &idat(&indexed))),
        Sample {
            name: "palette_index_beyond.png".into(),
            bytes: png(PALETTE, &[three], &idat(&beyond)),
            shows: quarters,
        },
        sample("adler_wrong.png", png(RGB, &[], &png_chunk(b"IDAT", &wrong_adler))),
        sample("data_crc_wrong.png", png(RGB, &[], &wrong_crc)),
        sample("trailer.png", [of(RGB), vec![7; 3000]].concat()),
        converted("cgbi.png", xcode),
    ]
}
