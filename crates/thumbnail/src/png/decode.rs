//! Strict PNG decoding, row by row: to eight bits a sample, with palettes and `tRNS` expanded.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

use png::{
    ColorType, DecodeOptions, Decoder, DecodingError, Info, InterlaceInfo, Limits, Reader, Transformations,
    expand_interlaced_row,
};

use super::super::error::corrupt;
use super::super::geometry::Dimensions;
use super::super::pixels::{Channels, Pixels};
use super::super::{RenderError, Stop};

/// What the decoder may allocate for chunks and rows: a row of a million pixels with 16 bits a sample takes eight
/// megabytes.
const CHUNK_BYTES: usize = 32 << 20;

/// The bytes of a file, and the bytes appended to them.
struct Bytes<'a>([&'a [u8]; 2]);

impl BufRead for Bytes<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let [bytes, added] = self.0;
        Ok(if bytes.is_empty() { added } else { bytes })
    }

    fn consume(&mut self, count: usize) {
        let [bytes, added] = &mut self.0;
        let part = if bytes.is_empty() { added } else { bytes };
        *part = part.get(count..).unwrap_or_default();
    }
}

impl Read for Bytes<'_> {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(space)?;
        self.consume(count);
        Ok(count)
    }
}

/// The decoder requires this trait but does not call it.
impl Seek for Bytes<'_> {
    fn seek(&mut self, _: SeekFrom) -> io::Result<u64> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The rows of a PNG.
pub(super) struct Rows<'a> {
    reader: Reader<Bytes<'a>>,
    channels: Channels,
}

impl<'a> Rows<'a> {
    /// Reads everything before the image data; `end` is appended to the file.
    pub(super) fn open(bytes: &'a [u8], end: &'a [u8]) -> Result<Self, RenderError> {
        let mut options = DecodeOptions::default();
        options.set_ignore_adler32(false);
        options.set_ignore_text_chunk(true);
        // The decoder would inflate the profile up to the limit of all chunks.
        options.set_ignore_iccp_chunk(true);
        let mut decoder = Decoder::new_with_options(Bytes([bytes, end]), options);
        decoder.set_limits(Limits { bytes: CHUNK_BYTES });
        decoder.set_transformations(Transformations::EXPAND | Transformations::STRIP_16);
        let reader = decoder.read_info().map_err(damaged)?;
        let channels = match reader.output_color_type().0 {
            ColorType::Grayscale => Channels::Gray,
            ColorType::GrayscaleAlpha => Channels::GrayAlpha,
            ColorType::Rgb => Channels::Rgb,
            ColorType::Rgba => Channels::Rgba,
            ColorType::Indexed => return Err(RenderError::Internal("a palette was not expanded".to_owned())),
        };
        Ok(Self { reader, channels })
    }

    pub(super) const fn channels(&self) -> Channels {
        self.channels
    }

    pub(super) fn info(&self) -> &Info<'static> {
        self.reader.info()
    }

    /// Decodes the next row.
    pub(super) fn next(&mut self, row: &mut [u8]) -> Result<(), RenderError> {
        match self.reader.read_row(row).map_err(damaged)? {
            Some(_) => Ok(()),
            None => Err(corrupt("png: fewer rows than the header says").into()),
        }
    }

    /// Decodes an interlaced picture, whose rows arrive in seven passes over the whole picture.
    pub(super) fn whole(&mut self, size: Dimensions, stop: &Stop) -> Result<Pixels, RenderError> {
        let mut pixels = Pixels::blank(size, self.channels);
        let (count, bits) = (self.channels.count(), 8 * self.channels.count() as u8);
        while let Some(row) = self.reader.next_interlaced_row().map_err(damaged)? {
            stop.check()?;
            let InterlaceInfo::Adam7(place) = row.interlace() else {
                return Err(RenderError::Internal("a picture is not interlaced".to_owned()));
            };
            expand_interlaced_row(&mut pixels.samples, size.width as usize * count, row.data(), place, bits);
        }
        Ok(pixels)
    }

    /// Reads everything after the image data, including IEND.
    pub(super) fn finish(&mut self) -> Result<(), RenderError> {
        self.reader.finish().map_err(damaged)
    }
}

fn damaged(error: DecodingError) -> RenderError {
    match error {
        DecodingError::Parameter(error) => RenderError::Internal(format!("png: {error}")),
        other => corrupt(format!("png: {other}")).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Stopped;
    use super::*;

    #[test]
    fn an_interlaced_picture_stops_between_rows() {
        let file = format!("{}/../../tests/golden/sources/gray_16_interlaced.png", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(file).unwrap();
        let rows = || Rows::open(&bytes, &[]).unwrap();
        let info = rows().info().clone();
        let size = Dimensions::new(info.width, info.height);
        assert!(rows().whole(size, &Stop::default()).is_ok());
        let stop = Stop::default();
        stop.cancel();
        assert_eq!(rows().whole(size, &stop).unwrap_err(), RenderError::Stopped(Stopped::Cancelled));
    }
}
