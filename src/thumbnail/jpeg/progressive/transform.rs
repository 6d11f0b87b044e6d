//! The inverse cosine transform to fewer samples than eight: of the lowest coefficients, straight into a plane.

use super::blocks::Blocks;

/// For each place in zigzag order: row and column.
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

/// The transform of blocks to `N` samples a side, from `K` coefficients of which those beyond the square are left out.
pub(super) struct Transform<const N: usize, const K: usize> {
    /// What a coefficient is worth: its quantisation.
    weights: [f32; K],
    /// For each frequency, its wave at the samples.
    waves: [[f32; N]; N],
}

impl<const N: usize, const K: usize> Transform<N, K> {
    /// For coefficients that were divided by `quantisation`, in zigzag order.
    pub(super) fn new(quantisation: &[u16; 64]) -> Self {
        let wave = |frequency: usize, at: usize| {
            let angle = std::f64::consts::PI * (2 * at + 1) as f64 * frequency as f64 / (2 * N) as f64;
            let height = if frequency == 0 { 1.0 } else { std::f64::consts::SQRT_2 };
            (height * angle.cos() / f64::sqrt(8.0)) as f32
        };
        Self {
            weights: std::array::from_fn(|at| f32::from(quantisation[at])),
            waves: std::array::from_fn(|frequency| std::array::from_fn(|at| wave(frequency, at))),
        }
    }

    /// Fills a plane of so many samples a row.
    pub(super) fn apply(&self, blocks: &Blocks<K>, plane: &mut [u8], width: usize) {
        let rows = blocks.values.chunks_exact(blocks.stride).zip(blocks.nonzero.chunks_exact(blocks.stride));
        for (strip, (values, nonzero)) in plane.chunks_mut(N * width).zip(rows) {
            for (column, (values, nonzero)) in (0..width).step_by(N).zip(values.iter().zip(nonzero)) {
                let square = self.square(values, *nonzero);
                let count = N.min(width - column);
                for (row, samples) in strip.chunks_exact_mut(width).zip(&square) {
                    if let Some(whole) = row.get_mut(column..column + N) {
                        whole.copy_from_slice(samples);
                    } else {
                        row[column..].copy_from_slice(&samples[..count]);
                    }
                }
            }
        }
    }

    #[inline(always)]
    fn square(&self, values: &[i16; K], nonzero: u64) -> [[u8; N]; N] {
        let flat = f32::from(values[0]) * self.weights[0] / 8.0;
        if nonzero & (u64::MAX >> (64 - K)) == 0 {
            return [[sample(flat); N]; N];
        }
        let mut coefficients = [[0.0_f32; N]; N];
        for at in 0..K {
            let (row, column) = ZIGZAG[at];
            if row < N && column < N {
                coefficients[row][column] = f32::from(values[at]) * self.weights[at];
            }
        }
        let mut rows = [[0.0_f32; N]; N];
        for (row, coefficients) in rows.iter_mut().zip(&coefficients) {
            for (coefficient, wave) in coefficients.iter().zip(&self.waves) {
                for (sum, wave) in row.iter_mut().zip(wave) {
                    *sum += coefficient * wave;
                }
            }
        }
        let mut square = [[0; N]; N];
        for (at, samples) in square.iter_mut().enumerate() {
            let mut sums = [0.0_f32; N];
            for (row, wave) in rows.iter().zip(&self.waves) {
                for (sum, value) in sums.iter_mut().zip(row) {
                    *sum += value * wave[at];
                }
            }
            *samples = sums.map(sample);
        }
        square
    }
}

/// A sample from 0 to 255, whose zero is in the middle before.
#[inline(always)]
fn sample(value: f32) -> u8 {
    /// Adding it leaves a number rounded in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    ((value + 128.0).clamp(0.0, 255.0) + ROUNDING).to_bits() as u8
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
        let mut values = [0; 64];
        values[0] = -200;
        let at = ZIGZAG.iter().position(|&place| place == (2, 5)).unwrap();
        values[at] = 300;
        let square = transform.square(&values, 1 << at);
        for (y, row) in square.iter().enumerate() {
            for (x, sample) in row.iter().enumerate() {
                let wave =
                    |frequency: f64, at: usize| ((2 * at + 1) as f64 * frequency * std::f64::consts::PI / 16.0).cos();
                let meant = 128.0 - 200.0 / 8.0 + 300.0 / 4.0 * wave(2.0, y) * wave(5.0, x);
                assert!((f64::from(*sample) - meant).abs() < 0.51, "{sample} for {meant}");
            }
        }
    }

    #[test]
    fn samples_are_rounded_and_stay_inside() {
        assert_eq!([-200.0, -128.4, 0.4, 0.6, 126.6, 500.0].map(sample), [0, 0, 128, 129, 255, 255]);
    }
}
