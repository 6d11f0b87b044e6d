//! Renders JPEGs with arbitrary contents.
#![no_main]

use darkroom_thumbnail::{Recipe, Size, Limits, RenderError, Stop, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut file = bytes.to_vec();
    if let Some(start) = file.first_chunk_mut::<2>() {
        *start = [0xff, 0xd8];
    }
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 22, stop: Stop::default() };
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    match render(&file, &recipe, &limits) {
        Ok(_) | Err(RenderError::Refused(_)) => {}
        Err(error) => panic!("{error}"),
    }
});
