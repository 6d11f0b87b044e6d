//! A picture as interleaved pixels: gray, gray with alpha, RGB or RGBA.

use std::error::Error;

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x2, U8x3, U8x4};
use fast_image_resize::{PixelTrait, Resizer};

use super::RenderError;
use super::geometry::Dimensions;
use super::lanczos;
use super::orient::{Rows, orient};

/// The samples of a pixel. In layouts of two and four samples, the last is alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Channels {
    Gray = 1,
    GrayAlpha = 2,
    Rgb = 3,
    Rgba = 4,
}

impl Channels {
    pub(super) const fn count(self) -> usize {
        self as usize
    }
}

/// Rows of pixels without gaps, eight bits a sample.
#[derive(Clone, Debug)]
pub(super) struct Pixels {
    pub(super) size: Dimensions,
    pub(super) channels: Channels,
    pub(super) samples: Vec<u8>,
}

impl Pixels {
    /// A black picture.
    pub(super) fn blank(size: Dimensions, channels: Channels) -> Self {
        Self { size, channels, samples: vec![0; size.pixels() as usize * channels.count()] }
    }

    /// The picture at another size. Premultiplies alpha, so that transparent pixels do not bleed into others.
    pub(super) fn resized(&self, resizer: &mut Resizer, size: Dimensions) -> Result<Self, RenderError> {
        let mut smaller = Self::blank(size, self.channels);
        match self.channels {
            Channels::Gray => self.resize_into::<U8>(resizer, &mut smaller),
            Channels::GrayAlpha => self.resize_into::<U8x2>(resizer, &mut smaller),
            Channels::Rgb => self.resize_into::<U8x3>(resizer, &mut smaller),
            Channels::Rgba => self.resize_into::<U8x4>(resizer, &mut smaller),
        }
        .map_err(|error| RenderError::Internal(format!("resizing: {error}")))?;
        Ok(smaller)
    }

    fn resize_into<P: PixelTrait>(&self, resizer: &mut Resizer, smaller: &mut Self) -> Result<(), Box<dyn Error>> {
        let source = TypedImageRef::<P>::from_buffer(self.size.width, self.size.height, &self.samples)?;
        let (width, height) = (smaller.size.width, smaller.size.height);
        let mut target = TypedImage::<P>::from_buffer(width, height, &mut smaller.samples)?;
        resizer.resize_typed(&source, &mut target, &lanczos::options())?;
        Ok(())
    }

    /// The picture as gray if all its colours are grays, otherwise unchanged.
    pub(super) fn without_colour(self) -> Self {
        let (channels, samples) = match self.channels {
            Channels::Rgb => (Channels::Gray, self.samples.as_chunks::<3>().0.iter().map(|pixel| pixel[0]).collect()),
            Channels::Rgba => {
                let samples = self.samples.as_chunks::<4>().0.iter().flat_map(|pixel| [pixel[0], pixel[3]]).collect();
                (Channels::GrayAlpha, samples)
            }
            Channels::Gray | Channels::GrayAlpha => return self,
        };
        Self { size: self.size, channels, samples }
    }

    /// The picture turned by an EXIF orientation.
    pub(super) fn upright(self, orientation: u8) -> Self {
        if orientation == 1 {
            return self;
        }
        let mut turned = Self::blank(self.size.turned(orientation), self.channels);
        let rows = |size: Dimensions| Rows { size, stride: size.width as usize };
        let (from, to) = (rows(self.size), rows(turned.size));
        match self.channels {
            Channels::Gray => orient::<1>(&self.samples, from, orientation, &mut turned.samples, to),
            Channels::GrayAlpha => orient::<2>(&self.samples, from, orientation, &mut turned.samples, to),
            Channels::Rgb => orient::<3>(&self.samples, from, orientation, &mut turned.samples, to),
            Channels::Rgba => orient::<4>(&self.samples, from, orientation, &mut turned.samples, to),
        }
        turned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_transparent_does_not_bleed() {
        let (hidden, shown) = ([255, 0, 0, 0], [0, 0, 255, 255]);
        let samples = [hidden, shown].concat().repeat(64);
        let picture = Pixels { size: Dimensions::new(16, 8), channels: Channels::Rgba, samples };
        let small = picture.resized(&mut Resizer::new(), Dimensions::new(4, 4)).unwrap();
        for pixel in small.samples.chunks(4) {
            assert_eq!((pixel[0], pixel[2]), (0, 255), "{pixel:?}");
            assert!((100..156).contains(&pixel[3]), "{pixel:?}");
        }
    }
}
