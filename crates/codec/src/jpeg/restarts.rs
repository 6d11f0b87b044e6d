//! The restart intervals of one scan.

/// Counts the MCUs of each restart interval, and its markers.
pub(super) struct Restarts {
    /// MCUs between two markers.
    interval: usize,
    /// MCUs until the next marker.
    pub(super) left: usize,
    /// The number that the next marker should have: 0 to 7.
    pub(super) next: u8,
    /// Whether all markers so far had their number.
    pub(super) are_in_order: bool,
}

impl Restarts {
    /// The intervals of a scan that begins. An interval of zero means that there are no markers.
    pub(super) const fn new(interval: usize) -> Self {
        let left = if interval == 0 { usize::MAX } else { interval };
        Self { interval, left, next: 0, are_in_order: true }
    }

    /// Begins the next interval, after a marker with this number.
    pub(super) const fn pass(&mut self, number: u8) {
        self.are_in_order &= number == self.next;
        self.next = (self.next + 1) % 8;
        self.left = self.interval;
    }

    /// Whether the scan has restart markers.
    pub(super) const fn are_used(&self) -> bool {
        self.interval > 0
    }
}

/// Where a scan's data ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ScanEnd {
    /// The position after the bytes that were read.
    pub(super) at: usize,
    /// Whether whole bytes before this position were not used.
    pub(super) has_unused_bytes: bool,
}
