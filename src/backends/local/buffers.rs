//! Reuses the buffers that objects are read into: allocating fresh memory takes longer than the read.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Total size of the idle buffers that are kept.
const KEPT_BYTES: usize = 32 << 20;

/// How much larger a reused buffer may be than twice the length of the object.
const SLACK_BYTES: usize = 64 << 10;

/// The idle buffers of this process.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers {
    idle: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Bytes that were read. Dropping them returns their buffer.
struct Filled {
    bytes: Vec<u8>,
    buffers: Buffers,
}

impl Buffers {
    /// Reads to the end, but at most one byte more than `expected`, which shows that the file is too long.
    pub(super) fn read(&self, file: impl Read, expected: u64) -> io::Result<Bytes> {
        let length = usize::try_from(expected).unwrap_or(usize::MAX);
        let mut filled = Filled { bytes: self.take(length), buffers: self.clone() };
        filled.bytes.try_reserve_exact(length)?;
        file.take(expected.saturating_add(1)).read_to_end(&mut filled.bytes)?;
        Ok(Bytes::from_owner(filled))
    }

    /// The smallest idle buffer that holds `length` bytes and is not much larger, since the memory budget counts an
    /// object's length. A new one if none fits.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut idle = self.idle();
        let fitting = length..=length.saturating_mul(2).saturating_add(SLACK_BYTES);
        let fits = |&index: &usize| fitting.contains(&idle[index].capacity());
        let best = (0..idle.len()).filter(fits).min_by_key(|&index| idle[index].capacity());
        best.map(|index| idle.swap_remove(index)).unwrap_or_default()
    }

    fn give_back(&self, mut buffer: Vec<u8>) {
        buffer.clear();
        let mut idle = self.idle();
        let kept: usize = idle.iter().map(Vec::capacity).sum();
        if kept + buffer.capacity() <= KEPT_BYTES {
            idle.push(buffer);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // No thread panics while it holds the lock.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.buffers.give_back(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(buffers: &Buffers) -> Vec<usize> {
        buffers.idle().iter().map(Vec::capacity).collect()
    }

    #[test]
    fn a_buffer_returns_with_the_last_of_its_bytes() {
        let buffers = Buffers::default();
        let bytes = buffers.read(&b"picture"[..], 7).unwrap();
        let copy = bytes.clone();
        drop(bytes);
        assert!(kept(&buffers).is_empty());
        assert_eq!(copy, "picture");
        drop(copy);
        let [capacity] = kept(&buffers)[..] else { panic!("one buffer is kept") };
        assert_eq!(buffers.read(&b"small"[..], 5).unwrap(), "small");
        assert_eq!(kept(&buffers), [capacity], "the same buffer, without what was in it");
    }

    #[test]
    fn a_buffer_is_neither_too_small_nor_much_too_large() {
        const LENGTH: usize = 1 << 20;
        for (capacity, fits) in [
            (LENGTH - 1, false),
            (LENGTH, true),
            (LENGTH + 1, true),
            (2 * LENGTH + SLACK_BYTES, true),
            (2 * LENGTH + SLACK_BYTES + 1, false),
        ] {
            let buffers = Buffers::default();
            buffers.give_back(Vec::with_capacity(capacity));
            assert_eq!(buffers.take(LENGTH).capacity(), if fits { capacity } else { 0 }, "{capacity}");
        }
        let buffers = Buffers::default();
        for capacity in [LENGTH + 2, LENGTH + 1, LENGTH + 3] {
            buffers.give_back(Vec::with_capacity(capacity));
        }
        assert_eq!(buffers.take(LENGTH).capacity(), LENGTH + 1, "the smallest");
        assert_eq!(kept(&buffers).iter().sum::<usize>(), 2 * LENGTH + 5);
    }

    #[test]
    fn one_byte_too_many_is_read_and_no_more() {
        let buffers = Buffers::default();
        for (expected, read) in [(6, 7), (7, 7), (8, 7), (0, 1)] {
            assert_eq!(buffers.read(&b"picture"[..], expected).unwrap().len(), read, "{expected}");
        }
        let error = buffers.read(&b"picture"[..], u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory);
    }

    #[test]
    fn so_many_bytes_are_kept_and_no_more() {
        for (given, left) in [
            (&[KEPT_BYTES - 1][..], KEPT_BYTES - 1),
            (&[KEPT_BYTES], KEPT_BYTES),
            (&[KEPT_BYTES + 1], 0),
            (&[KEPT_BYTES - 1, 1], KEPT_BYTES),
            (&[KEPT_BYTES - 1, 2], KEPT_BYTES - 1),
        ] {
            let buffers = Buffers::default();
            given.iter().for_each(|&capacity| buffers.give_back(Vec::with_capacity(capacity)));
            assert_eq!(kept(&buffers).iter().sum::<usize>(), left, "{given:?}");
        }
    }
}
