//! Resizes a picture while it is decoded: only a strip of its rows is held at a time.
//!
//! The height of a strip is reduced as soon as its rows are read. The width of several strips is reduced together,
//! because the weights for it are recomputed each time.

use std::error::Error;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{MulDiv, PixelTrait, Resizer};

use super::RenderError;
use super::box_filter::{self, BoxFilter};
use super::geometry::Dimensions;
use super::lanczos::{self, REACH};
use super::pixels::{Channels, Pixels};

/// The target size of a strip's source rows, in bytes: small enough for the L2 cache.
pub(super) const STRIP_BYTES: usize = 1 << 20;
/// The least bytes of rows whose width is reduced at once.
pub(super) const HALFWAY_BYTES: usize = 1 << 20;

/// Some rows of the smaller picture, and the rows of the larger picture that they are made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Strip {
    /// The range of rows of the smaller picture.
    pub(super) made: (u32, u32),
    /// The range of rows of the larger picture.
    pub(super) read: (u32, u32),
}

/// Divides the resize from `source` to `target` into strips of about `rows` source rows; `scale` is the ratio of
/// heights.
fn strips(source: Dimensions, target: Dimensions, scale: f64, rows: usize) -> impl Iterator<Item = Strip> {
    let count = ((rows as f64 / scale) as u32).max(1);
    (0..target.height).step_by(count as usize).map(move |from| {
        let to = target.height.min(from.saturating_add(count));
        let first = ((f64::from(from) + 0.5 - REACH) * scale).floor() - 1.0;
        let last = ((f64::from(to) - 0.5 + REACH) * scale).ceil() + 1.0;
        Strip { made: (from, to), read: (first.max(0.0) as u32, source.height.min(last as u32)) }
    })
}

/// The state of a picture that is reduced strip by strip.
pub(super) struct Shrinking {
    /// The size of the larger picture after averaging.
    source: Dimensions,
    /// How much of it is visible: the last pixel of each side may include padding.
    visible: (f64, f64),
    box_filter: Option<BoxFilter>,
    rows: Vec<u8>,
    /// The first row held.
    first: u32,
    /// One after the last row held.
    end: u32,
    /// The first of the rows that were read for this strip.
    fresh: usize,
    /// Rows that have the height of the smaller picture and the width of the larger one.
    halfway: Vec<u8>,
    /// The first of these rows.
    halfway_from: u32,
    pub(super) smaller: Pixels,
}

impl Shrinking {
    /// A reduction from `source` to `target` that uses `buffers` for its rows.
    pub(super) fn new(source: Dimensions, target: Dimensions, channels: Channels, buffers: [Vec<u8>; 2]) -> Self {
        let [rows, halfway] = buffers.map(|mut buffer| {
            buffer.clear();
            buffer
        });
        let factor = box_filter::factor(source, target, channels);
        let part = |side: u32| f64::from(side) / f64::from(factor);
        Self {
            source: Dimensions::new(source.width.div_ceil(factor), source.height.div_ceil(factor)),
            visible: (part(source.width), part(source.height)),
            box_filter: (factor > 1).then(|| BoxFilter::new(source, factor, channels)),
            rows,
            first: 0,
            end: 0,
            fresh: 0,
            halfway,
            halfway_from: 0,
            smaller: Pixels::blank(target, channels),
        }
    }

    /// The strips to read and reduce, in order, of about `bytes` of source rows each.
    pub(super) fn strips(&self, bytes: usize) -> impl Iterator<Item = Strip> + use<> {
        strips(self.source, self.smaller.size, self.scale(), bytes / self.row_bytes().max(1))
    }

    fn scale(&self) -> f64 {
        self.visible.1 / f64::from(self.smaller.size.height)
    }

    fn row_bytes(&self) -> usize {
        self.source.width as usize * self.smaller.channels.count()
    }

    /// Drops the rows before the strip and reads the missing rows of the strip.
    pub(super) fn read<E>(&mut self, strip: Strip, mut row: impl FnMut(&mut [u8]) -> Result<(), E>) -> Result<(), E> {
        let row_bytes = self.row_bytes();
        let done = (strip.read.0.min(self.end) - self.first) as usize * row_bytes;
        self.rows.copy_within(done.., 0);
        self.first = strip.read.0.min(self.end);
        let kept = (self.end - self.first) as usize * row_bytes;
        let held = (strip.read.1.max(self.end) - self.first) as usize * row_bytes;
        // Exact, because a growing vector takes twice the memory.
        self.rows.reserve_exact(held.saturating_sub(self.rows.len()));
        self.rows.resize(held, 0);
        self.fresh = kept;
        for space in self.rows[kept..].chunks_exact_mut(row_bytes) {
            match &mut self.box_filter {
                Some(box_filter) => box_filter.next(space, &mut row)?,
                None => row(space)?,
            }
        }
        self.end = strip.read.1.max(self.end);
        Ok(())
    }

    /// Makes the strip's rows of the smaller picture.
    pub(super) fn shrink(&mut self, resizer: &mut Resizer, strip: Strip) -> Result<(), RenderError> {
        match self.smaller.channels {
            Channels::Gray => self.shrink_typed::<U8>(resizer, strip),
            Channels::GrayAlpha => self.shrink_typed::<U8x2>(resizer, strip),
            Channels::Rgb => self.shrink_typed::<U8x3>(resizer, strip),
            Channels::Rgba => self.shrink_typed::<U8x4>(resizer, strip),
        }
        .map_err(|error| RenderError::Internal(format!("resizing a strip: {error}")))
    }

    fn shrink_typed<P: PixelTrait>(&mut self, resizer: &mut Resizer, strip: Strip) -> Result<(), Box<dyn Error>> {
        // Premultiplies alpha, so that transparent pixels do not bleed into others; divided out again afterwards.
        if self.is_multiplied() {
            let height = self.end - self.first - (self.fresh / self.row_bytes()) as u32;
            let mut fresh = TypedImage::<P>::from_buffer(self.source.width, height, &mut self.rows[self.fresh..])?;
            MulDiv::new().multiply_alpha_inplace_typed(&mut fresh)?;
        }
        self.make_lower::<P>(resizer, strip)?;
        if self.halfway.len() >= HALFWAY_BYTES || strip.made.1 == self.smaller.size.height {
            self.make_narrower::<P>(resizer, strip.made.1)?;
        }
        Ok(())
    }

    /// Whether alpha is premultiplied. A picture that keeps its size keeps its exact samples.
    fn is_multiplied(&self) -> bool {
        matches!(self.smaller.channels, Channels::GrayAlpha | Channels::Rgba) && self.source != self.smaller.size
    }

    /// Reduces the height of the strip, and appends its rows to `halfway`.
    fn make_lower<P: PixelTrait>(&mut self, resizer: &mut Resizer, strip: Strip) -> Result<(), Box<dyn Error>> {
        let (from, to) = strip.made;
        let (width, scale) = (self.source.width, self.scale());
        let start = self.halfway.len();
        let added = (to - from) as usize * self.row_bytes();
        self.halfway.reserve_exact(added);
        self.halfway.resize(start + added, 0);
        let source = TypedImageRef::<P>::from_buffer(width, self.end - self.first, &self.rows)?;
        let mut lower = TypedImage::<P>::from_buffer(width, to - from, &mut self.halfway[start..])?;
        let top = f64::from(from) * scale - f64::from(self.first);
        let height = (f64::from(to - from) * scale).min(f64::from(self.end - self.first) - top);
        let options = lanczos::options().use_alpha(false).crop(0.0, top, f64::from(width), height);
        Ok(resizer.resize_typed(&source, &mut lower, &options)?)
    }

    /// Reduces the width of the rows in `halfway`, up to but not including row `to`.
    fn make_narrower<P: PixelTrait>(&mut self, resizer: &mut Resizer, to: u32) -> Result<(), Box<dyn Error>> {
        let from = std::mem::replace(&mut self.halfway_from, to);
        let (width, height) = (self.smaller.size.width, to - from);
        let row_bytes = width as usize * self.smaller.channels.count();
        let is_multiplied = self.is_multiplied();
        let rows = &mut self.smaller.samples[from as usize * row_bytes..to as usize * row_bytes];
        let lower = TypedImageRef::<P>::from_buffer(self.source.width, height, &self.halfway)?;
        let mut made = TypedImage::<P>::from_buffer(width, height, rows)?;
        let options = lanczos::options().use_alpha(false).crop(0.0, 0.0, self.visible.0, f64::from(height));
        resizer.resize_typed(&lower, &mut made, &options)?;
        if is_multiplied {
            MulDiv::new().divide_alpha_inplace_typed(&mut made)?;
        }
        self.halfway.clear();
        Ok(())
    }

    /// The smaller picture, and the buffers.
    pub(super) fn finish(self) -> (Pixels, [Vec<u8>; 2]) {
        (self.smaller, [self.rows, self.halfway])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Small, so that a small picture has several strips.
    const STRIP_BYTES_HERE: usize = 32 << 10;

    fn in_strips(picture: &Pixels, target: Dimensions) -> Pixels {
        let mut shrinking = Shrinking::new(picture.size, target, picture.channels, [Vec::new(), Vec::new()]);
        let mut rows = picture.samples.chunks_exact(picture.size.width as usize * picture.channels.count());
        let mut resizer = Resizer::new();
        for strip in shrinking.strips(STRIP_BYTES_HERE).collect::<Vec<_>>() {
            shrinking
                .read(strip, |space| {
                    space.copy_from_slice(rows.next().unwrap());
                    Ok::<(), RenderError>(())
                })
                .unwrap();
            shrinking.shrink(&mut resizer, strip).unwrap();
        }
        shrinking.finish().0
    }

    #[test]
    fn strips_leave_no_seam() {
        let size = Dimensions::new(300, 401);
        let wave = |index: usize| (index as u32).wrapping_mul(2_654_435_761).rotate_left(7) as u8;
        for channels in [Channels::Rgb, Channels::Rgba] {
            let samples = (0..size.pixels() as usize * channels.count()).map(wave).collect();
            let picture = Pixels { size, channels, samples };
            let target = Dimensions::new(84, 112);
            let count =
                Shrinking::new(size, target, channels, [Vec::new(), Vec::new()]).strips(STRIP_BYTES_HERE).count();
            assert!(count > 5, "{count} strips");
            let whole = picture.resized(&mut Resizer::new(), target).unwrap();
            let pieces = in_strips(&picture, target);
            let off = whole.samples.iter().zip(&pieces.samples).filter(|(a, b)| a.abs_diff(**b) > 1).count();
            assert_eq!(off, 0, "{channels:?}");
        }
    }

    #[test]
    fn a_picture_that_is_averaged_first_looks_the_same() {
        let size = Dimensions::new(331, 402);
        let wave = |index: usize| {
            let (pixel, channel) = ((index / 3) as u32, index % 3);
            let (x, y) = (f64::from(pixel % size.width), f64::from(pixel / size.width));
            (128.0 + 100.0 * (x / 17.0 + channel as f64).sin() * (y / 23.0).cos()) as u8
        };
        let samples = (0..size.pixels() as usize * 3).map(wave).collect();
        let picture = Pixels { size, channels: Channels::Rgb, samples };
        let target = Dimensions::new(53, 64);
        assert_eq!(box_filter::factor(size, target, picture.channels), 3);
        let whole = picture.resized(&mut Resizer::new(), target).unwrap();
        let averaged = in_strips(&picture, target);
        let off = whole.samples.iter().zip(&averaged.samples).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(off.unwrap() <= 4, "{off:?} off");
    }

    proptest! {
        #[test]
        fn strips_cover_the_picture_in_order(
            width in 1u32..5000,
            height in 1u32..50_000,
            side in 1u32..2000,
            rows in 0usize..5000,
        ) {
            let source = Dimensions::new(width, height);
            let target = source.inside(side);
            let mut made = 0;
            let mut end = 0;
            let scale = f64::from(source.height) / f64::from(target.height);
            for strip in strips(source, target, scale, rows) {
                prop_assert_eq!(strip.made.0, made);
                prop_assert!(strip.made.1 > made && strip.read.0 < strip.read.1);
                prop_assert!(strip.read.0 <= end, "a row would be skipped");
                prop_assert!(strip.read.1 >= end);
                (made, end) = (strip.made.1, strip.read.1);
            }
            prop_assert_eq!((made, end), (target.height, height));
        }
    }
}
