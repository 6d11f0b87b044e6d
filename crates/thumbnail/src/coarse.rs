//! A picture made smaller by a whole number while its rows come in: squares of pixels become their mean.
//!
//! It goes before Lanczos3 where that is left to halve the picture at least, as libvips does it: reading a quarter of
//! the samples costs a fraction, and nothing is lost that eight bits could show at the end.

use darkroom_codec::dispatch::dispatched;

use super::geometry::Dimensions;
use super::pixels::Channels;

/// Lanczos3 makes each side at most so many times shorter afterwards, and at least half of it.
const LEFT_FOR_THE_FILTER: u32 = 2;
/// The sum of a square of samples fits sixteen bits.
const MAX_FACTOR: u32 = 16;

/// How many pixels of `source` on each side become one before it is resized to `target`. None with alpha: a large
/// thumbnail would be two decibels off, and worse than what others make.
pub(super) fn factor(source: Dimensions, target: Dimensions, channels: Channels) -> u32 {
    if matches!(channels, Channels::GrayAlpha | Channels::Rgba) {
        return 1;
    }
    let fits = |source: u32, target: u32| source / (target * LEFT_FOR_THE_FILTER);
    fits(source.width, target.width).min(fits(source.height, target.height)).clamp(1, MAX_FACTOR)
}

/// Makes coarse rows of fine ones, gray or RGB.
pub(super) struct Coarse {
    factor: usize,
    channels: Channels,
    fine: Dimensions,
    /// Fine rows that were read.
    read: u32,
    row: Vec<u8>,
    /// Sums over the rows of a square.
    sums: Vec<u16>,
}

impl Coarse {
    pub(super) fn new(fine: Dimensions, factor: u32, channels: Channels) -> Self {
        let (factor, width) = (factor as usize, fine.width as usize);
        let filled = width.next_multiple_of(factor) * channels.count();
        Self { factor, channels, fine, read: 0, row: vec![0; width * channels.count()], sums: vec![0; filled] }
    }

    /// Fills a coarse row from as many fine ones as it stands for; the last stands for those that are left.
    pub(super) fn next<E>(
        &mut self,
        coarse: &mut [u8],
        fine: &mut impl FnMut(&mut [u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.sums.fill(0);
        for _ in 0..self.factor {
            // Below the last row of the picture it is repeated.
            if self.read < self.fine.height {
                fine(&mut self.row)?;
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
            || if self.channels == Channels::Gray { self.mean::<1>(coarse) } else { self.mean::<3>(coarse) },
        );
        Ok(())
    }

    /// Fills up the last square to the right.
    fn repeat_last_pixel(&mut self) {
        let (count, width) = (self.channels.count(), self.row.len());
        for at in width..self.sums.len() {
            self.sums[at] = self.sums[at - count];
        }
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
