//! What kind of image the bytes are, and what its header says: everything that is known before decoding.

pub(super) mod jpeg;
pub(super) mod png;

use super::{Header, Limits, Refusal};
use crate::record::Reason;

use jpeg::JpegProbe;
use png::PngProbe;

/// Magic bytes of PNG.
pub(super) const PNG_SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";

/// The header of an image, with what its format's path needs to know.
#[derive(Clone, Debug)]
pub(super) enum Probe {
    Jpeg(JpegProbe),
    Png(PngProbe),
}

impl Probe {
    /// Sniffs and reads the header, and holds it against the limits.
    pub(super) fn read(bytes: &[u8], limits: &Limits) -> Result<(Self, Header), Refusal> {
        check_bytes(bytes, limits.max_bytes)?;
        let probe = if bytes.starts_with(b"\xff\xd8") {
            Self::Jpeg(JpegProbe::read(bytes)?)
        } else if bytes.starts_with(PNG_SIGNATURE) {
            Self::Png(PngProbe::read(bytes)?)
        } else {
            return Err(refuse(Reason::UnsupportedType, "neither JPEG nor PNG by its first bytes".to_owned()));
        };
        let header = match &probe {
            Self::Jpeg(jpeg) => jpeg.header(),
            Self::Png(png) => png.header(),
        };
        check_pixels(&header, limits.max_pixels)?;
        match &probe {
            Self::Jpeg(jpeg) => jpeg.check(bytes)?,
            Self::Png(png) => png.check(bytes)?,
        }
        Ok((probe, header))
    }
}

fn check_bytes(bytes: &[u8], max: u64) -> Result<(), Refusal> {
    if bytes.is_empty() {
        return Err(refuse(Reason::Empty, "the file is empty".to_owned()));
    }
    let length = bytes.len() as u64;
    if length > max {
        return Err(refuse(Reason::TooManyBytes, format!("{length} bytes, the limit is {max}")));
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
        return Err(refuse(Reason::TooManyPixels, detail));
    }
    Ok(())
}

/// A refusal for `reason`.
pub(super) fn refuse(reason: Reason, detail: String) -> Refusal {
    Refusal { reason, detail }
}

/// The refusal of a damaged file.
pub(super) fn corrupt(detail: impl Into<String>) -> Refusal {
    refuse(Reason::Corrupt, detail.into())
}

/// The refusal of a kind of JPEG or PNG that darkroom does not take.
pub(super) fn unsupported(detail: impl Into<String>) -> Refusal {
    refuse(Reason::UnsupportedType, detail.into())
}
