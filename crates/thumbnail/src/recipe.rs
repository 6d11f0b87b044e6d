//! The recipe: the thumbnails' sizes and encoder settings.

/// Incremented when the encoder's output changes for the same input.
pub const RENDER_REVISION: u32 = 6;

/// One thumbnail: the box that it must fit. A smaller image is not enlarged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its name, such as `small`.
    pub name: String,
    /// The box's side in pixels, 1 to 10,000.
    pub side: u32,
}

/// The sizes to make, from small to large, and the encoder settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// From small to large; at least one.
    pub sizes: Vec<Size>,
    /// JPEG quality, 1 to 100; any other value counts as the nearest of these.
    pub jpeg_quality: u8,
    /// Whether to optimise the Huffman tables of each JPEG: about 1% fewer bytes for a fifth more CPU time.
    pub jpeg_optimize: bool,
}

impl Default for Recipe {
    /// Boxes of 100, 500 and 1000 pixels: `small`, `medium` and `large`; quality 80.
    fn default() -> Self {
        let size = |name: &str, side| Size { name: name.to_owned(), side };
        Self {
            sizes: vec![size("small", 100), size("medium", 500), size("large", 1000)],
            jpeg_quality: 80,
            jpeg_optimize: false,
        }
    }
}

impl Recipe {
    /// The side of the largest box.
    pub fn largest_side(&self) -> u32 {
        self.sizes.iter().map(|size| size.side).max().unwrap_or(1)
    }

    /// A short text that differs between recipes with different thumbnails.
    pub fn fingerprint(&self) -> String {
        let sizes: Vec<String> = self.sizes.iter().map(|size| format!("{}:{}", size.name, size.side)).collect();
        let tables = if self.jpeg_optimize { "o" } else { "" };
        format!("{};q{}{tables};r{RENDER_REVISION}", sizes.join(","), self.jpeg_quality)
    }
}
