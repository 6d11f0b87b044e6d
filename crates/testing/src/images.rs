//! Generated test images: valid ones of every kind and size, and invalid ones.

use png::{BitDepth, ColorType, Compression, Encoder};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// The colours of the test picture's corners, in upright orientation: top left, top right, bottom left, bottom right.
pub const CORNERS: [[u8; 3]; 4] = [[200, 40, 40], [40, 180, 60], [50, 60, 200], [230, 220, 120]];

/// The colour of the test picture at a position, with coordinates from 0 to 1: four quarters with a soft wave over
/// them.
pub fn colour_at(x: f64, y: f64) -> [u8; 3] {
    blend(x >= 0.5, y >= 0.5, wave_x(x) * wave_y(y))
}

fn wave_x(x: f64) -> f64 {
    20.0 * (40.0 * x).sin()
}

fn wave_y(y: f64) -> f64 {
    (30.0 * y).cos()
}

fn blend(is_right: bool, is_low: bool, wave: f64) -> [u8; 3] {
    CORNERS[usize::from(is_right) + 2 * usize::from(is_low)].map(|value| (f64::from(value) + wave + 0.5) as u8)
}

/// The test picture as RGB. Draws a limited number of rows and repeats them, because drawing is slow in a debug build.
pub fn picture(width: u32, height: u32) -> Vec<u8> {
    const DRAWN: u32 = 600;
    let places = |side: u32| (0..side).map(move |at| (f64::from(at) + 0.5) / f64::from(side));
    let columns: Vec<f64> = places(width).map(wave_x).collect();
    let rows: Vec<Vec<u8>> = places(height.min(DRAWN)).map(|y| draw_row(&columns, y)).collect();
    let mut out = Vec::with_capacity((width * height * 3) as usize);
    (0..height as usize).for_each(|y| out.extend_from_slice(&rows[y * rows.len() / height as usize]));
    out
}

fn draw_row(columns: &[f64], y: f64) -> Vec<u8> {
    let wave_y = wave_y(y);
    let pixel = |(x, wave_x): (usize, &f64)| blend(2 * x + 1 >= columns.len(), y >= 0.5, wave_x * wave_y);
    columns.iter().enumerate().flat_map(pixel).collect()
}

/// The encoder parameters of a JPEG.
#[derive(Clone, Copy, Debug)]
pub struct JpegKind {
    /// How chroma is subsampled.
    pub subsampling: Subsamp,
    /// Whether it is progressive.
    pub is_progressive: bool,
    /// Arithmetic instead of Huffman coding.
    pub is_arithmetic: bool,
    /// 1 to 100.
    pub quality: i32,
}

impl Default for JpegKind {
    fn default() -> Self {
        Self { subsampling: Subsamp::Sub2x2, is_progressive: false, is_arithmetic: false, quality: 90 }
    }
}

/// Pseudorandom bytes, the same each time.
pub fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A JPEG of the test picture.
pub fn jpeg_of(kind: JpegKind, width: u32, height: u32) -> Vec<u8> {
    encode_jpeg(kind, &picture(width, height), width, height, PixelFormat::RGB)
}

fn encode_jpeg(kind: JpegKind, pixels: &[u8], width: u32, height: u32, format: PixelFormat) -> Vec<u8> {
    let mut compressor = Compressor::new().unwrap();
    compressor.set_quality(kind.quality).unwrap();
    compressor.set_subsamp(kind.subsampling).unwrap();
    compressor.set_progressive(kind.is_progressive).unwrap();
    compressor.set_arithmetic(kind.is_arithmetic).unwrap();
    let (width, height) = (width as usize, height as usize);
    compressor.compress_to_vec(Image { pixels, width, pitch: width * format.size(), height, format }).unwrap()
}

/// A JPEG with the default parameters.
pub fn jpeg(width: u32, height: u32) -> Vec<u8> {
    jpeg_of(JpegKind::default(), width, height)
}

/// A JPEG with the dimensions of a phone's photograph.
pub fn jpeg_12mp() -> Vec<u8> {
    jpeg(4032, 3024)
}

/// A progressive JPEG.
pub fn jpeg_progressive(width: u32, height: u32) -> Vec<u8> {
    jpeg_of(JpegKind { is_progressive: true, ..JpegKind::default() }, width, height)
}

/// A gray JPEG.
pub fn jpeg_gray(width: u32, height: u32) -> Vec<u8> {
    jpeg_of(JpegKind { subsampling: Subsamp::Gray, ..JpegKind::default() }, width, height)
}

/// A gray JPEG of 8 x 8 pixels that repeats its only scan `count` times.
pub fn jpeg_of_scans(count: usize) -> Vec<u8> {
    let jpeg = jpeg_gray(8, 8);
    let at = jpeg.windows(2).position(|pair| pair == b"\xff\xda").unwrap();
    let (head, scan) = (&jpeg[..at], &jpeg[at..jpeg.len() - 2]);
    [head, &scan.repeat(count), b"\xff\xd9"].concat()
}

/// A CMYK JPEG with inverted inks, as Adobe's programs write it.
pub fn jpeg_cmyk(width: u32, height: u32) -> Vec<u8> {
    let inks: Vec<u8> = picture(width, height).chunks(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 255]).collect();
    encode_jpeg(JpegKind { subsampling: Subsamp::None, ..JpegKind::default() }, &inks, width, height, PixelFormat::CMYK)
}

/// A JPEG with an EXIF orientation, and with GPS coordinates and a comment.
pub fn jpeg_oriented(width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let stored = turn_back(&picture(width, height), width, height, orientation);
    let (width, height) = if orientation >= 5 { (height, width) } else { (width, height) };
    let plain = encode_jpeg(JpegKind::default(), &stored, width, height, PixelFormat::RGB);
    let exif = [b"Exif\0\0".to_vec(), exif(orientation)].concat();
    with_segment(&with_segment(&plain, 0xfe, SECRET), 0xe1, &exif)
}

/// Text that must not appear in a thumbnail.
pub const SECRET: &[u8] = b"GPS 48.2082 N 16.3738 E";

/// An EXIF structure with an orientation, and with text that must not appear in a thumbnail.
pub fn exif(orientation: u8) -> Vec<u8> {
    let mut out = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    out.extend([orientation, 0, 0, 0, 0, 0, 0]);
    out.extend(SECRET);
    out
}

/// The same JPEG with an additional marker segment after SOI.
pub fn with_segment(jpeg: &[u8], marker: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, body, &jpeg[2..]].concat()
}

/// The stored pixels of an upright picture: reverses an EXIF orientation.
fn turn_back(upright: &[u8], width: u32, height: u32, orientation: u8) -> Vec<u8> {
    let (stored_width, stored_height) = if orientation >= 5 { (height, width) } else { (width, height) };
    let (last_x, last_y) = (width - 1, height - 1);
    let mut stored = Vec::with_capacity(upright.len());
    for y in 0..stored_height {
        for x in 0..stored_width {
            let (from_x, from_y) = match orientation {
                2 => (last_x - x, y),
                3 => (last_x - x, last_y - y),
                4 => (x, last_y - y),
                5 => (y, x),
                6 => (last_x - y, x),
                7 => (last_x - y, last_y - x),
                8 => (y, last_y - x),
                _ => (x, y),
            };
            let at = ((from_y * width + from_x) * 3) as usize;
            stored.extend(&upright[at..at + 3]);
        }
    }
    stored
}

/// A PNG of the given samples.
pub fn png_of(color: ColorType, depth: BitDepth, width: u32, height: u32, samples: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    encoder.set_compression(Compression::Fast);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(samples).unwrap();
    writer.finish().unwrap();
    out
}

/// An opaque PNG.
pub fn png_rgb(width: u32, height: u32) -> Vec<u8> {
    png_of(ColorType::Rgb, BitDepth::Eight, width, height, &picture(width, height))
}

/// A PNG that is transparent on the left and opaque on the right.
pub fn png_rgba(width: u32, height: u32) -> Vec<u8> {
    let alpha = |index: usize| (255 * (index as u32 % width) / (width - 1).max(1)) as u8;
    let samples: Vec<u8> =
        picture(width, height).chunks(3).enumerate().flat_map(|(i, rgb)| [rgb[0], rgb[1], rgb[2], alpha(i)]).collect();
    png_of(ColorType::Rgba, BitDepth::Eight, width, height, &samples)
}

/// A gray PNG.
pub fn png_gray(width: u32, height: u32) -> Vec<u8> {
    let samples: Vec<u8> = picture(width, height).chunks(3).map(|rgb| rgb[0]).collect();
    png_of(ColorType::Grayscale, BitDepth::Eight, width, height, &samples)
}

/// A plain white PNG of 30 megapixels: a small, valid file.
pub fn white_30mp_png() -> Vec<u8> {
    png_of(ColorType::Grayscale, BitDepth::Eight, 6000, 5000, &vec![255; 6000 * 5000])
}

/// A gray PNG of 400 megapixels in well under a megabyte.
pub fn gray_400mp_png() -> Vec<u8> {
    png_of(ColorType::Grayscale, BitDepth::One, 20_000, 20_000, &vec![0; 2500 * 20_000])
}

/// A PNG chunk with its checksum.
pub fn png_chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let named = [&kind[..], body].concat();
    let crc = !named.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &named, &crc.to_be_bytes()].concat()
}

/// A black, transparent PNG with 16 bits a sample, interlaced: it can only be decoded as a whole.
pub fn png_interlaced(width: u32, height: u32) -> Vec<u8> {
    // For each pass of Adam7, its first pixel and the distance between its pixels.
    let passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
    let bytes: u32 = passes
        .iter()
        .map(|(left, top, across, down)| {
            (width.saturating_sub(*left).div_ceil(*across), height.saturating_sub(*top).div_ceil(*down))
        })
        .map(|(columns, rows)| if columns == 0 { 0 } else { rows * (1 + 8 * columns) })
        .sum();
    // The encoder does not support interlacing, but one long row of zeros compresses to the same data as all passes.
    let row = png_of(ColorType::Grayscale, BitDepth::Eight, bytes - 1, 1, &vec![0; bytes as usize - 1]);
    let data = row.windows(4).position(|name| name == b"IDAT").unwrap() - 4;
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[16, 6, 0, 0, 1]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(b"IHDR", &header), row[data..].to_vec()].concat()
}

/// A PNG of 74 bytes with a header that claims this size, and little image data.
pub fn png_claiming(width: u32, height: u32) -> Vec<u8> {
    let ihdr = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    let data = png_chunk(b"IDAT", b"\x78\x9c\x63\x60\x60\x60\0\0\0\x04\0\x01\0\0\0\0\0");
    [b"\x89PNG\r\n\x1a\n".to_vec(), png_chunk(b"IHDR", &ihdr), data, png_chunk(b"IEND", b"")].concat()
}

/// A PNG of 74 bytes that claims ten thousand megapixels.
pub fn claims_100000_png() -> Vec<u8> {
    png_claiming(100_000, 100_000)
}

/// A JPEG with a height of zero in its frame header.
pub fn zero_height_jpeg() -> Vec<u8> {
    let mut bytes = jpeg(16, 16);
    let frame = bytes.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
    bytes[frame + 5..frame + 7].fill(0);
    bytes
}

/// Files of other formats than JPEG and PNG, with names.
pub fn other_kinds() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("text", b"Dear diary, today I renamed a text file to .jpg.\n".to_vec()),
        (
            "gif",
            b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
                .to_vec(),
        ),
        (
            "webp",
            b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\x000\x01\0\x9d\x01*\x01\0\x01\0\x02\x004%\xa4\0\x03p\0\xfe\xfb\xfdP\0"
                .to_vec(),
        ),
        ("heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic\0\0\0\x08mdat".to_vec()),
        ("svg", b"<svg xmlns='http://www.w3.org/2000/svg' width='1' height='1'/>".to_vec()),
        ("one byte", b"\xff".to_vec()),
        ("a PNG with a broken signature", b"\x89PNG\n\n\x1a\n\0\0\0\x0dIHDR".to_vec()),
    ]
}
