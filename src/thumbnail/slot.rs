//! What rendering needs anew for each image and may keep between them: codec states and large buffers.

use fast_image_resize::Resizer;
use turbojpeg::{Compressor, Decompressor};

use super::RenderError;

/// The state of one render slot.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) resizer: Resizer,
    decompressor: Option<Decompressor>,
    compressor: Option<Compressor>,
    buffers: Vec<Vec<u8>>,
}

impl Slot {
    /// The JPEG decoder.
    pub(super) fn decompressor(&mut self) -> Result<&mut Decompressor, RenderError> {
        match &mut self.decompressor {
            Some(decompressor) => Ok(decompressor),
            missing => Ok(missing.insert(Decompressor::new().map_err(codec_failed)?)),
        }
    }

    /// The JPEG encoder.
    pub(super) fn compressor(&mut self) -> Result<&mut Compressor, RenderError> {
        match &mut self.compressor {
            Some(compressor) => Ok(compressor),
            missing => Ok(missing.insert(Compressor::new().map_err(codec_failed)?)),
        }
    }

    /// A buffer of whatever length and content.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        self.buffers.pop().unwrap_or_default()
    }

    /// Takes a buffer back for later.
    pub(super) fn reclaim(&mut self, buffer: Vec<u8>) {
        self.buffers.push(buffer);
    }
}

/// A codec failed in a way that is not the file's fault.
pub(super) fn codec_failed(error: turbojpeg::Error) -> RenderError {
    RenderError::Internal(format!("libjpeg-turbo: {error}"))
}
