//! Cooperative cancellation: long work checks now and then whether to go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// When to give up: at a deadline, or when any clone of it is cancelled. The default never stops.
///
/// ```
/// use darkroom_codec::{Stop, Stopped};
///
/// let stop = Stop::default();
/// assert_eq!(stop.check(), Ok(()));
/// stop.clone().cancel();
/// assert_eq!(stop.check(), Err(Stopped::Cancelled));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Stop {
    deadline: Option<Instant>,
    cancelled: Arc<AtomicBool>,
}

/// Work was given up before its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped {
    /// It took longer than its deadline.
    #[error("took longer than its deadline")]
    Deadline,
    /// The result is no longer wanted.
    #[error("was cancelled")]
    Cancelled,
}

impl Stop {
    /// A stop at `deadline`.
    pub fn at(deadline: Instant) -> Self {
        Self { deadline: Some(deadline), cancelled: Arc::default() }
    }

    /// The same stop with this deadline.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// Makes every later [`Stop::check`] of this stop and its clones fail.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Checks whether to go on.
    ///
    /// # Errors
    /// When it was cancelled, or its deadline has passed.
    pub fn check(&self) -> Result<(), Stopped> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Stopped::Cancelled);
        }
        match self.deadline {
            Some(deadline) if Instant::now() >= deadline => Err(Stopped::Deadline),
            _ => Ok(()),
        }
    }
}
