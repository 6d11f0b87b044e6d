//! Measures the cost of rendering in one long-lived process, like a worker.
//!
//! ```text
//! cargo bench --bench render -- cpu ROUNDS FILE...            CPU time of each file by stage, and its lower bound
//! cargo bench --bench render -- endless THREADS FILE...       a line for each image, until it is killed
//! cargo bench --bench render -- write DIR FILE...             writes the thumbnails, to inspect their quality
//! cargo bench --bench render -- repeat TIMES KIND             a generated picture, for benches/instructions
//! ```
#![expect(clippy::print_stdout, reason = "its output is the result")]
#![expect(clippy::unwrap_used, reason = "a measurement that cannot be taken has no result")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use darkroom_thumbnail::{Limits, Recipe, Rendered, Stop, Timings, render};
use turbojpeg::{Compressor, Decompressor, Image, PixelFormat, ScalingFactor, Subsamp, YuvImage};

fn main() {
    // Cargo adds `--bench`. Without arguments, nothing is measured.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["cpu", rounds, files @ ..] => cpu(rounds.parse().unwrap(), files),
        ["endless", threads, files @ ..] => endless(threads.parse().unwrap(), files),
        ["write", directory, files @ ..] => write(directory, files),
        ["repeat", times, kind] => repeat(times.parse().unwrap(), kind),
        _ => {
            println!("usage: cpu ROUNDS FILE... | endless THREADS FILE... | write DIR FILE... | repeat TIMES KIND")
        }
    }
}

fn made(bytes: &[u8]) -> Rendered {
    let limits = Limits { max_bytes: 1 << 30, max_pixels: 200_000_000, stop: Stop::default() };
    let optimize = std::env::var_os("OPTIMIZE").is_some();
    render(bytes, &Recipe { jpeg_optimize: optimize, ..Recipe::default() }, &limits).unwrap()
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).try_into().unwrap()
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = cpu_time();
    let done = work();
    ((cpu_time() - begun).as_secs_f64() * 1e3, done)
}

/// Goes over all files in each round, so that a disturbance affects all of them.
fn cpu(rounds: usize, files: &[&str]) {
    let sources: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let mut times = vec![Vec::new(); files.len()];
    let mut stages = vec![[(); 3].map(|()| Vec::new()); files.len()];
    let mut floors = vec![Vec::new(); files.len()];
    let mut results = vec![None; files.len()];
    for round in 0..=rounds {
        for (index, bytes) in sources.iter().enumerate() {
            let (took, rendered) = timed(|| made(bytes));
            // The first round is a warm-up.
            if round > 0 {
                times[index].push(took);
                let Timings { decode, resize, encode } = rendered.timings;
                let these = [decode, resize, encode].map(|stage| stage.as_secs_f64() * 1e3);
                stages[index].iter_mut().zip(these).for_each(|(all, took)| all.push(took));
                floors[index].extend(floor(bytes));
            }
            results[index] = Some(rendered);
        }
    }
    for (index, file) in files.iter().enumerate() {
        let rendered = results[index].as_ref().unwrap();
        let bytes: Vec<usize> = rendered.thumbnails.iter().map(|thumbnail| thumbnail.bytes.len()).collect();
        let (low, median, high) = spread(&mut times[index]);
        let [decode, resize, encode] = stages[index].each_mut().map(|times| spread(times).1);
        let (_, floor, _) = spread(&mut floors[index]);
        println!(
            "{{\"file\":{:?},\"cpu_ms\":{median:.2},\"lowest\":{low:.2},\"highest\":{high:.2},\"floor_ms\":{floor:.2},\
             \"decode_ms\":{decode:.2},\"resize_ms\":{resize:.2},\"encode_ms\":{encode:.2},\"bytes\":{bytes:?}}}",
            Path::new(file).file_name().unwrap()
        );
    }
}

/// The cheapest possible decode: reads the whole entropy-coded data, and makes an eighth of each side.
fn floor(bytes: &[u8]) -> Option<f64> {
    let mut decompressor = Decompressor::new().unwrap();
    let header = decompressor.read_header(bytes).ok()?;
    decompressor.set_scaling_factor(ScalingFactor::ONE_EIGHTH).unwrap();
    let size = header.scaled(ScalingFactor::ONE_EIGHTH);
    let mut pixels = vec![0; turbojpeg::yuv_pixels_len(size.width, 1, size.height, size.subsamp).ok()?];
    let planes = YuvImage {
        pixels: pixels.as_mut_slice(),
        width: size.width,
        align: 1,
        height: size.height,
        subsamp: size.subsamp,
    };
    let (took, decoded) = timed(|| decompressor.decompress_to_yuv(bytes, planes));
    decoded.ok().map(|()| took)
}

fn spread(times: &mut [f64]) -> (f64, f64, f64) {
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    match times {
        [] => (0.0, 0.0, 0.0),
        [low, .., high] => (*low, median, *high),
        [only] => (*only, *only, *only),
    }
}

fn endless(threads: usize, files: &[&str]) {
    let sources: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    let begun = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    made(&sources[begun.fetch_add(1, Ordering::Relaxed) % sources.len()]);
                    println!("image");
                }
            });
        }
    });
}

fn write(directory: &str, files: &[&str]) {
    for file in files {
        let stem = Path::new(file).file_stem().unwrap().to_str().unwrap();
        let rendered = made(&std::fs::read(file).unwrap());
        for thumbnail in &rendered.thumbnails {
            let name = format!("{stem}_{}.{}", thumbnail.size, rendered.header.format.extension());
            std::fs::write(Path::new(directory).join(name), &thumbnail.bytes).unwrap();
        }
    }
}

/// Renders a picture of waves and noise again and again.
fn repeat(times: usize, kind: &str) {
    let file = match kind {
        "baseline" => jpeg(&samples(3), Subsamp::Sub2x2, false),
        "restarts" => jpeg_with_restarts(),
        "progressive" => jpeg(&samples(3), Subsamp::Sub2x2, true),
        "rgb" => png(png::ColorType::Rgb, 3),
        _ => png(png::ColorType::Rgba, 4),
    };
    (0..times).for_each(|_| drop(std::hint::black_box(made(&file))));
}

const WIDTH: usize = 2400;
const HEIGHT: usize = 1600;

fn samples(channels: usize) -> Vec<u8> {
    let sample = |at: usize| {
        let (x, y, channel) = (at / channels % WIDTH, at / channels / WIDTH, at % channels);
        let noise = (at as u32).wrapping_mul(2_654_435_761) >> 29;
        let wave = (x as f64 / 23.0 + channel as f64).sin() * (y as f64 / 17.0).cos();
        (120.0 + 100.0 * wave) as u8 + noise as u8
    };
    (0..WIDTH * HEIGHT * channels).map(sample).collect()
}

fn jpeg(pixels: &[u8], subsampling: Subsamp, is_progressive: bool) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_progressive(is_progressive).unwrap();
    compressor.set_subsamp(subsampling).unwrap();
    compressor.set_quality(88).unwrap();
    let (format, height) = (PixelFormat::RGB, pixels.len() / (3 * WIDTH));
    compressor.compress_to_vec(Image { pixels, width: WIDTH, pitch: 3 * WIDTH, height, format }).unwrap()
}

/// A picture in 4:2:2, as most cameras write it, with a restart marker after each row of MCUs.
fn jpeg_with_restarts() -> Vec<u8> {
    // The encoder writes no restart markers, but a restart interval is the data of a picture that is one MCU high.
    let rows: Vec<Vec<u8>> =
        samples(3).chunks(3 * WIDTH * 8).map(|pixels| jpeg(pixels, Subsamp::Sub2x1, false)).collect();
    let place = |marker: u8| rows[0].windows(2).position(|pair| pair == [0xff, marker]).unwrap();
    let (frame, scan) = (place(0xc0), place(0xda));
    let data = scan + 2 + usize::from(rows[0][scan + 3]);
    let mut file = rows[0][..scan].to_vec();
    file[frame + 5..frame + 7].copy_from_slice(&(HEIGHT as u16).to_be_bytes());
    file.extend([0xff, 0xdd, 0, 4, 0, (WIDTH / 16) as u8]);
    file.extend(&rows[0][scan..data]);
    for (row, number) in rows.iter().zip((0..8).cycle()) {
        file.extend(&row[data..row.len() - 2]);
        file.extend([0xff, 0xd0 + number]);
    }
    // The end marker in place of the last restart marker.
    *file.last_mut().unwrap() = 0xd9;
    file
}

fn png(colour: png::ColorType, channels: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(colour);
    encoder.write_header().unwrap().write_image_data(&samples(channels)).unwrap();
    file
}
