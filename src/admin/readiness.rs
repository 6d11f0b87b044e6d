//! Readiness: whether the process accepts work.

use std::sync::{Arc, Mutex, PoisonError};

/// Whether the process accepts work. It is ready when every latch is dropped, and until it drains.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    latches: Vec<&'static str>,
    is_draining: bool,
}

/// Keeps the process unready until it is dropped.
#[derive(Debug)]
#[must_use = "dropping a latch lets it go"]
pub struct Latch {
    readiness: Readiness,
    name: &'static str,
}

impl Readiness {
    /// Takes a latch named after what must start before the latch is dropped.
    pub fn hold(&self, name: &'static str) -> Latch {
        self.lock().latches.push(name);
        Latch { readiness: self.clone(), name }
    }

    /// Makes the process unready from now on, whatever latches are held.
    pub fn drain(&self) {
        self.lock().is_draining = true;
    }

    /// The reasons why the process is not ready. Empty when it is ready.
    pub fn hindrances(&self) -> Vec<&'static str> {
        let held = self.lock();
        held.latches.iter().copied().chain(held.is_draining.then_some("draining")).collect()
    }

    /// Whether the process is ready.
    pub fn is_ready(&self) -> bool {
        self.hindrances().is_empty()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Latch {
    fn drop(&mut self) {
        let mut held = self.readiness.lock();
        if let Some(at) = held.latches.iter().position(|name| *name == self.name) {
            held.latches.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_once_every_latch_is_dropped_and_until_it_drains() {
        let readiness = Readiness::default();
        assert!(readiness.is_ready());
        let queue = readiness.hold("queue");
        let catalog = readiness.hold("catalog");
        assert_eq!(readiness.hindrances(), ["queue", "catalog"]);
        drop(queue);
        assert_eq!(readiness.hindrances(), ["catalog"]);
        drop(catalog);
        assert!(readiness.is_ready());
        readiness.drain();
        assert_eq!(readiness.hindrances(), ["draining"]);
    }

    #[test]
    fn two_latches_of_one_name_are_two() {
        let readiness = Readiness::default();
        let (one, two) = (readiness.hold("render"), readiness.hold("render"));
        drop(one);
        assert!(!readiness.is_ready());
        drop(two);
        assert!(readiness.is_ready());
    }
}
