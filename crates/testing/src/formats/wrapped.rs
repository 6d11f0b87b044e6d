//! JPEGs inside something else, and pictures of other formats.

use super::pngs::stored;
use super::{SIZE, Sample, sample};
use crate::images::{jpeg, other_kinds, png_chunk};

pub(super) fn all() -> Vec<Sample> {
    let plain = jpeg(SIZE.0, SIZE.1);
    let part = "--boundary\r\nContent-Disposition: form-data; name=\"file\"; filename=\"photo.jpg\"\r\n\r\n";
    let multipart = [part.as_bytes(), &plain, b"\r\n--boundary--\r\n"].concat();
    let (signature, length) = ("0".repeat(64), plain.len());
    let head = format!("{length:x};chunk-signature={signature}\r\n");
    let tail = format!("\r\n0;chunk-signature={signature}\r\n\r\n");
    let mut all = vec![
        sample("multipart_form.jpg", multipart),
        sample("aws_chunked.jpg", [head.as_bytes(), &plain, tail.as_bytes()].concat()),
        sample("gzip.jpg", gzip(&plain)),
    ];
    let others = other_kinds().into_iter().filter(|(name, _)| ["gif", "webp", "heic"].contains(name));
    all.extend(others.map(|(name, bytes)| sample(format!("{name}.jpg"), bytes)));
    all
}

/// A gzip file (RFC 1952).
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let crc = crc32(bytes);
    let length = bytes.len() as u32;
    [b"\x1f\x8b\x08\0\0\0\0\0\0\xff", &stored(bytes)[..], &crc.to_le_bytes(), &length.to_le_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    // A PNG chunk ends with this checksum of its name and body.
    let (name, body) = bytes.split_first_chunk::<4>().unwrap();
    let chunk = png_chunk(name, body);
    u32::from_be_bytes(*chunk.last_chunk().unwrap())
}
