//! Inflates arbitrary deflate blocks, and streams that zlib-rs compressed, and compares the results with zlib-rs.
#![no_main]

use darkroom_codec::inflate::inflated;
use libfuzzer_sys::fuzz_target;
use zlib_rs::adler32::adler32;
use zlib_rs::{Deflate, DeflateFlush, Inflate, InflateFlush, Status};

const LIMIT: usize = 1 << 20;

fuzz_target!(|blocks: &[u8]| {
    // Set the correct checksum: the fuzzer cannot guess it.
    let mut bytes = vec![0; LIMIT];
    let mut reference = Inflate::new(false, 15);
    let has_ended = reference.decompress(blocks, &mut bytes, InflateFlush::Finish) == Ok(Status::StreamEnd);
    bytes.truncate(reference.total_out() as usize);
    let read = reference.total_in() as usize;
    let stream = [b"\x78\x9c", &blocks[..read], &adler32(1, &bytes).to_be_bytes()].concat();
    if let Ok(own) = inflated(&stream, LIMIT) {
        assert!(has_ended && own == bytes, "{} bytes in place of {}", own.len(), bytes.len());
    }

    let level = i32::from(blocks.first().copied().unwrap_or_default() % 10);
    let mut stream = vec![0; 2 * blocks.len() + 1000];
    let mut deflate = Deflate::new(level, true, 15);
    assert_eq!(deflate.compress(blocks, &mut stream, DeflateFlush::Finish), Ok(Status::StreamEnd));
    stream.truncate(deflate.total_out() as usize);
    assert!(inflated(&stream, blocks.len()).is_ok_and(|own| own == blocks), "level {level}");
});
