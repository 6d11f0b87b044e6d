//! PNG's filters (PNG specification, 9.2): each row gets the filter type with the smallest sum of absolute differences.

use super::unfilter::{mean, paeth};
use crate::dispatch::dispatched;

/// Filters rows one after another.
pub struct Filters {
    /// Bytes of a pixel.
    channels: usize,
    /// The row before.
    above: Vec<u8>,
    /// The best filtered row so far, and the candidate that is compared with it.
    best: Vec<u8>,
    trial: Vec<u8>,
}

impl Filters {
    /// For rows of `row_bytes`, with `channels` bytes a pixel.
    pub fn new(channels: usize, row_bytes: usize) -> Self {
        let row = || vec![0; row_bytes];
        Self { channels, above: row(), best: row(), trial: row() }
    }

    /// Appends the row to `out`, with the filter type of the smallest sum of absolute differences.
    pub fn append(&mut self, row: &[u8], out: &mut Vec<u8>) {
        dispatched(
            #[inline(always)]
            || {
                let mut least = (u64::MAX, 0);
                for filter in 0..=4 {
                    filter_row(filter, self.channels, &self.above, row, &mut self.trial);
                    let size = size_of_differences(&self.trial);
                    if size < least.0 {
                        least = (size, filter);
                        std::mem::swap(&mut self.best, &mut self.trial);
                    }
                }
                out.push(least.1);
            },
        );
        out.extend_from_slice(&self.best);
        self.above.copy_from_slice(row);
    }
}

#[inline(always)]
fn filter_row(filter: u8, channels: usize, above: &[u8], row: &[u8], out: &mut [u8]) {
    match filter {
        0 => out.copy_from_slice(row),
        1 => each(channels, above, row, out, |left, _, _| left),
        2 => each(channels, above, row, out, |_, above, _| above),
        3 => each(channels, above, row, out, |left, above, _| mean(left, above)),
        _ => each(channels, above, row, out, paeth),
    }
}

/// The difference of each byte from its prediction by the bytes to its left, above, and above to the left.
#[inline(always)]
fn each(channels: usize, above: &[u8], row: &[u8], out: &mut [u8], guess: impl Fn(u8, u8, u8) -> u8) {
    let (first, rest) = out.split_at_mut(channels.min(row.len()));
    for ((out, byte), above) in first.iter_mut().zip(row).zip(above) {
        *out = byte.wrapping_sub(guess(0, *above, 0));
    }
    let lefts = row.iter().zip(above);
    let bytes = row.iter().zip(above).skip(channels);
    for ((out, (byte, up)), (left, corner)) in rest.iter_mut().zip(bytes).zip(lefts) {
        *out = byte.wrapping_sub(guess(*left, *up, *corner));
    }
}

#[inline(always)]
fn size_of_differences(row: &[u8]) -> u64 {
    // In pieces whose sums fit 16 bits.
    row.chunks(256)
        .map(|piece| piece.iter().map(|byte| u16::from(byte.cast_signed().unsigned_abs())).sum::<u16>())
        .map(u64::from)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::super::unfilter::unfilter;
    use super::*;

    #[test]
    fn what_was_filtered_comes_back() {
        let row = |seed: usize| -> Vec<u8> { (0..60).map(|i| ((i * seed * seed) % 251 + i * seed) as u8).collect() };
        for channels in 1..=4_usize {
            for filter in 0..=4 {
                let (above, row) = (row(3), row(7));
                let mut filtered = vec![0; row.len()];
                filter_row(filter, channels, &above, &row, &mut filtered);
                unfilter(filter, channels as u8, &above, &mut filtered).unwrap();
                assert_eq!(filtered, row, "filter {filter}, {channels} channels");
            }
        }
    }

    #[test]
    fn the_filter_is_the_one_that_guesses_best() {
        let mut filters = Filters::new(1, 8);
        let mut out = Vec::new();
        let rows = [[9, 9, 9, 9, 9, 9, 9, 9], [3, 200, 77, 9, 120, 4, 250, 61], [3, 200, 77, 9, 120, 4, 250, 61]];
        rows.iter().for_each(|row| filters.append(row, &mut out));
        let chosen: Vec<u8> = out.chunks(9).map(|row| row[0]).collect();
        assert_eq!((chosen[0], chosen[2]), (1, 2));
        assert_eq!(out[19..], [0; 8]);
    }
}
