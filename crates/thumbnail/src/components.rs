//! The components of a JPEG as stored: planes of any sampling, before they become pixels.

use fast_image_resize::Resizer;

use super::RenderError;
use super::geometry::Dimensions;
use super::orient::Flips;
use super::pixels::{Channels, Pixels};
use super::planes::{PlaneShape, resize_plane};
use super::probe::jpeg::Sampling;

/// Planes in one buffer; the sampling factors give the size of each.
pub(super) struct Components {
    shapes: Vec<PlaneShape>,
    samples: Vec<u8>,
}

/// The colour model of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColourModel {
    Rgb,
    YCbCr,
    /// Inverted cyan, magenta, yellow and black, as Adobe's programs store them.
    Cmyk,
    /// The same, with the first three as luma and chroma of their inverse.
    Ycck,
}

impl Components {
    /// Blank planes, one per component, for a picture of `stored` at `eighths / 8` of its size.
    pub(super) fn blank(stored: Dimensions, eighths: u32, sampling: &[Sampling]) -> Self {
        let most = |of: fn(&Sampling) -> u8| sampling.iter().map(of).max().unwrap_or(1);
        let most = (most(|own| own.horizontal), most(|own| own.vertical));
        let visible = |side: u32, own: u8, most: u8| {
            f64::from(side) * f64::from(eighths) * f64::from(own) / (8.0 * f64::from(most))
        };
        let mut shapes = Vec::with_capacity(sampling.len());
        let mut end = 0;
        for own in sampling {
            let width = visible(stored.width, own.horizontal, most.0);
            let height = visible(stored.height, own.vertical, most.1);
            let stored = Dimensions::new(width.ceil() as u32, height.ceil() as u32);
            let shape = PlaneShape { offset: end, stored, visible: (width, height) };
            end += shape.len();
            shapes.push(shape);
        }
        Self { shapes, samples: vec![0; end] }
    }

    /// Each plane with its row length.
    pub(super) fn parts_mut(&mut self) -> impl Iterator<Item = (usize, &mut [u8])> {
        let mut rest = self.samples.as_mut_slice();
        self.shapes.iter().map_while(move |shape| {
            let plane = rest.split_off_mut(..shape.len())?;
            Some((shape.stored.width as usize, plane))
        })
    }

    /// The picture at `size` as interleaved samples.
    fn interleaved(&self, resizer: &mut Resizer, size: Dimensions) -> Result<Vec<u8>, RenderError> {
        let count = self.shapes.len();
        let mut interleaved = vec![0; size.pixels() as usize * count];
        let mut plane = vec![0; size.pixels() as usize];
        let to = PlaneShape { offset: 0, stored: size, visible: (f64::from(size.width), f64::from(size.height)) };
        for (index, from) in self.shapes.iter().enumerate() {
            let source = &self.samples[from.offset..][..from.len()];
            resize_plane(resizer, source, *from, &mut plane, to, Flips::default())
                .map_err(|error| RenderError::Internal(format!("resizing a component: {error}")))?;
            interleaved.iter_mut().skip(index).step_by(count).zip(&plane).for_each(|(to, from)| *to = *from);
        }
        Ok(interleaved)
    }

    /// The picture at `size` as RGB. `from_inks` converts inverted inks to RGB.
    pub(super) fn into_rgb(
        self,
        resizer: &mut Resizer,
        size: Dimensions,
        colour_model: ColourModel,
        from_inks: impl Fn(&[u8]) -> Vec<u8>,
    ) -> Result<Pixels, RenderError> {
        let mut samples = self.interleaved(resizer, size)?;
        drop(self);
        match colour_model {
            ColourModel::Rgb => {}
            ColourModel::YCbCr => {
                samples.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| *pixel = rgb_of(*pixel));
            }
            ColourModel::Cmyk => samples = from_inks(&samples),
            ColourModel::Ycck => {
                for pixel in samples.as_chunks_mut::<4>().0 {
                    let [y, cb, cr, black] = *pixel;
                    let [r, g, b] = rgb_of([y, cb, cr]);
                    *pixel = [!r, !g, !b, black];
                }
                samples = from_inks(&samples);
            }
        }
        Ok(Pixels { size, channels: Channels::Rgb, samples })
    }
}

/// Converts luma and chroma to RGB (T.871, clause 7).
fn rgb_of([y, cb, cr]: [u8; 3]) -> [u8; 3] {
    /// One, in 16-bit fixed point.
    const ONE: f64 = 65536.0;
    const HALF: i32 = 1 << 15;
    const RED_OF_CR: i32 = (1.402 * ONE + 0.5) as i32;
    const GREEN_OF_CB: i32 = (0.344_136_286 * ONE + 0.5) as i32;
    const GREEN_OF_CR: i32 = (0.714_136_286 * ONE + 0.5) as i32;
    const BLUE_OF_CB: i32 = (1.772 * ONE + 0.5) as i32;
    let (y, cb, cr) = (i32::from(y) << 16 | HALF, i32::from(cb) - 128, i32::from(cr) - 128);
    let sample = |value: i32| (value >> 16).clamp(0, 255) as u8;
    [sample(y + RED_OF_CR * cr), sample(y - GREEN_OF_CB * cb - GREEN_OF_CR * cr), sample(y + BLUE_OF_CB * cb)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank(size: Dimensions, factors: &[(u8, u8)]) -> Components {
        let sampling = |&(horizontal, vertical): &(u8, u8)| Sampling { horizontal, vertical };
        Components::blank(size, 8, &factors.iter().map(sampling).collect::<Vec<_>>())
    }

    fn filled(size: Dimensions, factors: &[(u8, u8)], values: &[u8]) -> Components {
        let mut components = blank(size, factors);
        components.parts_mut().zip(values).for_each(|((_, plane), value)| plane.fill(*value));
        components
    }

    #[test]
    fn planes_have_their_share_of_the_picture() {
        let mut components = blank(Dimensions::new(9, 5), &[(2, 2), (1, 2), (1, 1)]);
        let parts: Vec<_> = components.parts_mut().map(|(width, plane)| (width, plane.len() / width)).collect();
        assert_eq!(parts, [(9, 5), (5, 5), (5, 3)]);
        // Luma may have fewer samples than chroma.
        let mut components = blank(Dimensions::new(9, 5), &[(1, 1), (2, 2), (2, 2)]);
        let parts: Vec<_> = components.parts_mut().map(|(width, plane)| (width, plane.len() / width)).collect();
        assert_eq!(parts, [(5, 3), (9, 5), (9, 5)]);
    }

    #[test]
    fn colours_are_those_of_the_standard() {
        for (ycc, rgb) in [
            ([0, 128, 128], [0, 0, 0]),
            ([255, 128, 128], [255, 255, 255]),
            ([76, 85, 255], [254, 0, 0]),
            ([150, 44, 21], [0, 255, 1]),
            ([29, 255, 107], [0, 0, 254]),
        ] {
            assert_eq!(rgb_of(ycc), rgb);
        }
    }

    #[test]
    fn an_even_picture_stays_even_whatever_its_sampling_and_its_colours() {
        let size = Dimensions::new(31, 17);
        let inverse = |inks: &[u8]| inks.as_chunks::<4>().0.iter().flat_map(|&[c, m, y, _]| [!c, !m, !y]).collect();
        for sampling in [[(1, 1); 4], [(2, 2), (1, 1), (1, 2), (2, 1)], [(1, 1), (4, 3), (2, 2), (3, 1)]] {
            for (colour_model, values, rgb) in [
                (ColourModel::Rgb, &[10, 20, 30][..], [10, 20, 30]),
                (ColourModel::YCbCr, &[76, 85, 255], [254, 0, 0]),
                (ColourModel::Cmyk, &[10, 20, 30, 255], [245, 235, 225]),
                (ColourModel::Ycck, &[76, 85, 255, 9], [254, 0, 0]),
            ] {
                let components = filled(size, &sampling[..values.len()], values);
                let mut resizer = Resizer::new();
                let pixels = components.into_rgb(&mut resizer, Dimensions::new(13, 7), colour_model, inverse).unwrap();
                assert_eq!(pixels.samples.len(), 3 * 13 * 7);
                assert!(pixels.samples.as_chunks::<3>().0.iter().all(|pixel| *pixel == rgb), "{colour_model:?}");
            }
        }
    }
}
