//! The deadline holds for every file: the most expensive one of each kind stops within a second of it.

use std::time::{Duration, Instant};

use darkroom_thumbnail::{Limits, Recipe, RenderError, Stop, Stopped, render};
use turbojpeg::Subsamp;

use crate::images::{self, JpegKind};

/// How long after its deadline a rendering may end, in CPU time of its thread, because the machine may be busy.
const LATE: Duration = Duration::from_secs(1);

const SIDE: u32 = 10_000;

fn jpeg(is_progressive: bool, is_arithmetic: bool, subsampling: Subsamp) -> Vec<u8> {
    let kind = JpegKind { subsampling, is_progressive, is_arithmetic, quality: 60 };
    images::jpeg_of(kind, SIDE, SIDE)
}

/// The most expensive file of each kind: 100 megapixels.
fn dearest() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("baseline", jpeg(false, false, Subsamp::None)),
        ("progressive", jpeg(true, false, Subsamp::None)),
        ("arithmetic", jpeg(false, true, Subsamp::None)),
        ("progressive, arithmetic", jpeg(true, true, Subsamp::None)),
        ("inks", images::jpeg_cmyk(SIDE, SIDE)),
        ("many scans", many_scans()),
        ("deep, interlaced", images::png_interlaced(SIDE, SIDE)),
        ("alpha", images::png_rgba(SIDE, SIDE)),
    ]
}

/// The most scans that the limit allows. A progressive file cannot repeat scans, so a sequential one repeats its only
/// scan.
fn many_scans() -> Vec<u8> {
    let jpeg = images::jpeg_gray(4000, 4000);
    let scan = (0..jpeg.len()).find(|&at| jpeg[at..].starts_with(b"\xff\xda")).unwrap();
    let (head, rest) = jpeg.split_at(scan);
    let rest = &rest[..rest.len() - 2];
    let count = 50_000_000 / (4000 * 4000 / 64 + 2048);
    [head, rest.repeat(count).as_slice(), b"\xff\xd9"].concat()
}

#[test]
#[ignore = "makes and decodes pictures of 100 megapixels: make test-long"]
fn the_dearest_file_of_each_kind_ends_soon_after_its_deadline() {
    for (name, bytes) in dearest() {
        for after in [Duration::ZERO, Duration::from_millis(100), Duration::from_millis(400)] {
            let limits = |stop| Limits { max_bytes: 1 << 30, max_pixels: 100_000_000, stop };
            let begun = crate::mutations::cpu_time();
            let result = render(&bytes, &Recipe::default(), &limits(Stop::at(Instant::now() + after)));
            let took = crate::mutations::cpu_time() - begun;
            println!("{name}: {took:?} of {after:?}");
            assert!(took < after + LATE, "{name} took {took:?} for a deadline of {after:?}");
            if after.is_zero() {
                assert_eq!(result.unwrap_err(), RenderError::Stopped(Stopped::Deadline), "{name}");
            }
        }
    }
}
