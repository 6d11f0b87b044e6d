//! Turns a picture upright: the eight EXIF orientations.

use super::geometry::Dimensions;

/// The layout of rows of pixels in a buffer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) size: Dimensions,
    /// Pixels from one row to the next.
    pub(super) stride: usize,
}

/// The sides of the stored picture that an orientation reverses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flips {
    pub(super) horizontally: bool,
    pub(super) vertically: bool,
}

impl Flips {
    pub(super) const fn of(orientation: u8) -> Self {
        Self { horizontally: matches!(orientation, 2 | 3 | 7 | 8), vertically: matches!(orientation, 3 | 4 | 6 | 7) }
    }
}

/// Copies `source` into `upright`, which has the turned dimensions, so that a viewer needs no orientation.
pub(super) fn orient<const N: usize>(source: &[u8], from: Rows, orientation: u8, upright: &mut [u8], to: Rows) {
    let (pixels, _) = source.as_chunks::<N>();
    let (rows, _) = upright.as_chunks_mut::<N>();
    let (last_x, last_y) = (from.size.width as usize - 1, from.size.height as usize - 1);
    let width = to.size.width as usize;
    for (y, row) in rows.chunks_mut(to.stride).take(to.size.height as usize).enumerate() {
        let row = &mut row[..width];
        match orientation {
            2 => along(row, pixels[y * from.stride..][..=last_x].iter().rev()),
            3 => along(row, pixels[(last_y - y) * from.stride..][..=last_x].iter().rev()),
            4 => along(row, pixels[(last_y - y) * from.stride..][..=last_x].iter()),
            5 => along(row, pixels[y..].iter().step_by(from.stride).take(width)),
            6 => along(row, pixels[y..=y + last_y * from.stride].iter().rev().step_by(from.stride)),
            7 => along(row, pixels[last_x - y..=last_x - y + last_y * from.stride].iter().rev().step_by(from.stride)),
            8 => along(row, pixels[last_x - y..].iter().step_by(from.stride).take(width)),
            _ => row.copy_from_slice(&pixels[y * from.stride..][..=last_x]),
        }
    }
}

fn along<'a, const N: usize>(row: &mut [[u8; N]], source: impl Iterator<Item = &'a [u8; N]>) {
    for (to, from) in row.iter_mut().zip(source) {
        *to = *from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The picture `abc / def` after each of the orientations 1 to 8.
    const UPRIGHT: [&[u8]; 8] =
        [b"abcdef", b"cbafed", b"fedcba", b"defabc", b"adbecf", b"daebfc", b"fcebda", b"cfbead"];

    #[test]
    fn every_orientation_ends_upright() {
        let from = Rows { size: Dimensions::new(3, 2), stride: 4 };
        for (orientation, expected) in (1u8..).zip(UPRIGHT) {
            let size = from.size.turned(orientation);
            let mut upright = [b'.'; 6];
            orient::<1>(b"abc?def?", from, orientation, &mut upright, Rows { size, stride: size.width as usize });
            assert_eq!(upright.as_slice(), expected, "orientation {orientation}");
        }
    }

    #[test]
    fn pixels_stay_whole() {
        let from = Rows { size: Dimensions::new(2, 1), stride: 2 };
        let mut upright = [0; 6];
        orient::<3>(&[1, 2, 3, 4, 5, 6], from, 2, &mut upright, from);
        assert_eq!(upright, [4, 5, 6, 1, 2, 3]);
    }
}
