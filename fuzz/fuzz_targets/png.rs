//! Renders PNGs, whatever stands in them. The signature and the checksum of the header are put right first, since no
//! amount of luck finds them; the codec leaves out its own checksums when it is built for fuzzing.
#![no_main]

use darkroom::recipe::{Recipe, Size};
use darkroom::thumbnail::{Limits, RenderError, Stop, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(head) = file.first_chunk_mut::<33>() {
        head[..16].copy_from_slice(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR");
        let crc = crc32(&head[12..29]);
        head[29..].copy_from_slice(&crc.to_be_bytes());
    }
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 22, stop: Stop::default() };
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    match render(&file, &recipe, &limits) {
        Ok(_) | Err(RenderError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
});

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    })
}
