//! A picture made smaller by a whole number while its rows come in: squares of pixels become their mean.
//!
//! It goes before Lanczos3 where that is left to halve the picture at least, as libvips does it: reading a quarter of
//! the samples costs a fraction, and nothing is lost that eight bits could show at the end.

use super::dispatch::dispatched;
use super::geometry::Dimensions;
use super::pixels::Channels;

/// Lanczos3 makes each side at most so many times shorter afterwards, and at least half of it.
const LEFT_FOR_THE_FILTER: u32 = 2;
/// The sum of a square of samples fits sixteen bits.
const MAX_FACTOR: u32 = 16;

/// How many pixels of `source` on each side become one before it is resized to `target`.
pub(super) fn factor(source: Dimensions, target: Dimensions) -> u32 {
    let fits = |source: u32, target: u32| source / (target * LEFT_FOR_THE_FILTER);
    fits(source.width, target.width).min(fits(source.height, target.height)).clamp(1, MAX_FACTOR)
}

/// Makes coarse rows of fine ones.
pub(super) struct Coarse {
    factor: usize,
    channels: Channels,
    fine: Dimensions,
    /// Fine rows that were read.
    read: u32,
    /// Those that the coarse row is made of, or without alpha the last of them; filled up to whole squares.
    rows: Vec<u8>,
    /// Sums over the rows of a square, without alpha.
    sums: Vec<u16>,
}

impl Coarse {
    pub(super) fn new(fine: Dimensions, factor: u32, channels: Channels) -> Self {
        let filled = fine.width.next_multiple_of(factor) as usize * channels.count();
        let (rows, sums) = if channels.has_alpha() { (filled * factor as usize, 0) } else { (filled, filled) };
        Self { factor: factor as usize, channels, fine, read: 0, rows: vec![0; rows], sums: vec![0; sums] }
    }

    /// Fills a coarse row from as many fine ones as it stands for; the last stands for those that are left.
    pub(super) fn next<E>(
        &mut self,
        coarse: &mut [u8],
        fine: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let filled = self.rows.len() / if self.channels.has_alpha() { self.factor } else { 1 };
        self.sums.fill(0);
        for place in 0..self.factor {
            let from = if self.channels.has_alpha() { place * filled } else { 0 };
            // Below the last row of the picture it is repeated.
            if self.read < self.fine.height {
                self.read_row(from, filled, fine)?;
            } else if from > 0 {
                self.rows.copy_within(from - filled..from, from);
            }
            self.sums.iter_mut().zip(&self.rows).for_each(|(sum, sample)| *sum += u16::from(*sample));
        }
        dispatched(
            #[inline(always)]
            || match self.channels {
                Channels::Gray => self.mean::<1>(coarse),
                Channels::Rgb => self.mean::<3>(coarse),
                Channels::GrayAlpha => self.weighted_mean::<2>(coarse),
                Channels::Rgba if self.factor == 2 => self.mean_of_four(coarse),
                Channels::Rgba => self.weighted_mean::<4>(coarse),
            },
        );
        Ok(())
    }

    /// Reads a fine row, and fills up the last square to the right.
    fn read_row<E>(
        &mut self,
        from: usize,
        filled: usize,
        fine: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let count = self.channels.count();
        let (row, rest) = self.rows[from..from + filled].split_at_mut(self.fine.width as usize * count);
        fine(row)?;
        self.read += 1;
        let last = &row[row.len() - count..];
        rest.chunks_exact_mut(count).for_each(|pixel| pixel.copy_from_slice(last));
        Ok(())
    }

    #[inline(always)]
    fn mean<const N: usize>(&self, coarse: &mut [u8]) {
        let squares = self.sums.chunks_exact(self.factor * N);
        let pixels = coarse.as_chunks_mut::<N>().0.iter_mut();
        if self.factor == 2 {
            for (pixel, square) in pixels.zip(self.sums.as_chunks::<N>().0.as_chunks::<2>().0) {
                *pixel = std::array::from_fn(|i| ((square[0][i] + square[1][i] + 2) >> 2) as u8);
            }
            return;
        }
        let area = (self.factor * self.factor) as u32;
        for (pixel, square) in pixels.zip(squares) {
            let sum = |i: usize| square.iter().skip(i).step_by(N).map(|&sum| u32::from(sum)).sum::<u32>();
            *pixel = std::array::from_fn(|i| ((sum(i) + area / 2) / area) as u8);
        }
    }

    /// Means of squares of four pixels, which mostly have one alpha.
    #[inline(always)]
    fn mean_of_four(&self, coarse: &mut [u8]) {
        const EVEN: u32 = 0x00ff_00ff;
        let pairs = self.rows.as_chunks::<4>().0.as_chunks::<2>().0;
        let (upper, lower) = pairs.split_at(pairs.len() / 2);
        for (pixel, (above, below)) in coarse.as_chunks_mut::<4>().0.iter_mut().zip(upper.iter().zip(lower)) {
            let square = [above[0], above[1], below[0], below[1]];
            let [a, b, c, d] = square.map(u32::from_le_bytes);
            if ((a ^ b) | (a ^ c) | (a ^ d)) >> 24 != 0 {
                *pixel = weighted(square);
                continue;
            }
            // Every other sample at once, each with room for its sum.
            let mean =
                |shift: u32| ([a, b, c, d].map(|pixel| pixel >> shift & EVEN).iter().sum::<u32>() + 0x0002_0002) >> 2;
            *pixel = (mean(0) & EVEN | (mean(8) & EVEN) << 8).to_le_bytes();
        }
    }

    #[inline(always)]
    fn weighted_mean<const N: usize>(&self, coarse: &mut [u8]) {
        let across = self.factor * N;
        for (x, pixel) in coarse.as_chunks_mut::<N>().0.iter_mut().enumerate() {
            let rows = self.rows.chunks_exact(self.rows.len() / self.factor);
            *pixel = weighted(rows.flat_map(|row| row[x * across..][..across].as_chunks().0.iter().copied()));
        }
    }
}

/// The mean of pixels whose last sample is alpha, by which their colours weigh.
fn weighted<const N: usize>(pixels: impl IntoIterator<Item = [u8; N]>) -> [u8; N] {
    let mut sums = [0; N];
    let mut count = 0;
    for pixel in pixels {
        let alpha = u32::from(pixel[N - 1]);
        let weighed = pixel.map(|sample| u32::from(sample) * alpha);
        sums.iter_mut().zip(weighed).take(N - 1).for_each(|(sum, sample)| *sum += sample);
        sums[N - 1] += alpha;
        count += 1;
    }
    let alpha = sums[N - 1].max(1);
    std::array::from_fn(|i| {
        let weight = if i == N - 1 { count } else { alpha };
        ((sums[i] + weight / 2) / weight) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coarse(width: u32, factor: u32, channels: Channels, rows: &[&[u8]]) -> Vec<Vec<u8>> {
        let fine = Dimensions::new(width, rows.len() as u32);
        let mut source = rows.iter();
        let mut reading = Coarse::new(fine, factor, channels);
        (0..fine.height.div_ceil(factor))
            .map(|_| {
                let mut row = vec![0; width.div_ceil(factor) as usize * channels.count()];
                let mut next = |space: &mut [u8]| {
                    space.copy_from_slice(source.next().unwrap());
                    Ok::<(), ()>(())
                };
                reading.next(&mut row, &mut next).unwrap();
                row
            })
            .collect()
    }

    #[test]
    fn a_square_becomes_its_mean_and_the_edge_is_repeated() {
        let rows: [&[u8]; 3] = [&[0, 10, 40], &[20, 30, 80], &[6, 8, 100]];
        assert_eq!(coarse(3, 2, Channels::Gray, &rows), [[15, 60], [7, 100]]);
        assert_eq!(coarse(3, 3, Channels::Gray, &rows), [[33]]);
        let rgb: [&[u8]; 2] = [&[1, 2, 3, 3, 4, 5], &[1, 2, 3, 3, 4, 5]];
        assert_eq!(coarse(2, 2, Channels::Rgb, &rgb), [[2, 3, 4]]);
    }

    #[test]
    fn colours_weigh_by_their_alpha() {
        let opaque: [&[u8]; 2] = [&[10, 20, 30, 255, 20, 20, 30, 255], &[30, 20, 33, 255, 40, 20, 30, 255]];
        assert_eq!(coarse(2, 2, Channels::Rgba, &opaque), [[25, 20, 31, 255]]);
        let clear: [&[u8]; 2] = [&[200, 0, 0, 0, 20, 20, 30, 100], &[200, 0, 0, 0, 40, 20, 30, 50]];
        assert_eq!(coarse(2, 2, Channels::Rgba, &clear), [[27, 20, 30, 38]]);
        let three: [&[u8]; 1] = [&[9, 9, 9, 0, 9, 9, 9, 0, 90, 10, 0, 90]];
        assert_eq!(coarse(3, 3, Channels::Rgba, &three), [[90, 10, 0, 30]]);
        let gray: [&[u8]; 2] = [&[200, 0, 20, 100, 60, 80], &[200, 0, 40, 50, 60, 80]];
        assert_eq!(coarse(3, 2, Channels::GrayAlpha, &gray), [[27, 38, 60, 80]]);
        let nothing: [&[u8]; 1] = [&[200, 0]];
        assert_eq!(coarse(1, 2, Channels::GrayAlpha, &nothing), [[0, 0]]);
    }

    #[test]
    fn a_square_of_one_alpha_is_what_the_weights_make_of_it() {
        let samples: Vec<u8> = (0..8 * 4 * 500_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        for (round, square) in samples.as_chunks::<16>().0.iter().enumerate() {
            let mut square = *square;
            square.iter_mut().skip(3).step_by(4).for_each(|alpha| *alpha = 1 + (round % 255) as u8);
            let own = coarse(2, 2, Channels::Rgba, &[&square[..8], &square[8..]]);
            assert_eq!(own, [weighted(square.as_chunks::<4>().0.iter().copied())]);
        }
    }

    #[test]
    fn the_filter_keeps_two_pixels_for_one() {
        let factor_of = |side, target| factor(Dimensions::new(side, side), Dimensions::new(target, target));
        assert_eq!(
            [999, 2304, 3999, 4000, 4032, 6000, 65_000].map(|side| factor_of(side, 1000)),
            [1, 1, 1, 2, 2, 3, 16]
        );
        let (source, target) = (Dimensions::new(8000, 8000), Dimensions::new(1000, 1000));
        assert_eq!(factor(source, target), 4);
        assert_eq!(factor(Dimensions::new(65_000, 3), Dimensions::new(1000, 1)), 1);
    }
}
