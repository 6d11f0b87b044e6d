//! Renders a file alone, and again after another file: both results must be the same.
#![no_main]

use darkroom_thumbnail::{Recipe, Size, Limits, RenderError, Stop, Thumbnail, render};
use libfuzzer_sys::fuzz_target;

/// A gray picture of 16 x 16 pixels without data. Rendering it fails, and so drops the buffers kept for the next.
const CUT: &[u8] = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x10\0\x10\x01\x01\x11\0\xff\xda\0\x08\x01\x01\0\0\x3f\0";

fuzz_target!(|input: &[u8]| {
    let Some((at, files)) = input.split_first_chunk::<2>() else { return };
    let (first, second) = files.split_at(usize::from(u16::from_be_bytes(*at)).min(files.len()));
    assert!(outcome(CUT).is_err());
    let alone = outcome(second);
    drop(outcome(first));
    assert!(outcome(second) == alone, "it depends on the file before");
});

fn outcome(bytes: &[u8]) -> Result<Vec<Thumbnail>, String> {
    let limits = Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, stop: Stop::default() };
    let recipe = Recipe { sizes: vec![Size { name: "box".to_owned(), side: 24 }], ..Recipe::default() };
    match render(bytes, &recipe, &limits) {
        Ok(rendered) => Ok(rendered.thumbnails),
        Err(RenderError::Refused(refusal)) => Err(refusal.to_string()),
        Err(error) => panic!("{error}"),
    }
}
