//! The buffers and the encoder of one rendering, reused by the next. Their previous content does not affect a picture.

use std::sync::{Mutex, PoisonError};

use fast_image_resize::Resizer;
use turbojpeg::Compressor;

use super::RenderError;

/// Unused scratch memory: at most one entry per concurrent rendering.
static IDLE: Mutex<Vec<Scratch>> = Mutex::new(Vec::new());

/// Larger buffers are freed after a rendering: a photograph needs this much, the largest images more.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// The number of buffers that are kept after a rendering.
const MAX_KEPT_BUFFERS: usize = 2;

/// The buffers and the encoder of one rendering.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) resizer: Resizer,
    /// It starts each picture with the typical Huffman tables; tests/it/order.rs checks this.
    compressor: Option<Compressor>,
    buffers: Vec<Vec<u8>>,
}

impl Scratch {
    /// Takes an idle one, or creates one.
    pub(super) fn take() -> Self {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps it for the next rendering. After a failure or panic it is dropped instead.
    pub(super) fn give_back(mut self) {
        self.buffers.retain(|buffer| buffer.capacity() <= MAX_KEPT_BYTES);
        self.buffers.truncate(MAX_KEPT_BUFFERS);
        if self.resizer.size_of_internal_buffers() > MAX_KEPT_BYTES {
            self.resizer.reset_internal_buffers();
        }
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).push(self);
    }

    /// The JPEG encoder.
    pub(super) fn compressor(&mut self) -> Result<&mut Compressor, RenderError> {
        match &mut self.compressor {
            Some(compressor) => Ok(compressor),
            missing => Ok(missing.insert(Compressor::new().map_err(codec_failed)?)),
        }
    }

    /// The largest kept buffer, with any length and content.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let largest = (0..self.buffers.len()).max_by_key(|&index| self.buffers[index].capacity());
        largest.map(|index| self.buffers.swap_remove(index)).unwrap_or_default()
    }

    /// Returns a buffer for later use.
    pub(super) fn reclaim(&mut self, buffer: Vec<u8>) {
        self.buffers.push(buffer);
    }
}

/// The error for a codec that failed for a reason other than the file.
pub(super) fn codec_failed(error: turbojpeg::Error) -> RenderError {
    RenderError::Internal(format!("libjpeg-turbo: {error}"))
}
