//! The open connections of a listener, their limit, and which one to evict at the limit.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, ByteCount, Phase, Rank};
use crate::metrics::{self, ListenerName};

/// The open connections of one listener.
#[derive(Clone)]
pub(super) struct Connections {
    listener: ListenerName,
    free: Arc<Semaphore>,
    table: Arc<Mutex<Table>>,
}

/// All open connections that were not evicted.
#[derive(Default)]
struct Table {
    last: u64,
    open: HashMap<u64, Entry>,
    /// The idle ones, in the order in which they became idle.
    idle: BTreeMap<u64, u64>,
}

struct Entry {
    activity: Activity,
    /// Its key in [`Table::idle`], while it is idle.
    idle_place: u64,
    evicted: CancellationToken,
}

/// The slot of one connection. Dropping the last clone releases it.
#[derive(Clone)]
pub(super) struct Slot(Arc<Place>);

struct Place {
    id: u64,
    bytes: ByteCount,
    evicted: CancellationToken,
    connections: Connections,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connections {
    /// Allows `most` connections.
    pub(super) fn new(listener: ListenerName, most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS);
        Self { listener, free: Arc::new(Semaphore::new(most)), table: Arc::default() }
    }

    /// Returns a slot for an accepted connection. At the limit, evicts another connection and waits until it is closed.
    pub(super) async fn admit(&self) -> Slot {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.evict_one();
                // It fails only for a closed semaphore, and this one is never closed.
                Arc::clone(&self.free).acquire_owned().await.ok()
            }
        };
        let mut table = self.lock();
        let id = table.next();
        let activity = Activity::new(Instant::now());
        let (bytes, evicted) = (activity.bytes().clone(), CancellationToken::new());
        table.open.insert(id, Entry { activity, idle_place: id, evicted: evicted.clone() });
        table.idle.insert(id, id);
        drop(table);
        metrics::connection_opened(self.listener);
        Slot(Arc::new(Place { id, bytes, evicted, connections: self.clone(), _permit: permit }))
    }

    /// Evicts the connection with the lowest rank, if one is open.
    pub(super) fn evict_one(&self) {
        let mut table = self.lock();
        if let Some(entry) = table.first_to_go(Instant::now()).and_then(|id| table.remove(id)) {
            entry.evicted.cancel();
        }
    }

    /// Closes every connection without an active request.
    pub(super) fn evict_idle(&self) {
        let mut table = self.lock();
        let idle: Vec<u64> = table.idle.values().copied().collect();
        for entry in idle.into_iter().filter_map(|id| table.remove(id)) {
            entry.evicted.cancel();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn next(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn first_to_go(&self, now: Instant) -> Option<u64> {
        let longest_idle = self.idle.values().next().copied();
        // Usually the first idle connection decides, without a look at the others.
        let is_certain = |id: &u64| matches!(self.open[id].activity.rank(now), Rank::Idle(_));
        longest_idle.filter(is_certain).or_else(|| {
            let ranks = self.open.iter().map(|(id, entry)| (entry.activity.rank(now), *id));
            ranks.min().map(|(_, id)| id)
        })
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.open.remove(&id)?;
        self.idle.remove(&entry.idle_place);
        Some(entry)
    }

    fn enter(&mut self, id: u64, phase: Phase) {
        let place = self.next();
        // An evicted connection may run for another moment.
        let Some(entry) = self.open.get_mut(&id) else { return };
        if entry.activity.phase() == Phase::Idle {
            self.idle.remove(&entry.idle_place);
        }
        entry.activity.enter(phase, Instant::now());
        if phase == Phase::Idle {
            entry.idle_place = place;
            self.idle.insert(place, id);
        }
    }
}

impl Slot {
    /// The counter of the connection's bytes.
    pub(super) fn bytes(&self) -> ByteCount {
        self.0.bytes.clone()
    }

    /// Enters another phase.
    pub(super) fn enter(&self, phase: Phase) {
        self.0.connections.lock().enter(self.0.id, phase);
    }

    /// Waits until the connection is evicted.
    pub(super) async fn evicted(&self) {
        self.0.evicted.cancelled().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.lock().remove(self.id);
        metrics::connection_ended(self.connections.listener);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Opens `count` connections, one second apart.
    async fn open(connections: &Connections, count: usize) -> Vec<Slot> {
        let mut slots = Vec::new();
        for _ in 0..count {
            slots.push(connections.admit().await);
            tokio::time::advance(SECOND).await;
        }
        slots
    }

    /// The indices of the evicted slots.
    fn evicted(slots: &[Slot]) -> Vec<usize> {
        (0..slots.len()).filter(|at| slots[*at].0.evicted.is_cancelled()).collect()
    }

    /// Admits one more connection, which waits for a free slot. Returns the index of the evicted slot.
    async fn one_more(connections: &Connections, slots: &mut Vec<Slot>) -> usize {
        let before = evicted(slots);
        let admitted = tokio::spawn({
            let connections = connections.clone();
            async move { connections.admit().await }
        });
        tokio::task::yield_now().await;
        assert!(!admitted.is_finished(), "the slot is not free yet");
        let gone: Vec<usize> = evicted(slots).into_iter().filter(|at| !before.contains(at)).collect();
        let [gone] = gone[..] else { panic!("{gone:?} were evicted") };
        drop(slots.remove(gone));
        slots.push(admitted.await.unwrap());
        tokio::time::advance(SECOND).await;
        gone
    }

    #[tokio::test(start_paused = true)]
    async fn up_to_the_limit_none_is_evicted() {
        let connections = Connections::new(ListenerName::Api, 3);
        let slots = open(&connections, 3).await;
        assert!(evicted(&slots).is_empty());
        drop(slots);
        let mut slots = open(&connections, 3).await;
        assert!(evicted(&slots).is_empty());
        one_more(&connections, &mut slots).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_one_makes_room() {
        let connections = Connections::new(ListenerName::Api, 3);
        let mut slots = open(&connections, 3).await;
        slots[0].enter(Phase::Receiving);
        slots[1].enter(Phase::Receiving);
        slots[1].enter(Phase::Idle);
        tokio::time::advance(SECOND).await;
        assert_eq!(one_more(&connections, &mut slots).await, 2, "the second has just been idle again");
        assert_eq!(one_more(&connections, &mut slots).await, 1);
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_idle_one_the_least_progress_makes_room() {
        let connections = Connections::new(ListenerName::Api, 3);
        let mut slots = open(&connections, 3).await;
        for (slot, bytes) in slots.iter().zip([500, 5, 50]) {
            slot.enter(Phase::Receiving);
            slot.bytes().add(bytes);
        }
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(one_more(&connections, &mut slots).await, 1);
        slots[2].enter(Phase::Answering);
        tokio::time::advance(2 * SECOND).await;
        assert_eq!(one_more(&connections, &mut slots).await, 1);
        assert!(evicted(&slots).is_empty());
    }

    /// Otherwise each new connection would evict the previous one before it could send a request.
    #[tokio::test(start_paused = true)]
    async fn a_new_connection_outlives_the_crawling_ones() {
        let connections = Connections::new(ListenerName::Api, 2);
        let slots = open(&connections, 1).await;
        slots[0].enter(Phase::Receiving);
        tokio::time::advance(2 * SECOND).await;
        let mut slots = [slots, vec![connections.admit().await]].concat();
        assert_eq!(one_more(&connections, &mut slots).await, 0);
    }

    /// Otherwise a client could evict uploads by opening connections and sending a little on each.
    #[tokio::test(start_paused = true)]
    async fn an_upload_outlives_connections_that_keep_themselves_young() {
        let connections = Connections::new(ListenerName::Api, 3);
        let mut slots = open(&connections, 3).await;
        slots[0].enter(Phase::Receiving);
        slots[0].bytes().add(1_000_000);
        tokio::time::advance(2 * SECOND).await;
        for slot in &slots[1..] {
            slot.enter(Phase::Answering);
            slot.enter(Phase::Idle);
        }
        for _ in 0..2 {
            assert_ne!(one_more(&connections, &mut slots).await, 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_closes_those_without_a_request() {
        let connections = Connections::new(ListenerName::Api, 3);
        let slots = open(&connections, 3).await;
        slots[1].enter(Phase::Answering);
        connections.evict_idle();
        assert_eq!(evicted(&slots), [0, 2]);
        slots[0].enter(Phase::Receiving);
        assert_eq!(connections.lock().open.len(), 1, "an evicted connection does not come back");
    }
}
