//! A small encoder of baseline JPEGs (ITU-T T.81), for layouts that libraries do not write.

use std::f64::consts::PI;

use super::SIZE;
use super::odd_jpegs::{Segment, segments};
use crate::images::{jpeg_gray, picture};

const DHT: u8 = 0xc4;
/// One quantization step for all coefficients.
const STEP: u8 = 3;
/// The natural index of each coefficient in zigzag order.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21,
    28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54,
    47, 55, 62, 63,
];

/// How the test picture is stored, as YCbCr.
pub(super) struct Layout {
    /// The horizontal and vertical sampling factor of each component.
    pub(super) factors: [(u8, u8); 3],
    /// MCUs between restart markers; 0 for none.
    pub(super) restart_interval: u16,
    /// Whether one scan holds all components.
    pub(super) is_interleaved: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { factors: [(2, 2), (1, 1), (1, 1)], restart_interval: 0, is_interleaved: true }
    }
}

/// A component's samples.
struct Plane {
    factors: (u8, u8),
    width: usize,
    height: usize,
    samples: Vec<f64>,
}

/// Huffman codes of the symbols: code and length.
type Codes = Vec<Option<(u32, u32)>>;

struct Scan<'a> {
    dc: &'a Codes,
    ac: &'a Codes,
    out: Vec<u8>,
    bits: u64,
    count: u32,
}

/// The test picture in this layout.
pub(super) fn encode(layout: &Layout) -> Vec<u8> {
    let planes = planes(layout);
    let tables = huffman_segments();
    let (dc, ac) = (codes(&tables[0]), codes(&tables[1]));
    let (width, height) = SIZE;
    let mut out = b"\xff\xd8\xff\xdb\0\x43\0".to_vec();
    out.extend([STEP; 64]);
    out.extend(b"\xff\xc0\0\x11\x08");
    out.extend([(height >> 8) as u8, height as u8, (width >> 8) as u8, width as u8, 3]);
    for (id, (across, down)) in (1..).zip(layout.factors) {
        out.extend([id, across << 4 | down, 0]);
    }
    out.extend(tables.concat());
    if layout.restart_interval > 0 {
        out.extend(b"\xff\xdd\0\x04");
        out.extend(layout.restart_interval.to_be_bytes());
    }
    let groups = if layout.is_interleaved { vec![vec![0, 1, 2]] } else { vec![vec![0], vec![1], vec![2]] };
    for group in groups {
        out.extend([0xff, 0xda, 0, 6 + 2 * group.len() as u8, group.len() as u8]);
        group.iter().for_each(|&index| out.extend([index as u8 + 1, 0]));
        out.extend([0, 63, 0]);
        let planes: Vec<&Plane> = group.iter().map(|&index| &planes[index]).collect();
        out.extend(scan(&planes, layout, &dc, &ac));
    }
    out.extend(b"\xff\xd9");
    out
}

/// The segments of the standard's typical tables for luma: DC, then AC.
fn huffman_segments() -> Vec<Vec<u8>> {
    let gray = jpeg_gray(8, 8);
    let is_table = |segment: &Segment| segment.marker == DHT;
    segments(&gray).into_iter().filter(is_table).map(|it| gray[it.start..it.end].to_vec()).collect()
}

fn codes(segment: &[u8]) -> Codes {
    let (counts, mut symbols) = (&segment[5..21], segment[21..].iter());
    let mut codes = vec![None; 256];
    let mut code = 0;
    for (length, &count) in (1..).zip(counts) {
        for symbol in symbols.by_ref().take(count.into()) {
            codes[usize::from(*symbol)] = Some((code, length));
            code += 1;
        }
        code <<= 1;
    }
    codes
}

fn planes(layout: &Layout) -> Vec<Plane> {
    let (width, height) = (SIZE.0 as usize, SIZE.1 as usize);
    let rgb = picture(SIZE.0, SIZE.1);
    let most = |of: fn((u8, u8)) -> u8| layout.factors.map(of).into_iter().max().unwrap();
    let (most_across, most_down) = (most(|it| it.0), most(|it| it.1));
    let weights = [[0.299, 0.587, 0.114], [-0.168_736, -0.331_264, 0.5], [0.5, -0.418_688, -0.081_312]];
    let plane = |(factors, weights): ((u8, u8), [f64; 3])| {
        let (across, down) = (usize::from(most_across / factors.0), usize::from(most_down / factors.1));
        let offset = if weights[0] == 0.299 { -128.0 } else { 0.0 };
        let value = |x: usize, y: usize| {
            let at = 3 * (y.min(height - 1) * width + x.min(width - 1));
            (0..3).map(|channel| weights[channel] * f64::from(rgb[at + channel])).sum::<f64>() + offset
        };
        let mean = |x: usize, y: usize| {
            let all = (0..across * down).map(|index| value(x * across + index % across, y * down + index / across));
            all.sum::<f64>() / (across * down) as f64
        };
        let (columns, rows) = (width.div_ceil(across), height.div_ceil(down));
        let samples = (0..columns * rows).map(|at| mean(at % columns, at / columns)).collect();
        Plane { factors, width: columns, height: rows, samples }
    };
    layout.factors.into_iter().zip(weights).map(plane).collect()
}

impl Plane {
    /// The quantized coefficients of a block, in zigzag order. Blocks behind the edge repeat it.
    fn block(&self, column: usize, row: usize) -> [i32; 64] {
        let sample = |x: usize, y: usize| {
            let (x, y) = ((8 * column + x).min(self.width - 1), (8 * row + y).min(self.height - 1));
            self.samples[y * self.width + x]
        };
        let scale = |u: usize| if u == 0 { 0.5_f64.sqrt() } else { 1.0 };
        let cosine: [[f64; 8]; 8] = std::array::from_fn(|u| {
            std::array::from_fn(|x| scale(u) / 2.0 * ((2 * x + 1) as f64 * u as f64 * PI / 16.0).cos())
        });
        // The sums over each row, then over the columns.
        let rows: [[f64; 8]; 8] =
            std::array::from_fn(|y| std::array::from_fn(|u| (0..8).map(|x| cosine[u][x] * sample(x, y)).sum()));
        let coefficient = |at: usize| (0..8).map(|y| cosine[at / 8][y] * rows[y][at % 8]).sum::<f64>();
        ZIGZAG.map(|at| (coefficient(at) / f64::from(STEP)).round() as i32)
    }
}

/// The entropy-coded data of a scan, with its restart markers.
fn scan(planes: &[&Plane], layout: &Layout, dc: &Codes, ac: &Codes) -> Vec<u8> {
    let is_alone = planes.len() == 1;
    let factors = |plane: &Plane| if is_alone { (1, 1) } else { (plane.factors.0.into(), plane.factors.1.into()) };
    let blocks = |side: usize, factor: usize| side.div_ceil(8 * factor);
    let across = planes.iter().map(|plane| blocks(plane.width, factors(plane).0)).max().unwrap();
    let down = planes.iter().map(|plane| blocks(plane.height, factors(plane).1)).max().unwrap();
    let mut scan = Scan { dc, ac, out: Vec::new(), bits: 0, count: 0 };
    let mut before = vec![0; planes.len()];
    for mcu in 0..across * down {
        let interval = usize::from(layout.restart_interval);
        if interval > 0 && mcu > 0 && mcu % interval == 0 {
            scan.align();
            scan.out.extend([0xff, 0xd0 + ((mcu / interval - 1) % 8) as u8]);
            before.fill(0);
        }
        for (plane, before) in planes.iter().zip(&mut before) {
            let (columns, rows) = factors(plane);
            for index in 0..columns * rows {
                let column = (mcu % across) * columns + index % columns;
                let row = (mcu / across) * rows + index / columns;
                scan.block(&plane.block(column, row), before);
            }
        }
    }
    scan.align();
    scan.out
}

impl Scan<'_> {
    fn block(&mut self, block: &[i32; 64], before: &mut i32) {
        let difference = block[0] - *before;
        *before = block[0];
        self.symbol(true, 0, difference);
        let mut zeros = 0;
        for &value in &block[1..] {
            if value == 0 {
                zeros += 1;
                continue;
            }
            for _ in 0..zeros / 16 {
                self.symbol(false, 15, 0);
            }
            self.symbol(false, zeros % 16, value);
            zeros = 0;
        }
        if zeros > 0 {
            self.symbol(false, 0, 0);
        }
    }

    /// Writes a run of zeros and a value: the code of the run and the value's size, then the value's bits.
    fn symbol(&mut self, is_dc: bool, run: u32, value: i32) {
        let size = 32 - value.unsigned_abs().leading_zeros();
        let codes = if is_dc { self.dc } else { self.ac };
        let (code, length) = codes[(run << 4 | size) as usize].unwrap();
        self.write(code, length);
        let bits = if value < 0 { value - 1 } else { value } as u32;
        self.write(bits & ((1 << size) - 1), size);
    }

    fn write(&mut self, bits: u32, count: u32) {
        self.bits = self.bits << count | u64::from(bits);
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.bits >> self.count) as u8;
            self.out.push(byte);
            if byte == 0xff {
                self.out.push(0);
            }
        }
    }

    /// Fills the last byte with ones.
    fn align(&mut self) {
        let missing = (8 - self.count % 8) % 8;
        self.write((1 << missing) - 1, missing);
    }
}
