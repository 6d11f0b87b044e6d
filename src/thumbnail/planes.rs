//! A picture as planes: luma, and where there is colour two planes of chroma at half its size.

use std::error::Error;

use fast_image_resize::images::{TypedCroppedImage, TypedCroppedImageMut, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8;
use fast_image_resize::{ResizeOptions, Resizer};
use turbojpeg::{Subsamp, YuvImage};

use super::RenderError;
use super::geometry::Dimensions;
use super::orient::{Rows, orient};

/// Luma and chroma one after another in one buffer, in libjpeg-turbo's layout for `subsampling`.
#[derive(Debug)]
pub(super) struct Planes {
    pub(super) size: Dimensions,
    pub(super) subsampling: Subsamp,
    pub(super) samples: Vec<u8>,
}

/// Where one plane lies, and how much of it is picture: the rest fills up the last blocks.
#[derive(Clone, Copy, Debug)]
struct PlaneShape {
    offset: usize,
    stored: Dimensions,
    /// A half sample at the edge when the picture's side is odd.
    visible: (f64, f64),
}

impl PlaneShape {
    fn len(self) -> usize {
        self.stored.pixels() as usize
    }

    /// The samples that any part of the picture touches.
    fn touched(self) -> Dimensions {
        Dimensions::new(self.visible.0.ceil() as u32, self.visible.1.ceil() as u32)
    }

    fn rows(self) -> Rows {
        Rows { size: self.touched(), stride: self.stored.width as usize }
    }
}

impl Planes {
    /// Planes of `size` over `buffer`, whose old content is of no meaning.
    pub(super) fn over(mut buffer: Vec<u8>, size: Dimensions, subsampling: Subsamp) -> Self {
        let len = shapes(size, subsampling).map(PlaneShape::len).sum();
        buffer.resize(len, 0);
        Self { size, subsampling, samples: buffer }
    }

    /// The same planes as libjpeg-turbo takes and gives them.
    pub(super) fn as_yuv(&self) -> YuvImage<&[u8]> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        YuvImage { pixels: &self.samples, width, height, align: 1, subsamp: self.subsampling }
    }

    pub(super) fn as_yuv_mut(&mut self) -> YuvImage<&mut [u8]> {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        YuvImage { pixels: &mut self.samples, width, height, align: 1, subsamp: self.subsampling }
    }

    /// The subsampling of thumbnails: 4:2:0, or gray for gray.
    pub(super) fn thumbnail_subsampling(&self) -> Subsamp {
        if self.subsampling == Subsamp::Gray { Subsamp::Gray } else { Subsamp::Sub2x2 }
    }

    /// Fills `smaller` with this picture, plane by plane.
    pub(super) fn resize_into(&self, resizer: &mut Resizer, smaller: &mut Self) -> Result<(), RenderError> {
        for (from, to) in shapes(self.size, self.subsampling).zip(shapes(smaller.size, smaller.subsampling)) {
            let source = &self.samples[from.offset..][..from.len()];
            let target = &mut smaller.samples[to.offset..][..to.len()];
            resize_plane(resizer, source, from, target, to)
                .map_err(|error| RenderError::Internal(format!("resizing a plane: {error}")))?;
            fill_up(target, to);
        }
        Ok(())
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

/// The planes of a picture: one, or three.
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

fn resize_plane(
    resizer: &mut Resizer,
    source: &[u8],
    from: PlaneShape,
    target: &mut [u8],
    to: PlaneShape,
) -> Result<(), Box<dyn Error>> {
    let (seen, made) = (from.touched(), to.touched());
    let source = TypedImageRef::<U8>::from_buffer(from.stored.width, from.stored.height, source)?;
    let source = TypedCroppedImage::new(source, 0, 0, seen.width, seen.height)?;
    let target = TypedImage::<U8>::from_buffer(to.stored.width, to.stored.height, target)?;
    let mut target = TypedCroppedImageMut::new(target, 0, 0, made.width, made.height)?;
    let options = ResizeOptions::new().crop(0.0, 0.0, from.visible.0, from.visible.1);
    resizer.resize_typed(&source, &mut target, &options)?;
    Ok(())
}

/// Repeats the last column and row of the picture to the end of what is stored.
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
            source.resize_into(&mut Resizer::new(), &mut smaller).unwrap();
            assert!(smaller.samples.iter().all(|&sample| sample == 77));
            let mut upright = planes(7, 13, smaller.subsampling);
            smaller.orient_into(6, &mut upright);
            assert!(upright.samples.iter().all(|&sample| sample == 77));
        }
    }
}
