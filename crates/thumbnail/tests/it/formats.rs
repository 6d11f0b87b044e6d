//! The tables of docs/FORMATS.md are true: each file ends as its row says, and shows the right picture.

use std::collections::BTreeMap;

use darkroom_testing::formats::{self, SIZE, Shows};
use darkroom_thumbnail::{Limits, Recipe, RefusalReason, RenderError, Rendered, Stop, render};
use image::RgbaImage;

/// How far the mean colour of a quarter may be off, in levels. JPEG blurs the edges between the quarters, and the first
/// scan of a progressive file lacks the last bit of each coefficient.
const TOLERANCE: f64 = 8.0;

/// The outcome of each file in the document.
fn documented() -> BTreeMap<String, String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/FORMATS.md");
    let document = std::fs::read_to_string(path).unwrap();
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.filter_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells.len() > 5).then(|| (cells[0].trim_end_matches('`').to_owned(), cells[2].to_owned()))
    });
    cells.collect()
}

fn rendered(bytes: &[u8]) -> Result<Rendered, RenderError> {
    render(bytes, &Recipe::default(), &Limits { max_bytes: 1 << 20, max_pixels: 1 << 20, stop: Stop::default() })
}

fn outcome(result: &Result<Rendered, RenderError>) -> &'static str {
    match result {
        Ok(_) => "published",
        Err(RenderError::Refused(refusal)) => match refusal.reason {
            RefusalReason::Corrupt => "`corrupt`",
            RefusalReason::UnsupportedType => "`unsupported_type`",
            RefusalReason::Empty | RefusalReason::TooManyBytes => "too few or too many bytes",
            RefusalReason::TooManyPixels | RefusalReason::TooMuchWork => "too large",
        },
        Err(_) => "an error",
    }
}

/// The mean colour of each quarter.
fn quarters(picture: &RgbaImage) -> [[f64; 4]; 4] {
    let (width, height) = picture.dimensions();
    std::array::from_fn(|quarter| {
        let (left, top) = (quarter as u32 % 2 * width / 2, quarter as u32 / 2 * height / 2);
        let pixels = (top..top + height / 2).flat_map(|y| (left..left + width / 2).map(move |x| (x, y)));
        let mut sums = [0.0; 4];
        pixels.for_each(|(x, y)| {
            let pixel = picture.get_pixel(x, y).0;
            sums.iter_mut().zip(pixel).for_each(|(sum, sample)| *sum += f64::from(sample));
        });
        sums.map(|sum| sum / f64::from(width / 2 * (height / 2)))
    })
}

/// What is wrong with the thumbnails of a file; empty if nothing is.
fn faults(rendered: &Rendered, shows: Shows) -> Vec<String> {
    let Shows::Picture(expected) = shows else { return Vec::new() };
    let mut faults = Vec::new();
    for thumbnail in &rendered.thumbnails {
        let picture = image::load_from_memory(&thumbnail.bytes).unwrap().into_rgba8();
        let (width, height) = picture.dimensions();
        let is_upright = width.abs_diff((height * SIZE.0 + SIZE.1 / 2) / SIZE.1) <= 1;
        let seen = quarters(&picture);
        let mut samples = seen.as_flattened().iter().zip(expected.as_flattened());
        if !is_upright || samples.any(|(seen, expected)| (seen - f64::from(*expected)).abs() > TOLERANCE) {
            faults.push(format!("{}: {width} x {height}, its quarters are {seen:.0?}", thumbnail.size));
        }
    }
    faults
}

#[test]
fn every_file_of_the_document_ends_as_it_says_with_the_right_picture() {
    let documented = documented();
    let mut wrong = Vec::new();
    let samples = formats::all();
    for sample in &samples {
        let result = rendered(&sample.bytes);
        let seen = outcome(&result);
        match documented.get(&sample.name) {
            Some(expected) if expected == seen => {}
            Some(expected) => wrong.push(format!("{}: {expected} in the document, but {seen}", sample.name)),
            None => wrong.push(format!("{}: not in the document, ends as {seen}", sample.name)),
        }
        let faults = result.iter().flat_map(|rendered| faults(rendered, sample.shows));
        wrong.extend(faults.map(|fault| format!("{}: {fault}", sample.name)));
    }
    let unknown = documented.keys().filter(|name| samples.iter().all(|sample| sample.name != **name));
    wrong.extend(unknown.map(|name| format!("{name}: in the document, but there is no such file")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(samples.len() > 90, "only {} files", samples.len());
}
