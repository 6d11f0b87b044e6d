//! Files that have lost pixels, and files that contradict themselves.

use super::baseline::{Layout, encode};
use super::odd_jpegs::{SOF0, restart_markers, segment, with_byte, without};
use super::pngs::{RGB, chunk_of, idat, png, rows_of};
use super::{SIZE, Sample, sample};
use crate::images::{jpeg, jpeg_progressive, png_chunk};

const DRI: u8 = 0xdd;

pub(super) fn all() -> Vec<Sample> {
    let plain = jpeg(SIZE.0, SIZE.1);
    let progressive = jpeg_progressive(SIZE.0, SIZE.1);
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let with_restarts = encode(&Layout { restart_interval: 4, ..Layout::default() });
    let marks = restart_markers(&with_restarts);
    let frame = segment(&plain, SOF0).start;
    let no_height = [&plain[..frame + 5], &[0, 0], &plain[frame + 7..]].concat();
    let middle = segment(&plain, 0xda).end + plain.len() / 3;
    let impossible = [&plain[..middle], &[0xff, 0, 0xff, 0, 0xff, 0, 0xff, 0], &plain[middle + 8..]].concat();
    vec![
        sample("truncated.jpg", half(&plain)),
        sample("truncated_progressive.jpg", half(&progressive)),
        sample("impossible_code.jpg", impossible),
        sample("interval_missing.jpg", [&with_restarts[..marks[30]], &with_restarts[marks[31]..]].concat()),
        sample("restarts_without_dri.jpg", without(&with_restarts, DRI)),
        sample("height_0.jpg", no_height),
        sample("two_starts.jpg", [&plain[..2], &plain].concat()),
        sample("twelve_bits.jpg", with_byte(&plain, frame + 4, 12)),
        sample("truncated.png", half(&png(RGB, &[], &idat(&rows_of(RGB))))),
        sample("header_crc.png", header_crc()),
        sample("data_crc_and_adler.png", both_checksums()),
    ]
}

/// The checksum of IHDR is wrong.
fn header_crc() -> Vec<u8> {
    let mut png = png(RGB, &[], &idat(&rows_of(RGB)));
    // The signature, the chunk's length and name, its 13 bytes.
    png[8 + 8 + 13] ^= 1;
    png
}

/// Neither checksum proves the pixels.
fn both_checksums() -> Vec<u8> {
    let mut data = chunk_of(&rows_of(RGB));
    let adler = data.len() - 1;
    data[adler] ^= 1;
    let mut chunk = png_chunk(b"IDAT", &data);
    *chunk.last_mut().unwrap() ^= 1;
    png(RGB, &[], &chunk)
}
