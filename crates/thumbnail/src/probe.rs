//! Detects the format of an image and reads its header: everything that is known before decoding.

pub(super) mod jpeg;
pub(super) mod png;

use super::geometry::Dimensions;
use super::{Header, Limits, Refusal, RenderError, Source};
use crate::{FileKind, Format, Recipe, RefusalReason};

use darkroom_codec::png::SIGNATURE;
use jpeg::JpegProbe;
use png::PngProbe;

/// The header of an image, with the data that its format's renderer needs.
#[derive(Clone, Debug)]
pub(super) enum Probe {
    Jpeg(JpegProbe),
    Png(PngProbe),
}

impl Probe {
    /// Detects the format, reads the header, and checks it against the limits.
    pub(super) fn read(mut bytes: &[u8], recipe: &Recipe, limits: &Limits) -> Result<(Self, Header), RenderError> {
        check_bytes(bytes.len() as u64, limits.max_bytes)?;
        match Format::of(bytes) {
            Some(Format::Jpeg) => {
                let probe = JpegProbe::read(bytes)?;
                let header = probe.header(recipe);
                check_pixels(&header, limits.max_pixels)?;
                probe.check()?;
                Ok((Self::Jpeg(probe), header))
            }
            Some(Format::Png) => {
                Self::read_png(&mut bytes, recipe, limits).map(|(probe, header)| (Self::Png(probe), header))
            }
            None => Err(match FileKind::of(bytes) {
                Some(kind) => unsupported(kind, kind.sentence()),
                None => refuse(RefusalReason::UnsupportedType, "neither JPEG nor PNG by its first bytes".to_owned()),
            }
            .into()),
        }
    }

    /// The same for a source that is known to be a PNG.
    pub(super) fn read_png(
        source: &mut dyn Source,
        recipe: &Recipe,
        limits: &Limits,
    ) -> Result<(PngProbe, Header), RenderError> {
        check_bytes(source.length(), limits.max_bytes)?;
        if is_cgbi(source)? {
            return Err(unsupported(FileKind::CgBi, FileKind::CgBi.sentence()).into());
        }
        let probe = PngProbe::read(source)?;
        let header = probe.header(recipe);
        check_pixels(&header, limits.max_pixels)?;
        probe.check()?;
        Ok((probe, header))
    }
}

/// Whether a PNG begins with the chunk of Xcode's form: its data have no zlib header, and its colours another order.
fn is_cgbi(source: &mut dyn Source) -> Result<bool, RenderError> {
    let mut chunk_header = [0; 8];
    source.read_at(SIGNATURE.len() as u64, &mut chunk_header)?;
    Ok(chunk_header.ends_with(b"CgBI"))
}

pub(super) fn check_bytes(length: u64, max: u64) -> Result<(), Refusal> {
    if length == 0 {
        return Err(refuse(RefusalReason::Empty, "the file is empty".to_owned()));
    }
    if length > max {
        return Err(refuse(RefusalReason::TooManyBytes, format!("{length} bytes, the limit is {max}")));
    }
    Ok(())
}

fn check_pixels(header: &Header, max: u64) -> Result<(), Refusal> {
    let (width, height) = (header.width, header.height);
    if width == 0 || height == 0 {
        return Err(corrupt(format!("an image of {width} x {height} pixels")));
    }
    if u64::from(width) * u64::from(height) > max {
        let detail = format!("{width} x {height} pixels, the limit is {max}");
        return Err(refuse(RefusalReason::TooManyPixels, detail));
    }
    Ok(())
}

/// The largest thumbnail of a picture. Dimensions of zero, which are refused later, count as one.
fn largest(recipe: &Recipe, width: u32, height: u32) -> Dimensions {
    Dimensions::new(width.max(1), height.max(1)).inside(recipe.largest_side())
}

/// A refusal for `reason`.
pub(super) fn refuse(reason: RefusalReason, detail: String) -> Refusal {
    Refusal { reason, detail, kind: None }
}

/// The refusal of a damaged file.
pub(super) fn corrupt(detail: impl Into<String>) -> Refusal {
    refuse(RefusalReason::Corrupt, detail.into())
}

/// The refusal of an unsupported kind of file.
fn unsupported(kind: FileKind, detail: impl Into<String>) -> Refusal {
    Refusal { kind: Some(kind), ..refuse(RefusalReason::UnsupportedType, detail.into()) }
}

/// The refusal of a JPEG with an unsupported process.
pub(super) fn rare_jpeg(detail: impl Into<String>) -> Refusal {
    unsupported(FileKind::RareJpeg, detail)
}
