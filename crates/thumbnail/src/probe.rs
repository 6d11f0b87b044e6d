//! Detects the format of an image and reads its header: everything that is known before decoding.

pub(super) mod jpeg;
pub(super) mod png;

use super::error::{corrupt, refuse, unsupported};
use super::{Limits, Refusal, RenderError, Source};
use crate::{FileKind, Format, RefusalReason};

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
    pub(super) fn read(mut bytes: &[u8], limits: &Limits) -> Result<Self, RenderError> {
        check_bytes(bytes.len() as u64, limits.max_bytes)?;
        match Format::of(bytes) {
            Some(Format::Jpeg) => {
                let probe = JpegProbe::read(bytes)?;
                check_pixels(probe.width, probe.height, limits.max_pixels)?;
                probe.check()?;
                Ok(Self::Jpeg(probe))
            }
            Some(Format::Png) => Self::read_png(&mut bytes, limits).map(Self::Png),
            None => Err(match FileKind::of(bytes) {
                Some(kind) => unsupported(kind, kind.sentence()),
                None => refuse(RefusalReason::UnsupportedType, "neither JPEG nor PNG by its first bytes".to_owned()),
            }
            .into()),
        }
    }

    /// The same for a source that is known to be a PNG.
    pub(super) fn read_png(source: &mut dyn Source, limits: &Limits) -> Result<PngProbe, RenderError> {
        check_bytes(source.length(), limits.max_bytes)?;
        if is_cgbi(source)? {
            return Err(unsupported(FileKind::CgBi, FileKind::CgBi.sentence()).into());
        }
        let probe = PngProbe::read(source)?;
        check_pixels(probe.width, probe.height, limits.max_pixels)?;
        probe.check()?;
        Ok(probe)
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

fn check_pixels(width: u32, height: u32, max: u64) -> Result<(), Refusal> {
    if width == 0 || height == 0 {
        return Err(corrupt(format!("an image of {width} x {height} pixels")));
    }
    if u64::from(width) * u64::from(height) > max {
        let detail = format!("{width} x {height} pixels, the limit is {max}");
        return Err(refuse(RefusalReason::TooManyPixels, detail));
    }
    Ok(())
}
