//! Renders PNGs with arbitrary contents. The target first corrects the signature, the start of IHDR and the checksum of
//! every chunk, because the fuzzer cannot guess them.
#![no_main]

use crc_fast::crc32_iso_hdlc;
use darkroom_thumbnail::{Recipe, Size, Limits, RenderError, Stop, render};
use libfuzzer_sys::fuzz_target;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(head) = file.first_chunk_mut::<16>() {
        *head = *b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR";
    }
    put_checksums_right(&mut file);
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 22, stop: Stop::default() };
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    match render(&file, &recipe, &limits) {
        Ok(_) | Err(RenderError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
});

fn put_checksums_right(file: &mut [u8]) {
    let mut at = SIGNATURE.len();
    while let Some(length) = file.get(at..).and_then(|rest| rest.first_chunk()) {
        let body = at + 4..at + 8 + u32::from_be_bytes(*length) as usize;
        at = body.end + 4;
        let Some(chunk) = file.get_mut(body.start..at) else { return };
        let (body, sum) = chunk.split_at_mut(body.len());
        sum.copy_from_slice(&crc32_iso_hdlc(body).to_be_bytes());
    }
}
