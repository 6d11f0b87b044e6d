//! A box filter: averages squares of pixels while rows are read.
//!
//! Used before Lanczos3 if that still has to halve the picture at least, as in libvips: a quarter of the samples costs
//! a fraction of the time, and the difference is not visible in eight bits.

use darkroom_codec::dispatch::dispatched;

use super::geometry::Dimensions;
use super::pixels::Channels;

/// The box filter leaves Lanczos3 at least this factor of reduction per side.
const LEFT_FOR_THE_FILTER: u32 = 2;
/// The sum of a square of samples fits 16 bits.
const MAX_FACTOR: u32 = 16;

/// The side of the squares to average before `source` is resized to `target`. It is 1 with alpha, where averaging would
/// cost a large thumbnail two decibels.
pub(super) fn factor(source: Dimensions, target: Dimensions, channels: Channels) -> u32 {
    if matches!(channels, Channels::GrayAlpha | Channels::Rgba) {
        return 1;
    }
    let fits = |source: u32, target: u32| source / (target * LEFT_FOR_THE_FILTER);
    fits(source.width, target.width).min(fits(source.height, target.height)).clamp(1, MAX_FACTOR)
}

/// Averages rows of gray or RGB pixels.
pub(super) struct BoxFilter {
    factor: usize,
    channels: Channels,
    source: Dimensions,
    /// Source rows read so far.
    read: u32,
    row: Vec<u8>,
    /// Sums over the rows of squares.
    sums: Vec<u16>,
}

impl BoxFilter {
    pub(super) fn new(source: Dimensions, factor: u32, channels: Channels) -> Self {
        let (factor, width) = (factor as usize, source.width as usize);
        let filled = width.next_multiple_of(factor) * channels.count();
        Self { factor, channels, source, read: 0, row: vec![0; width * channels.count()], sums: vec![0; filled] }
    }

    /// Fills a row of the smaller picture from the next `factor` rows of `source`, or from the remaining ones.
    pub(super) fn next<E>(
        &mut self,
        averaged: &mut [u8],
        source: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums.fill(0);
        for _ in 0..self.factor {
            // Below the picture, the last row is repeated.
            if self.read < self.source.height {
                source(&mut self.row)?;
                self.read += 1;
            }
            let (sums, row) = (self.sums.iter_mut(), &self.row);
            dispatched(
                #[inline(always)]
                || sums.zip(row).for_each(|(sum, sample)| *sum += u16::from(*sample)),
            );
        }
        self.repeat_last_pixel();
        dispatched(
            #[inline(always)]
            || if self.channels == Channels::Gray { self.mean::<1>(averaged) } else { self.mean::<3>(averaged) },
        );
        Ok(())
    }

    /// Pads the last square on the right.
    fn repeat_last_pixel(&mut self) {
        let (count, width) = (self.channels.count(), self.row.len());
        for at in width..self.sums.len() {
            self.sums[at] = self.sums[at - count];
        }
    }

    #[inline(always)]
    fn mean<const N: usize>(&self, averaged: &mut [u8]) {
        let squares = self.sums.chunks_exact(self.factor * N);
        let pixels = averaged.as_chunks_mut::<N>().0.iter_mut();
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn averaged(width: u32, factor: u32, channels: Channels, rows: &[&[u8]]) -> Vec<Vec<u8>> {
        let source = Dimensions::new(width, rows.len() as u32);
        let mut rows = rows.iter();
        let mut reading = BoxFilter::new(source, factor, channels);
        (0..source.height.div_ceil(factor))
            .map(|_| {
                let mut row = vec![0; width.div_ceil(factor) as usize * channels.count()];
                let mut next = |space: &mut [u8]| {
                    space.copy_from_slice(rows.next().unwrap());
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
        assert_eq!(averaged(3, 2, Channels::Gray, &rows), [[15, 60], [7, 100]]);
        assert_eq!(averaged(3, 3, Channels::Gray, &rows), [[33]]);
        let rgb: [&[u8]; 2] = [&[1, 2, 3, 3, 4, 5], &[1, 2, 3, 3, 4, 5]];
        assert_eq!(averaged(2, 2, Channels::Rgb, &rgb), [[2, 3, 4]]);
    }

    #[test]
    fn the_filter_keeps_two_pixels_for_one() {
        let factor_of =
            |side, target| factor(Dimensions::new(side, side), Dimensions::new(target, target), Channels::Rgb);
        assert_eq!(
            [999, 2304, 3999, 4000, 4032, 6000, 65_000].map(|side| factor_of(side, 1000)),
            [1, 1, 1, 2, 2, 3, 16]
        );
        let (source, target) = (Dimensions::new(8000, 8000), Dimensions::new(1000, 1000));
        assert_eq!([Channels::Gray, Channels::Rgba].map(|channels| factor(source, target, channels)), [4, 1]);
        assert_eq!(factor(Dimensions::new(65_000, 3), Dimensions::new(1000, 1), Channels::Gray), 1);
    }
}
