//! Which faults in and around the image data of a PNG cost pixels.

use darkroom_thumbnail::RefusalReason;
use darkroom_thumbnail::Tolerated::{ChunkOrder, LeftoverBytes, MissingEnd, TrailingBytes, WrongAdler, WrongCrc};

use crate::png_file::{Chunk, File, assert_corrupt, assert_shown, chunk, outcome, stored};

/// A file for each way of decoding.
fn files() -> impl Iterator<Item = (&'static str, File)> {
    ["rgb_8.png", "rgba_8.png", "palette_8.png", "gray_2.png", "rgb_16.png", "gray_alpha_8_interlaced.png"]
        .into_iter()
        .map(|name| (name, File::golden(name)))
}

fn with_wrong_adler(stream: &[u8]) -> Vec<u8> {
    let (rest, last) = stream.split_at(stream.len() - 1);
    [rest, &[last[0] ^ 1]].concat()
}

/// The stream in two chunks.
fn halves(stream: &[u8]) -> [Chunk; 2] {
    let (first, second) = stream.split_at(stream.len() / 2);
    [chunk(b"IDAT", first), chunk(b"IDAT", second)]
}

#[test]
fn one_checksum_proves_the_rows() {
    for (name, file) in files() {
        let (stream, length) = (&file.stream, file.stream.len());
        let whole = file.bytes();
        let [first, second] = halves(stream);
        for (odd, bytes, kind) in [
            ("Adler-32", file.clone().with_stream(with_wrong_adler(stream)).bytes(), WrongAdler),
            ("no Adler-32", file.clone().with_stream(&stream[..length - 4]).bytes(), WrongAdler),
            ("half an Adler-32", file.clone().with_stream(&stream[..length - 2]).bytes(), WrongAdler),
            ("no end of the stream", file.clone().with_stream(stored(&file.rows(), false)).bytes(), WrongAdler),
            ("CRC", file.clone().with_data([chunk(b"IDAT", stream).with_wrong_crc()]).bytes(), WrongCrc),
            ("first CRC", file.clone().with_data([first.clone().with_wrong_crc(), second.clone()]).bytes(), WrongCrc),
            ("second CRC", file.clone().with_data([first, second.with_wrong_crc()]).bytes(), WrongCrc),
        ] {
            assert_shown(&format!("{name}, {odd}"), &bytes, &file, &[kind]);
        }
        // The file ends in or before the CRC, which is followed by the twelve bytes of IEND.
        for missing in 13..=16 {
            let cut = &whole[..whole.len() - missing];
            assert_shown(&format!("{name}, {missing} bytes are missing"), cut, &file, &[MissingEnd, WrongCrc]);
        }
        for missing in 17..40 {
            assert_corrupt(&format!("{name}, {missing} bytes are missing"), &whole[..whole.len() - missing]);
        }
    }
}

#[test]
fn rows_without_a_right_checksum_are_damaged() {
    for (name, file) in files() {
        let (stream, rows) = (&file.stream, file.rows());
        let wrong = chunk(b"IDAT", with_wrong_adler(stream));
        let unfinished = chunk(b"IDAT", &stream[..stream.len() - 4]);
        let a_row_more = with_wrong_adler(&stored(&[&rows[..], &[0; 50]].concat(), true));
        for (odd, damaged) in [
            ("both", file.clone().with_data([wrong.with_wrong_crc()])),
            ("CRC, no Adler-32", file.clone().with_data([unfinished.with_wrong_crc()])),
            ("wrong Adler-32 and a row too many", file.clone().with_stream(a_row_more)),
        ] {
            assert_corrupt(&format!("{name}, {odd}"), &damaged.bytes());
        }
    }
}

#[test]
fn rows_that_are_missing_or_impossible_are_damage() {
    for (name, file) in files() {
        let rows = file.rows();
        let [first, second] = halves(&file.stream);
        let unknown_filter = [&[9], &rows[1..]].concat();
        for (odd, damaged) in [
            ("a byte less", file.clone().with_stream(stored(&rows[..rows.len() - 1], true))),
            ("a byte less, no end", file.clone().with_stream(stored(&rows[..rows.len() - 1], false))),
            ("no rows", file.clone().with_stream(stored(&[], true))),
            ("an unknown filter type", file.clone().with_stream(stored(&unknown_filter, true))),
            ("only the first half", file.clone().with_data([first.clone()])),
            ("only the second half", file.clone().with_data([second.clone()])),
            ("the halves swapped", file.clone().with_data([second.clone(), first.clone()])),
            (
                "the first half renamed",
                file.clone().with_data([Chunk(*b"iDAT", first.1.clone(), true), second.clone()]),
            ),
            ("an end between", file.clone().with_data([first.clone(), chunk(b"IEND", []), second.clone()])),
            ("an unknown chunk between", file.clone().with_data([first.clone(), chunk(b"ABCD", []), second.clone()])),
            ("no data", file.clone().with_data([])),
            ("empty data", file.clone().with_stream([])),
        ] {
            assert_corrupt(&format!("{name}, {odd}"), &damaged.bytes());
        }
        // Method, window and check bits of the zlib header, a dictionary, and no header.
        for header in [b"\x79\x9c", b"\x88\x1c", b"\x78\x9d", b"\x78\xbb"] {
            let stream = [header, &file.stream[2..]].concat();
            assert_corrupt(&format!("{name}, {header:?}"), &file.clone().with_stream(stream).bytes());
        }
        assert_corrupt(&format!("{name}, no header"), &file.clone().with_stream(&file.stream[2..]).bytes());
        for header in [b"\x18\x19", b"\x58\x85", b"\x78\x01", b"\x78\xda"] {
            let bytes = file.clone().with_stream([header, &file.stream[2..]].concat()).bytes();
            assert_shown(&format!("{name}, {header:?}"), &bytes, &file, &[]);
        }
    }
}

#[test]
fn what_follows_the_rows_costs_none() {
    for (name, file) in files() {
        let (stream, rows) = (&file.stream, file.rows());
        let [first, second] = halves(stream);
        let (data, rubbish) = (chunk(b"IDAT", stream), chunk(b"IDAT", b"rubbish".repeat(50)));
        let stored = |extra: &[u8]| stored(&[&rows[..], extra].concat(), true);
        let text = chunk(b"tEXt", b"key\0value");
        for (odd, bytes, kinds) in [
            ("a byte more", file.clone().with_stream(stored(b"x")).bytes(), &[LeftoverBytes][..]),
            ("a megabyte more", file.clone().with_stream(stored(&vec![0; 1 << 20])).bytes(), &[LeftoverBytes]),
            (
                "behind the stream",
                file.clone().with_stream([&stream[..], b"rubbish"].concat()).bytes(),
                &[LeftoverBytes],
            ),
            ("a chunk more", file.clone().with_data([data.clone(), rubbish.clone()]).bytes(), &[LeftoverBytes]),
            (
                "a damaged chunk more",
                file.clone().with_data([data.clone(), rubbish.with_wrong_crc()]).bytes(),
                &[LeftoverBytes, WrongCrc],
            ),
            ("empty chunks", file.clone().with_data([chunk(b"IDAT", []), data, chunk(b"IDAT", [])]).bytes(), &[]),
            (
                "a text between",
                file.clone().with_data([first.clone(), text.clone(), second.clone()]).bytes(),
                &[ChunkOrder],
            ),
            (
                "a frame between",
                file.clone().with_data([first.clone(), chunk(b"fdAT", b"\0\0\0\x01x"), second.clone()]).bytes(),
                &[ChunkOrder],
            ),
            (
                "a damaged text between",
                file.clone().with_data([first, text.clone().with_wrong_crc(), second]).bytes(),
                &[WrongCrc, ChunkOrder],
            ),
            ("no IEND", file.clone().ending([]).bytes(), &[MissingEnd]),
            ("a damaged IEND", file.clone().ending([chunk(b"IEND", []).with_wrong_crc()]).bytes(), &[]),
            ("an IEND with a body", file.clone().ending([chunk(b"IEND", b"body")]).bytes(), &[]),
            ("no IEND behind a text", file.clone().ending([text.clone()]).bytes(), &[MissingEnd]),
            ("rubbish for IEND", [&file.clone().ending([]).bytes()[..], &[7; 99]].concat(), &[MissingEnd]),
            ("rubbish behind IEND", [&file.bytes()[..], b"rubbish"].concat(), &[TrailingBytes]),
            ("another file", [file.bytes(), File::golden("rgb_8.png").bytes()].concat(), &[TrailingBytes]),
            ("unknown chunks", file.clone().after([chunk(b"ABCD", []), chunk(b"\0\0\0\0", [])]).bytes(), &[]),
            ("a second header", file.clone().after([file.head[0].clone()]).bytes(), &[]),
        ] {
            assert_shown(&format!("{name}, {odd}"), &bytes, &file, kinds);
        }
        let whole = file.clone().after([text]).bytes();
        for length in whole.len() - 33..whole.len() - 4 {
            assert_shown(&format!("{name}, cut at {length}"), &whole[..length], &file, &[MissingEnd]);
        }
    }
}

#[test]
fn no_changed_byte_changes_the_picture() {
    for (name, file) in files() {
        let [first, second] = halves(&file.stream);
        let whole = file.clone().with_data([first, second]).bytes();
        let expected = outcome(&whole).unwrap().0;
        let head = file.clone().with_data([]).ending([]).bytes().len();
        for at in (head..whole.len()).step_by(1 + (whole.len() - head) / 300).chain(whole.len() - 40..whole.len()) {
            for change in [1, 0x20, 0x80] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                match outcome(&changed) {
                    Ok((thumbnails, _)) => assert!(thumbnails == expected, "{name}: byte {at} ^ {change}"),
                    Err(reason) => assert_eq!(reason, RefusalReason::Corrupt),
                }
            }
        }
    }
}

/// The Adler-32 is only searched that far behind the rows: a few kilobytes can expand to gigabytes.
#[test]
fn an_adler_far_behind_the_rows_proves_nothing() {
    const LIMIT: usize = 64 << 10;
    for (name, file) in files() {
        for (extra, is_proven) in [(LIMIT - 1, true), (LIMIT, true), (LIMIT + 1, false)] {
            let data = chunk(b"IDAT", stored(&[file.rows(), vec![0; extra]].concat(), true));
            let name = format!("{name}, {extra} bytes");
            assert_shown(&name, &file.clone().with_data([data.clone()]).bytes(), &file, &[LeftoverBytes]);
            let damaged = file.clone().with_data([data.with_wrong_crc()]).bytes();
            if is_proven {
                assert_shown(&name, &damaged, &file, &[LeftoverBytes, WrongCrc]);
            } else {
                assert_corrupt(&name, &damaged);
            }
        }
    }
}
