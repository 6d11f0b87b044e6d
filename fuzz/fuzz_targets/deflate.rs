//! Compresses bytes into deflate blocks, and checks that zlib-rs and darkroom's decoder inflate them to the same bytes.
#![no_main]

use darkroom_codec::deflate::Deflate;
use darkroom_codec::inflate::inflated;
use libfuzzer_sys::fuzz_target;
use zlib_rs::{Inflate, InflateFlush, Status};

fuzz_target!(|input: &[u8]| {
    let Some((&size, bytes)) = input.split_first() else { return };
    let mut deflate = Deflate::new();
    let mut blocks = bytes.chunks(1 + 16 * usize::from(size)).peekable();
    let mut stream = Vec::new();
    while let Some(block) = blocks.next() {
        stream.extend_from_slice(deflate.block(block, blocks.peek().is_none()));
    }
    if stream.is_empty() {
        stream.extend_from_slice(deflate.block(&[], true));
    }

    let mut reference = vec![0; bytes.len() + 1];
    let mut inflate = Inflate::new(true, 15);
    assert_eq!(inflate.decompress(&stream, &mut reference, InflateFlush::Finish), Ok(Status::StreamEnd));
    assert_eq!(&reference[..inflate.total_out() as usize], bytes);
    assert_eq!(inflated(&stream, bytes.len()).as_deref(), Ok(bytes));
});
