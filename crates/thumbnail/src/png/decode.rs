//! PNG decoding, row by row: to eight bits a sample, with palettes and `tRNS` expanded.

use darkroom_codec::png::{Error, Faults, Layout, Rows as StoredRows};

use super::super::error::corrupt;
use super::super::geometry::Dimensions;
use super::super::pixels::{Channels, Pixels};
use super::super::probe::png::PngProbe;
use super::super::{RenderError, Source, Stop};

/// The passes of an interlaced picture (Adam7): the first column and row of each, and the distances between its columns
/// and rows.
const PASSES: [[u32; 4]; 7] =
    [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];

/// The rows of a PNG.
pub(super) struct Rows<'a> {
    stored: StoredRows<'a>,
    expansion: Expansion,
    /// A row as stored; empty if it needs no expansion.
    raw: Vec<u8>,
    /// Bits of a stored pixel.
    pixel_bits: usize,
    channels: Channels,
}

impl<'a> Rows<'a> {
    /// Opens the rows of a picture whose image data is in `chunks`.
    pub(super) fn open(source: &'a mut dyn Source, probe: &PngProbe, chunks: std::ops::Range<u64>) -> Self {
        let channels = channels(probe);
        let expansion = Expansion::of(probe);
        let pixel_bits = usize::from(probe.depth) * probe.stored_samples();
        let row_bytes = (probe.width as usize * pixel_bits).div_ceil(8);
        let pixel_bytes = pixel_bits.div_ceil(8) as u8;
        let raw = if matches!(expansion, Expansion::None) { Vec::new() } else { vec![0; row_bytes] };
        let stored = StoredRows::open(source, Layout { chunks, pixel_bytes, row_bytes });
        Self { stored, expansion, raw, pixel_bits, channels }
    }

    /// Decodes the next row.
    pub(super) fn next(&mut self, row: &mut [u8]) -> Result<(), RenderError> {
        if matches!(self.expansion, Expansion::None) {
            return self.stored.next(row).map_err(failed);
        }
        self.stored.next(&mut self.raw).map_err(failed)?;
        self.expansion.apply(&self.raw, row, self.channels.count());
        Ok(())
    }

    /// Decodes an interlaced picture, whose rows arrive in seven passes over the whole picture.
    pub(super) fn whole(&mut self, size: Dimensions, stop: &Stop) -> Result<Pixels, RenderError> {
        let mut pixels = Pixels::blank(size, self.channels);
        let (width, count) = (size.width as usize, self.channels.count());
        for [left, top, across, down] in PASSES {
            let columns = size.width.saturating_sub(left).div_ceil(across) as usize;
            if columns == 0 {
                continue;
            }
            let row_bytes = (columns * self.pixel_bits).div_ceil(8);
            self.stored.begin_pass(row_bytes);
            self.raw.truncate(0);
            if !matches!(self.expansion, Expansion::None) {
                self.raw.resize(row_bytes, 0);
            }
            let mut row = vec![0; columns * count];
            for y in (top..size.height).step_by(down as usize) {
                stop.check()?;
                self.next(&mut row)?;
                let first = (y as usize * width + left as usize) * count;
                let places = pixels.samples[first..].chunks_mut(across as usize * count);
                places.zip(row.chunks_exact(count)).for_each(|(place, pixel)| place[..count].copy_from_slice(pixel));
            }
        }
        Ok(pixels)
    }

    /// Reads the rest of the image data.
    pub(super) fn finish_and_verify(self) -> Result<Faults, RenderError> {
        self.stored.finish_and_verify().map_err(failed)
    }
}

fn failed(error: Error) -> RenderError {
    match error {
        Error::Damaged(detail) => corrupt(format!("png: {detail}")).into(),
        Error::Source(error) => error.into(),
    }
}

/// The channels after the expansion.
pub(super) const fn channels(probe: &PngProbe) -> Channels {
    match probe.channels {
        1 => Channels::Gray,
        2 => Channels::GrayAlpha,
        3 => Channels::Rgb,
        _ => Channels::Rgba,
    }
}

/// How stored pixels become pixels of eight bits a channel.
enum Expansion {
    /// They have eight bits a channel.
    None,
    /// A sample of up to eight bits selects the pixel's channels.
    Selected { pixels: Box<[[u8; 4]; 256]>, depth: u8 },
    /// The upper bytes of the samples, with alpha if a colour is transparent.
    Samples { sample_bytes: usize, transparent: Option<Vec<u8>> },
}

impl Expansion {
    fn of(probe: &PngProbe) -> Self {
        let PngProbe { depth, transparency, .. } = probe;
        if probe.has_palette {
            let pixels = Box::new(palette(&probe.palette, transparency.as_deref().unwrap_or_default()));
            return Self::Selected { pixels, depth: *depth };
        }
        let is_gray = probe.stored_samples() == 1;
        if is_gray && (*depth < 8 || *depth == 8 && transparency.is_some()) {
            // The value is in the lower of two bytes.
            let transparent = transparency.as_ref().and_then(|value| value.get(1)).copied();
            return Self::Selected { pixels: Box::new(grays(*depth, transparent)), depth: *depth };
        }
        let sample_bytes = usize::from(depth / 8);
        let transparent = transparency.as_ref().map(|colour| {
            // Two bytes each.
            colour.chunks_exact(2).take(probe.stored_samples()).flat_map(|value| &value[2 - sample_bytes..]).copied()
        });
        match transparent {
            None if sample_bytes == 1 => Self::None,
            transparent => Self::Samples { sample_bytes, transparent: transparent.map(Iterator::collect) },
        }
    }

    fn apply(&self, raw: &[u8], row: &mut [u8], count: usize) {
        match self {
            Self::None => row.copy_from_slice(raw),
            Self::Selected { pixels, depth: 8 } => {
                let selected = raw.iter().map(|&index| &pixels[usize::from(index)][..count]);
                row.chunks_exact_mut(count).zip(selected).for_each(|(pixel, selected)| pixel.copy_from_slice(selected));
            }
            Self::Selected { pixels, depth } => {
                let (bits, mask) = (usize::from(*depth), (1 << depth) - 1);
                for (index, pixel) in row.chunks_exact_mut(count).enumerate() {
                    let bit = index * bits;
                    let value = raw[bit / 8] >> (8 - bits - bit % 8) & mask;
                    pixel.copy_from_slice(&pixels[usize::from(value)][..count]);
                }
            }
            Self::Samples { sample_bytes, transparent: None } => {
                row.iter_mut().zip(raw.iter().step_by(*sample_bytes)).for_each(|(upper, byte)| *upper = *byte);
            }
            Self::Samples { sample_bytes, transparent: Some(colour) } => {
                for (pixel, stored) in row.chunks_exact_mut(count).zip(raw.chunks_exact(colour.len())) {
                    pixel.iter_mut().zip(stored.iter().step_by(*sample_bytes)).for_each(|(to, from)| *to = *from);
                    pixel[count - 1] = if stored == colour { 0 } else { 255 };
                }
            }
        }
    }
}

/// The pixel for each index. Indices beyond the palette select its last colour, as in Chromium.
fn palette(colours: &[u8], alphas: &[u8]) -> [[u8; 4]; 256] {
    let colours = colours.as_chunks::<3>().0;
    let last = colours.len().saturating_sub(1);
    std::array::from_fn(|index| {
        let index = index.min(last);
        let [r, g, b] = colours.get(index).copied().unwrap_or_default();
        [r, g, b, alphas.get(index).copied().unwrap_or(255)]
    })
}

/// The pixel for each gray value of up to eight bits.
fn grays(depth: u8, transparent: Option<u8>) -> [[u8; 4]; 256] {
    let scale = 255 / ((1 << depth) - 1);
    std::array::from_fn(|value| {
        let alpha = if Some(value as u8) == transparent { 0 } else { 255 };
        [(value * scale) as u8, alpha, 0, 0]
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::probe::Probe;
    use super::super::super::{Limits, Stopped};
    use super::*;

    #[test]
    fn an_interlaced_picture_stops_between_rows() {
        let file = format!("{}/../../tests/golden/sources/gray_16_interlaced.png", env!("CARGO_MANIFEST_DIR"));
        let mut bytes = std::fs::read(file).unwrap();
        let probe = Probe::read_png(&mut bytes, &Limits::default()).unwrap();
        let mut decoded = |stop: &Stop| {
            let chunks = probe.data.clone().unwrap();
            Rows::open(&mut bytes, &probe, chunks).whole(probe.size(), stop)
        };
        assert!(decoded(&Stop::default()).is_ok());
        let stop = Stop::default();
        stop.cancel();
        assert_eq!(decoded(&stop).unwrap_err(), RenderError::Stopped(Stopped::Cancelled));
    }
}
