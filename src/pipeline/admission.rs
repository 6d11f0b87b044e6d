//! Admission to work: memory for sources, memory for decodes, and claims, each first come, first served; and render
//! slots.
//!
//! The pools are taken in this order, and the holder of a later one never waits for an earlier one, so there is no
//! deadlock.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, OwnedSemaphorePermit, RwLock, Semaphore};

/// Memory is counted in blocks of this many bytes.
const BLOCK_BYTES: u64 = 64 * 1024;

/// Images that are claimed while every slot renders, so that no slot waits for the catalog.
const CLAIMS_AHEAD: usize = 1;

/// The pools of one process.
#[derive(Debug)]
pub struct Admission {
    sources: Pool,
    decodes: Pool,
    claims: Arc<Semaphore>,
    slots: Arc<RenderSlots>,
    render: Arc<RwLock<()>>,
}

/// An amount of memory that is counted but not allocated.
#[derive(Debug)]
struct Pool {
    blocks: Arc<Semaphore>,
    total_blocks: u32,
}

/// Memory that is reserved until this is dropped.
#[derive(Debug)]
pub struct Memory {
    _blocks: OwnedSemaphorePermit,
}

/// A permit to claim an image: a slot will soon be free. Returned when dropped.
#[derive(Debug)]
pub struct ClaimPermit {
    _permit: OwnedSemaphorePermit,
}

/// The render slots of one process. A thread waits for a slot: when another thread finishes, it continues at once,
/// without waking a task between two renders. Rarely more than one waits; the order is not defined.
#[derive(Debug)]
pub struct RenderSlots {
    used: Mutex<usize>,
    freed: Condvar,
    total: usize,
}

/// A render slot; returned when dropped.
#[derive(Debug)]
pub struct RenderSlot {
    slots: Arc<RenderSlots>,
}

/// The permit to render now, together with other images or alone.
#[derive(Debug)]
pub enum RenderPermit {
    /// Together with other images.
    Shared(OwnedRwLockReadGuard<()>),
    /// Alone: an image whose previous claim was abandoned may have killed its process.
    Alone(OwnedRwLockWriteGuard<()>),
}

impl Pool {
    fn new(bytes: u64) -> Self {
        let total_blocks = u32::try_from(bytes / BLOCK_BYTES).unwrap_or(u32::MAX).max(1);
        Self { blocks: Arc::new(Semaphore::new(total_blocks as usize)), total_blocks }
    }

    /// Waits for `bytes`; a request for more than the whole pool gets all of it.
    #[expect(clippy::expect_used, reason = "the pools are never closed")]
    async fn reserve(&self, bytes: u64) -> Memory {
        let blocks = u32::try_from(bytes.div_ceil(BLOCK_BYTES)).unwrap_or(u32::MAX).clamp(1, self.total_blocks);
        let blocks = self.blocks.clone().acquire_many_owned(blocks).await.expect("the pools are never closed");
        Memory { _blocks: blocks }
    }

    fn used_bytes(&self) -> u64 {
        (u64::from(self.total_blocks) - self.blocks.available_permits() as u64) * BLOCK_BYTES
    }
}

impl RenderSlots {
    /// Waits for a slot, on a thread that may block.
    pub fn take(self: &Arc<Self>) -> RenderSlot {
        let free = self.freed.wait_while(self.used(), |used| *used >= self.total);
        *free.unwrap_or_else(PoisonError::into_inner) += 1;
        RenderSlot { slots: Arc::clone(self) }
    }

    fn used(&self) -> MutexGuard<'_, usize> {
        // No code panics while it holds the lock.
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RenderSlot {
    fn drop(&mut self) {
        *self.slots.used() -= 1;
        self.slots.freed.notify_one();
    }
}

impl Admission {
    /// Pools of `source_bytes` and `decode_bytes`, and `slots` render slots.
    pub fn new(source_bytes: u64, decode_bytes: u64, slots: usize) -> Self {
        Self {
            sources: Pool::new(source_bytes),
            decodes: Pool::new(decode_bytes),
            claims: Arc::new(Semaphore::new(slots + CLAIMS_AHEAD)),
            slots: Arc::new(RenderSlots { used: Mutex::new(0), freed: Condvar::new(), total: slots }),
            render: Arc::new(RwLock::new(())),
        }
    }

    /// Waits for the memory that an object's bytes will take.
    pub async fn source(&self, bytes: u64) -> Memory {
        self.sources.reserve(bytes).await
    }

    /// Waits for the memory that decoding will take.
    pub async fn decode(&self, bytes: u64) -> Memory {
        self.decodes.reserve(bytes).await
    }

    /// Waits for a permit to claim an image.
    #[expect(clippy::expect_used, reason = "the semaphore is never closed")]
    pub async fn claim_permit(&self) -> ClaimPermit {
        ClaimPermit { _permit: self.claims.clone().acquire_owned().await.expect("the semaphore is never closed") }
    }

    /// The render slots.
    pub fn slots(&self) -> Arc<RenderSlots> {
        Arc::clone(&self.slots)
    }

    /// Waits for the permit to render; with `is_alone`, no other image is rendered meanwhile.
    pub async fn render_permit(&self, is_alone: bool) -> RenderPermit {
        if is_alone {
            RenderPermit::Alone(self.render.clone().write_owned().await)
        } else {
            RenderPermit::Shared(self.render.clone().read_owned().await)
        }
    }

    /// Render slots in use.
    pub fn used_slots(&self) -> usize {
        *self.slots.used()
    }

    /// Bytes reserved for sources and for decodes.
    pub fn used_bytes(&self) -> (u64, u64) {
        (self.sources.used_bytes(), self.decodes.used_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use futures_util::FutureExt;

    const MIB: u64 = 1024 * 1024;

    #[tokio::test]
    async fn memory_is_given_out_up_to_the_whole_pool() {
        let admission = Admission::new(2 * MIB, MIB, 1);
        let first = admission.source(MIB).await;
        let _second = admission.source(MIB).await;
        assert!(admission.source(1).now_or_never().is_none(), "nothing is left");
        drop(first);
        assert!(admission.source(MIB).now_or_never().is_some());
    }

    #[tokio::test]
    async fn who_came_first_is_served_first() {
        let admission = Admission::new(2 * MIB, MIB, 1);
        let held = admission.source(MIB).await;
        let mut large = Box::pin(admission.source(2 * MIB));
        assert!((&mut large).now_or_never().is_none());
        assert!(admission.source(1).now_or_never().is_none(), "a small one does not overtake");
        drop(held);
        assert!((&mut large).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_wish_beyond_the_pool_gets_all_of_it() {
        let admission = Admission::new(MIB, MIB, 1);
        let _all = admission.decode(5 * MIB).await;
        assert_eq!(admission.used_bytes(), (0, MIB));
    }

    #[tokio::test]
    async fn one_image_more_is_claimed_than_rendered() {
        let admission = Admission::new(MIB, MIB, 2);
        let permits = [admission.claim_permit().await, admission.claim_permit().await, admission.claim_permit().await];
        assert!(admission.claim_permit().now_or_never().is_none());
        drop(permits);
        assert!(admission.claim_permit().now_or_never().is_some());
    }

    #[test]
    fn a_thread_waits_until_another_has_left_its_slot() {
        let admission = Admission::new(MIB, MIB, 2);
        let slots = admission.slots();
        let [one, _other] = [slots.take(), slots.take()];
        assert_eq!(admission.used_slots(), 2);
        let (done, is_done) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let _slot = slots.take();
            done.send(()).unwrap();
        });
        assert!(is_done.recv_timeout(Duration::from_millis(50)).is_err(), "there are two");
        drop(one);
        is_done.recv().unwrap();
        thread.join().unwrap();
        assert_eq!(admission.used_slots(), 1);
    }

    #[tokio::test]
    async fn alone_means_alone() {
        let admission = Admission::new(MIB, MIB, 2);
        let shared = admission.render_permit(false).await;
        let mut alone = Box::pin(admission.render_permit(true));
        assert!((&mut alone).now_or_never().is_none());
        drop(shared);
        let alone = (&mut alone).now_or_never();
        assert!(alone.is_some());
        assert!(admission.render_permit(false).now_or_never().is_none());
    }
}
