//! What one rendering works with, and what is kept for the next: memory and the encoder, and nothing that changes a picture.

use std::sync::{Mutex, PoisonError};

use fast_image_resize::Resizer;
use turbojpeg::Compressor;

use super::RenderError;

/// Slots that no rendering uses now. There are never more than renderings ran at once.
static IDLE: Mutex<Vec<Slot>> = Mutex::new(Vec::new());

/// A buffer that an idle slot keeps is at most so large: what a photograph needs, not what the largest image does.
const MAX_KEPT_BYTES: usize = 8 << 20;
/// Buffers that an idle slot keeps.
const MAX_KEPT_BUFFERS: usize = 2;

/// The state of one rendering.
#[derive(Default)]
pub(super) struct Slot {
    pub(super) resizer: Resizer,
    /// It begins each picture with the typical Huffman tables; tests/it/order.rs holds it to that.
    compressor: Option<Compressor>,
    buffers: Vec<Vec<u8>>,
}

impl Slot {
    /// An idle slot, or a new one.
    pub(super) fn take() -> Self {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Leaves the slot to the next rendering. One whose rendering failed or panicked never gets here.
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

    /// A buffer of whatever length and content: the largest that is kept.
    pub(super) fn buffer(&mut self) -> Vec<u8> {
        let largest = (0..self.buffers.len()).max_by_key(|&index| self.buffers[index].capacity());
        largest.map(|index| self.buffers.swap_remove(index)).unwrap_or_default()
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
