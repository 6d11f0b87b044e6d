//! Files of every kind in docs/FORMATS.md: ordinary ones, odd ones, and damaged ones.

mod baseline;
mod damaged;
mod jpegs;
mod odd_jpegs;
mod pngs;
mod wrapped;

use crate::images::CORNERS;

/// The width and the height of the pictures, in pixels, upright.
pub const SIZE: (u32, u32) = (320, 240);

/// A file, and what it shows.
pub struct Sample {
    /// The file's name.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// What must be seen in its thumbnails, if it has any.
    pub shows: Shows,
}

/// What a file shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// The test picture, upright: 320 x 240 pixels with these colours in its quarters, in the order of [`CORNERS`].
    Picture([[u8; 4]; 4]),
    /// The test picture in other colours, which depend on the conversion.
    Converted,
}

/// The colours of the test picture, opaque.
pub const OPAQUE: Shows = Shows::Picture(opaque(CORNERS));

const fn opaque([a, b, c, d]: [[u8; 3]; 4]) -> [[u8; 4]; 4] {
    const fn one([r, g, b]: [u8; 3]) -> [u8; 4] {
        [r, g, b, 255]
    }
    [one(a), one(b), one(c), one(d)]
}

/// Every file, each with a name of its own.
pub fn all() -> Vec<Sample> {
    [jpegs::all(), odd_jpegs::all(), pngs::all(), damaged::all(), wrapped::all()].into_iter().flatten().collect()
}

/// A file that shows the test picture.
fn sample(name: impl Into<String>, bytes: Vec<u8>) -> Sample {
    Sample { name: name.into(), bytes, shows: OPAQUE }
}

/// A file that shows the test picture in other colours.
fn converted(name: impl Into<String>, bytes: Vec<u8>) -> Sample {
    Sample { name: name.into(), bytes, shows: Shows::Converted }
}

/// The ICC profile of Display P3.
fn display_p3() -> Vec<u8> {
    moxcms::ColorProfile::new_display_p3().encode().unwrap()
}
