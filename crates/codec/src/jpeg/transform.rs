//! The inverse DCT to eight or fewer samples a side: from the lowest coefficients, directly into a plane.

use super::progressive_blocks::Blocks;

/// Row and column of each zigzag index.
pub(super) const ZIGZAG: [(usize, usize); 64] = zigzag();

const fn zigzag() -> [(usize, usize); 64] {
    let mut order = [(0, 0); 64];
    let (mut row, mut column, mut at) = (0_usize, 0_usize, 0);
    while at < 64 {
        order[at] = (row, column);
        let goes_up = (row + column).is_multiple_of(2);
        match (goes_up, row, column) {
            (true, _, 7) => row += 1,
            (true, 0, _) => column += 1,
            (true, _, _) => (row, column) = (row - 1, column + 1),
            (false, 7, _) => column += 1,
            (false, _, 0) => row += 1,
            (false, _, _) => (row, column) = (row + 1, column - 1),
        }
        at += 1;
    }
    order
}

/// The zigzag index of each row and column.
const PLACES: [[usize; 8]; 8] = places();

const fn places() -> [[usize; 8]; 8] {
    let mut places = [[0; 8]; 8];
    let mut at = 0;
    while at < 64 {
        let (row, column) = ZIGZAG[at];
        places[row][column] = at;
        at += 1;
    }
    places
}

/// Blocks that are transformed at once, so that the compiler can use SIMD.
pub(super) const LANES: usize = 8;

/// The coefficients of [`LANES`] blocks: for each zigzag index, one coefficient per block.
pub(super) type Batch = [[i16; LANES]; 64];

/// One number for each block.
type Lanes = [f32; LANES];

/// The transform of blocks to `N` samples a side, from `K` coefficients; those outside the square are ignored.
pub(super) struct Transform<const N: usize, const K: usize> {
    /// The factor of each coefficient: its quantisation step, and the normalisation of its basis functions.
    weights: [[f32; N]; N],
    /// The basis function of each frequency at the samples.
    waves: [[f32; N]; N],
}

impl<const N: usize, const K: usize> Transform<N, K> {
    /// The transform for a quantisation table in zigzag order.
    pub(super) fn new(quantisation: &[u16; 64]) -> Self {
        let wave = |frequency: usize, at: usize| {
            let angle = std::f64::consts::PI * (2 * at + 1) as f64 * frequency as f64 / (2 * N) as f64;
            let height = if frequency == 0 { 1.0 } else { std::f64::consts::SQRT_2 };
            (height * angle.cos()) as f32
        };
        let mut weights = [[0.0; N]; N];
        // The fast transform to eight samples leaves out one factor per frequency.
        let height = |frequency: usize| if N == 8 { wave(frequency, 0) / quick_wave(frequency) } else { 1.0 };
        for (&(row, column), &quantum) in ZIGZAG.iter().zip(quantisation) {
            if row < N && column < N {
                weights[row][column] = f32::from(quantum) / 8.0 * height(row) * height(column);
            }
        }
        Self { weights, waves: std::array::from_fn(|frequency| std::array::from_fn(|at| wave(frequency, at))) }
    }

    /// Fills a plane with rows of `width` samples.
    #[inline(always)]
    pub(super) fn apply(&self, blocks: &Blocks<K>, plane: &mut [u8], width: usize) {
        let mut batch = [[0; LANES]; 64];
        for (strip, row) in plane.chunks_mut(N * width).zip(blocks.values.chunks_exact(blocks.stride)) {
            for (first, some) in (0..width).step_by(N * LANES).zip(row.chunks(LANES)) {
                for (lane, values) in some.iter().enumerate() {
                    batch.iter_mut().zip(values).for_each(|(lanes, value)| lanes[lane] = *value);
                }
                self.paint(&batch, strip, width, first);
            }
        }
    }

    /// Paints adjacent blocks from a column on, cut off at the plane's edge.
    #[inline(always)]
    pub(super) fn paint(&self, batch: &Batch, strip: &mut [u8], width: usize, first: usize) {
        let rows = self.rows(batch);
        for (row, samples) in strip.chunks_exact_mut(width).zip(&rows) {
            let room = row.get_mut(first..).unwrap_or_default();
            let (whole, rest) = room.as_chunks_mut::<N>();
            let cut = samples.get(whole.len()).map_or(&[][..], |bytes| &bytes[..rest.len()]);
            for (block, bytes) in whole.iter_mut().zip(samples) {
                block.copy_from_slice(&bytes[..N]);
            }
            rest.iter_mut().zip(cut).for_each(|(sample, byte)| *sample = *byte);
        }
    }

    /// The rows of samples of each block, padded to eight.
    #[inline(always)]
    fn rows(&self, batch: &Batch) -> [[[u8; 8]; LANES]; N] {
        let mut lines = [[[0.0; LANES]; N]; N];
        for (y, line) in lines.iter_mut().enumerate() {
            // At full size most blocks of a smooth picture have no high frequencies.
            if N == 8 && is_zero(batch, &PLACES[y]) {
                continue;
            }
            let mut frequencies = [[0.0; LANES]; N];
            for (x, lanes) in frequencies.iter_mut().enumerate() {
                let weight = self.weights[y][x];
                lanes.iter_mut().zip(&batch[PLACES[y][x]]).for_each(|(lane, value)| *lane = f32::from(*value) * weight);
            }
            self.line(&frequencies, line);
        }
        // Four samples per word.
        let mut words = [[[0_u32; LANES]; 2]; N];
        for x in 0..N {
            let (mut frequencies, mut column) = ([[0.0; LANES]; N], [[0.0; LANES]; N]);
            frequencies.iter_mut().zip(&lines).for_each(|(frequency, line)| *frequency = line[x]);
            self.line(&frequencies, &mut column);
            for (words, values) in words.iter_mut().zip(&column) {
                let words = words[x / 4].iter_mut().zip(values);
                words.for_each(|(word, value)| *word |= sample(*value) << (8 * (x % 4)));
            }
        }
        let mut rows = [[[0; 8]; LANES]; N];
        for (row, [left, right]) in rows.iter_mut().zip(&words) {
            for (samples, (left, right)) in row.iter_mut().zip(left.iter().zip(right)) {
                *samples = (u64::from(*right) << 32 | u64::from(*left)).to_le_bytes();
            }
        }
        rows
    }

    /// The samples of a line from its frequencies. Basis functions of even frequency are symmetric, those of odd
    /// frequency antisymmetric.
    #[inline(always)]
    fn line(&self, frequencies: &[Lanes; N], line: &mut [Lanes; N]) {
        if N == 8 {
            return quick_line(frequencies, line);
        }
        for x in 0..N.div_ceil(2) {
            let (mut even, mut odd) = (frequencies[0], [0.0; LANES]);
            for (before, (lanes, wave)) in frequencies[1..].iter().zip(&self.waves[1..]).enumerate() {
                let wave = wave[x];
                let sums = if before % 2 == 0 { &mut odd } else { &mut even };
                sums.iter_mut().zip(lanes).for_each(|(sum, value)| *sum += value * wave);
            }
            for lane in 0..LANES {
                line[N - 1 - x][lane] = even[lane] - odd[lane];
                line[x][lane] = even[lane] + odd[lane];
            }
        }
    }
}

/// The samples of a line of eight by the transform of Arai, Agui and Nakajima: 5 multiplications instead of 28. The
/// weights of the frequencies contain the other factors.
#[inline(always)]
fn quick_line<const N: usize>(frequencies: &[Lanes; N], line: &mut [Lanes; N]) {
    use std::f32::consts::SQRT_2;
    /// `2 cos(pi / 8)`, and its sum with and difference from `2 sin(pi / 8)`.
    const ROTATIONS: [f32; 3] = [1.847_759, 2.613_126, 1.082_392_2];
    let add = |a: &Lanes, b: &Lanes| -> Lanes { std::array::from_fn(|lane| a[lane] + b[lane]) };
    let subtract = |a: &Lanes, b: &Lanes| -> Lanes { std::array::from_fn(|lane| a[lane] - b[lane]) };
    let scale = |a: &Lanes, factor: f32| -> Lanes { a.map(|value| value * factor) };
    let at = |frequency: usize| &frequencies[frequency];

    let (sum, difference) = (add(at(0), at(4)), subtract(at(0), at(4)));
    let outer = add(at(2), at(6));
    let inner = subtract(&scale(&subtract(at(2), at(6)), SQRT_2), &outer);
    let even = [add(&sum, &outer), add(&difference, &inner), subtract(&difference, &inner), subtract(&sum, &outer)];

    let (low, high) = (add(at(1), at(7)), add(at(5), at(3)));
    let (left, right) = (subtract(at(5), at(3)), subtract(at(1), at(7)));
    let turned = scale(&add(&left, &right), ROTATIONS[0]);
    let first = add(&low, &high);
    let second = subtract(&subtract(&turned, &scale(&left, ROTATIONS[1])), &first);
    let third = subtract(&scale(&subtract(&low, &high), SQRT_2), &second);
    let fourth = subtract(&subtract(&turned, &scale(&right, ROTATIONS[2])), &third);
    for (x, (even, odd)) in even.iter().zip([first, second, third, fourth]).enumerate() {
        line[x] = add(even, &odd);
        line[N - 1 - x] = subtract(even, &odd);
    }
}

/// The first sample that [`quick_line`] returns for a single frequency of one.
fn quick_wave(frequency: usize) -> f32 {
    let mut frequencies = [[0.0; LANES]; 8];
    frequencies[frequency] = [1.0; LANES];
    let mut line = [[0.0; LANES]; 8];
    quick_line(&frequencies, &mut line);
    line[0][0]
}

/// Whether the coefficients with these indices are zero in every block.
#[inline(always)]
fn is_zero(batch: &Batch, places: &[usize; 8]) -> bool {
    let mut all = [0; LANES];
    for place in places {
        all.iter_mut().zip(&batch[*place]).for_each(|(all, value)| *all |= value);
    }
    all == [0; LANES]
}

/// A sample from 0 to 255, shifted from a range around zero.
#[inline(always)]
fn sample(value: f32) -> u32 {
    /// Adding it moves the rounded number into the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    ((value + 128.0).clamp(0.0, 255.0) + ROUNDING).to_bits() & 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_zigzag_is_that_of_jpeg() {
        assert_eq!(ZIGZAG[..6], [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2)]);
        assert_eq!((ZIGZAG[12], ZIGZAG[24], ZIGZAG[35], ZIGZAG[63]), ((2, 2), (3, 3), (7, 0), (7, 7)));
    }

    #[test]
    fn a_square_needs_the_coefficients_up_to_its_far_corner() {
        let needed = |side: usize| 1 + ZIGZAG.iter().rposition(|&(row, column)| row < side && column < side).unwrap();
        assert_eq!((1..=8).map(needed).collect::<Vec<_>>(), [1, 5, 13, 25, 40, 52, 60, 64]);
    }

    #[test]
    fn eight_samples_are_the_whole_transform() {
        let transform = Transform::<8, 64>::new(&[1; 64]);
        let at = ZIGZAG.iter().position(|&place| place == (2, 5)).unwrap();
        let mut batch = [[0; LANES]; 64];
        batch[0][3] = -200;
        batch[at][3] = 300;
        batch[0][4] = 80;
        for (y, blocks) in transform.rows(&batch).iter().enumerate() {
            for (x, (sample, empty)) in blocks[3].iter().zip(&blocks[0]).enumerate() {
                let wave =
                    |frequency: f64, at: usize| ((2 * at + 1) as f64 * frequency * std::f64::consts::PI / 16.0).cos();
                let meant = 128.0 - 200.0 / 8.0 + 300.0 / 4.0 * wave(2.0, y) * wave(5.0, x);
                assert!((f64::from(*sample) - meant).abs() < 0.51, "{sample} for {meant}");
                assert_eq!((*empty, blocks[4][x]), (128, 138));
            }
        }
    }

    #[test]
    fn samples_are_rounded_and_stay_inside() {
        assert_eq!([-200.0, -128.4, 0.4, 0.6, 126.6, 500.0].map(sample), [0, 0, 128, 129, 255, 255]);
    }
}
