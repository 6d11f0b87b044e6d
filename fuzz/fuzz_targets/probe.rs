//! Reads headers from arbitrary bytes: it must not panic, and must not return a size over the limit.
#![no_main]

use darkroom_thumbnail::{Recipe, Limits, Stop, inspect};
use libfuzzer_sys::fuzz_target;

const MAX_PIXELS: u64 = 100_000_000;

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { max_bytes: 64 << 20, max_pixels: MAX_PIXELS, stop: Stop::default() };
    if let Ok(inspected) = inspect(bytes, &Recipe::default(), &limits) {
        let header = inspected.header();
        let pixels = u64::from(header.width) * u64::from(header.height);
        assert!((1..=MAX_PIXELS).contains(&pixels));
        assert!((1..=8).contains(&header.orientation));
    }
});
