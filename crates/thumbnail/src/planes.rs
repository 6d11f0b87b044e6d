//! A picture as planes: luma, and for colour two planes of chroma at half its size.

use std::error::Error;

use fast_image_resize::Resizer;
use fast_image_resize::images::{TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use turbojpeg::{Subsamp, YuvImage};

use super::RenderError;
use super::geometry::Dimensions;
use super::lanczos;
use super::orient::{Flips, Rows, orient};

/// Luma and chroma in one buffer, in libjpeg-turbo's layout for `subsampling`.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) size: Dimensions,
    pub(super) subsampling: Subsamp,
    pub(super) samples: Vec<u8>,
}

/// The position of one plane, and its visible part: the rest pads the last blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlaneShape {
    pub(super) offset: usize,
    pub(super) stored: Dimensions,
    /// Ends with half a sample if the picture's side is odd.
    pub(super) visible: (f64, f64),
}

impl PlaneShape {
    pub(super) fn len(self) -> usize {
        self.stored.pixels() as usize
    }

    /// The samples that any part of the picture covers.
    fn touched(self) -> Dimensions {
        Dimensions::new(self.visible.0.ceil() as u32, self.visible.1.ceil() as u32)
    }

    fn rows(self) -> Rows {
        Rows { size: self.touched(), stride: self.stored.width as usize }
    }
}

impl Default for Planes {
    /// A gray picture of one pixel, as a placeholder.
    fn default() -> Self {
        Self { size: Dimensions::new(1, 1), subsampling: Subsamp::Gray, samples: Vec::new() }
    }
}

impl Planes {
    /// Planes of `size` over `buffer`, whose content is overwritten.
    pub(super) fn over(mut buffer: Vec<u8>, size: Dimensions, subsampling: Subsamp) -> Self {
        let len = shapes(size, subsampling).map(PlaneShape::len).sum();
        buffer.resize(len, 0);
        Self { size, subsampling, samples: buffer }
    }

    /// The same planes as a libjpeg-turbo image.
    pub(super) fn as_yuv(&self) -> YuvImage<&[u8]> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        YuvImage { pixels: &self.samples, width, height, align: 1, subsamp: self.subsampling }
    }

    /// Each plane with its row length.
    pub(super) fn parts_mut(&mut self) -> impl Iterator<Item = (usize, &mut [u8])> {
        let mut rest = self.samples.as_mut_slice();
        shapes(self.size, self.subsampling).map_while(move |shape| {
            let plane = rest.split_off_mut(..shape.len())?;
            Some((shape.stored.width as usize, plane))
        })
    }

    /// Repeats the picture's edges into the padding.
    pub(super) fn fill_up(&mut self) {
        let mut rest = self.samples.as_mut_slice();
        for shape in shapes(self.size, self.subsampling) {
            let Some(plane) = rest.split_off_mut(..shape.len()) else { return };
            fill_up(plane, shape);
        }
    }

    /// The subsampling of thumbnails: gray for gray, otherwise 4:2:0.
    pub(super) fn thumbnail_subsampling(&self) -> Subsamp {
        if self.subsampling == Subsamp::Gray { Subsamp::Gray } else { Subsamp::Sub2x2 }
    }

    /// Fills `smaller` with this picture, plane by plane. Places the chroma samples so that they are right after
    /// `turn`.
    pub(super) fn resize_into(
        &self,
        resizer: &mut Resizer,
        smaller: &mut Self,
        turn: Flips,
    ) -> Result<(), RenderError> {
        for (from, to) in shapes(self.size, self.subsampling).zip(shapes(smaller.size, smaller.subsampling)) {
            let source = &self.samples[from.offset..][..from.len()];
            let target = &mut smaller.samples[to.offset..][..to.len()];
            resize_plane(resizer, source, from, target, to, turn)
                .map_err(|error| RenderError::Internal(format!("resizing a plane: {error}")))?;
            fill_up(target, to);
        }
        Ok(())
    }

    /// Whether turning would displace chroma by half a sample, because its last samples cover one pixel instead of two.
    pub(super) fn needs_new_chroma(&self, turn: Flips) -> bool {
        let is_odd = |side: u32, factor: usize| !(side as usize).is_multiple_of(factor);
        (turn.horizontally && is_odd(self.size.width, self.subsampling.width()))
            || (turn.vertically && is_odd(self.size.height, self.subsampling.height()))
    }

    /// Fills `upright` with this picture turned by an EXIF orientation; both have the same subsampling.
    pub(super) fn orient_into(&self, orientation: u8, upright: &mut Self) {
        for (from, to) in shapes(self.size, self.subsampling).zip(shapes(upright.size, upright.subsampling)) {
            let target = &mut upright.samples[to.offset..][..to.len()];
            orient::<1>(&self.samples[from.offset..][..from.len()], from.rows(), orientation, target, to.rows());
            fill_up(target, to);
        }
    }
}

/// The plane shapes of a picture: one or three.
fn shapes(size: Dimensions, subsampling: Subsamp) -> impl Iterator<Item = PlaneShape> {
    let (horizontal, vertical) = (subsampling.width() as u32, subsampling.height() as u32);
    let luma = PlaneShape {
        offset: 0,
        stored: Dimensions::new(size.width.next_multiple_of(horizontal), size.height.next_multiple_of(vertical)),
        visible: (f64::from(size.width), f64::from(size.height)),
    };
    let chroma = |offset| PlaneShape {
        offset,
        stored: Dimensions::new(size.width.div_ceil(horizontal), size.height.div_ceil(vertical)),
        visible: (f64::from(size.width) / f64::from(horizontal), f64::from(size.height) / f64::from(vertical)),
    };
    let blue = chroma(luma.len());
    let red = chroma(luma.len() + blue.len());
    let count = if subsampling == Subsamp::Gray { 1 } else { 3 };
    [luma, blue, red].into_iter().take(count)
}

/// Fills the plane `target` with the plane `source`.
pub(super) fn resize_plane(
    resizer: &mut Resizer,
    source: &[u8],
    from: PlaneShape,
    target: &mut [u8],
    to: PlaneShape,
    turn: Flips,
) -> Result<(), Box<dyn Error>> {
    let (seen, made) = (from.touched(), to.touched());
    let columns = pieces(made.width, to.visible.0, from.visible.0, turn.horizontally);
    let rows = pieces(made.height, to.visible.1, from.visible.1, turn.vertically);
    for column in columns.into_iter().flatten() {
        for row in rows.into_iter().flatten() {
            let source = TypedImageRef::<U8>::from_buffer(from.stored.width, from.stored.height, source)?;
            let source = TypedCroppedImage::new(source, 0, 0, seen.width, seen.height)?;
            let target = TypedImage::<U8>::from_buffer(to.stored.width, to.stored.height, target)?;
            let mut target = TypedCroppedImageMut::new(target, column.at, row.at, column.count, row.count)?;
            let options = lanczos::options().crop(column.from, row.from, column.length, row.length);
            resizer.resize_typed(&source, &mut target, &options)?;
        }
    }
    Ok(())
}

/// Some samples of the smaller plane along one side, and the part of the larger plane that they cover.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Piece {
    at: u32,
    count: u32,
    from: f64,
    length: f64,
}

/// Divides one side of a plane: into one piece, or into two if the last sample (the first, if the side will be flipped)
/// covers less of the picture than the others.
fn pieces(count: u32, visible: f64, larger: f64, is_flipped: bool) -> [Option<Piece>; 2] {
    let whole = visible.floor();
    if f64::from(count) == whole || count == 1 {
        return [Some(Piece { at: 0, count, from: 0.0, length: larger }), None];
    }
    let edge = larger * (visible - whole) / visible;
    let (first, last) = if is_flipped { (1, 0) } else { (0, count - 1) };
    let (main_from, edge_from) = if is_flipped { (edge, 0.0) } else { (0.0, larger - edge) };
    let main = Piece { at: first, count: count - 1, from: main_from, length: larger - edge };
    [Some(main), Some(Piece { at: last, count: 1, from: edge_from, length: edge })]
}

/// Repeats the last column and row of the picture into the padding.
fn fill_up(plane: &mut [u8], shape: PlaneShape) {
    let (touched, stride) = (shape.touched(), shape.stored.width as usize);
    let (width, height) = (touched.width as usize, touched.height as usize);
    if width < stride {
        for row in plane.chunks_mut(stride) {
            let last = row[width - 1];
            row[width..].fill(last);
        }
    }
    for y in height..shape.stored.height as usize {
        plane.copy_within((height - 1) * stride..height * stride, y * stride);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(width: u32, height: u32, subsampling: Subsamp) -> Planes {
        Planes::over(Vec::new(), Dimensions::new(width, height), subsampling)
    }

    #[test]
    fn the_layout_is_that_of_libjpeg_turbo() {
        for subsampling in
            [Subsamp::None, Subsamp::Sub2x1, Subsamp::Sub2x2, Subsamp::Gray, Subsamp::Sub1x2, Subsamp::Sub4x1]
        {
            for (width, height) in [(1, 1), (2, 2), (3, 5), (17, 31), (640, 479)] {
                let expected = turbojpeg::yuv_pixels_len(width as usize, 1, height as usize, subsampling).unwrap();
                assert_eq!(
                    planes(width, height, subsampling).samples.len(),
                    expected,
                    "{subsampling:?} {width}x{height}"
                );
            }
        }
    }

    #[test]
    fn an_even_picture_stays_even_through_resizing_and_turning() {
        for subsampling in [Subsamp::None, Subsamp::Sub2x2, Subsamp::Sub4x1, Subsamp::Gray] {
            let mut source = planes(31, 17, subsampling);
            source.samples.fill(77);
            let mut smaller = planes(13, 7, source.thumbnail_subsampling());
            source.resize_into(&mut Resizer::new(), &mut smaller, Flips::of(6)).unwrap();
            assert!(smaller.samples.iter().all(|&sample| sample == 77));
            let mut upright = planes(7, 13, smaller.subsampling);
            smaller.orient_into(6, &mut upright);
            assert!(upright.samples.iter().all(|&sample| sample == 77));
        }
    }

    #[test]
    fn chroma_of_an_odd_side_ends_in_a_sample_of_its_own() {
        let [main, edge] = pieces(38, 37.5, 75.0, false);
        assert_eq!(main, Some(Piece { at: 0, count: 37, from: 0.0, length: 74.0 }));
        assert_eq!(edge, Some(Piece { at: 37, count: 1, from: 74.0, length: 1.0 }));
        let [main, edge] = pieces(38, 37.5, 75.0, true);
        assert_eq!(main, Some(Piece { at: 1, count: 37, from: 1.0, length: 74.0 }));
        assert_eq!(edge, Some(Piece { at: 0, count: 1, from: 0.0, length: 1.0 }));
        assert_eq!(pieces(1, 0.5, 3.0, true), [Some(Piece { at: 0, count: 1, from: 0.0, length: 3.0 }), None]);
        assert_eq!(pieces(37, 37.0, 80.0, true), [Some(Piece { at: 0, count: 37, from: 0.0, length: 80.0 }), None]);
    }
}
