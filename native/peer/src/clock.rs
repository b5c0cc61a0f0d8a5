//! The node's hybrid logical clock, shared by all cores: 48 bits of milliseconds, 16 bits of counter.

use std::sync::atomic::{AtomicU64, Ordering};

/// A clock further ahead than this, in milliseconds, is refused and never merged.
pub const MAX_SKEW_MS: u64 = 5000;

/// Hands out strictly rising times and learns from others'.
#[derive(Debug, Default)]
pub struct Clock {
    last: AtomicU64,
}

impl Clock {
    /// A time above every earlier one of this clock, at least the wall clock's.
    pub fn next(&self, wall_ms: u64) -> u64 {
        self.next_above(wall_ms, 0)
    }
    /// As `next`, and above `floor` too.
    pub fn next_above(&self, wall_ms: u64, floor: u64) -> u64 {
        let least = (wall_ms << 16).max(floor.saturating_add(1));
        let mut seen = self.last.load(Ordering::Relaxed);
        loop {
            let next = least.max(seen + 1);
            match self.last.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(actual) => seen = actual,
            }
        }
    }
    /// The highest time given or learned.
    pub fn current(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
    /// Learns `time` from another node, unless it is more than [`MAX_SKEW_MS`] ahead of this node's wall clock.
    pub fn merge(&self, time: u64, wall_ms: u64) {
        if (time >> 16) <= wall_ms + MAX_SKEW_MS {
            self.last.fetch_max(time, Ordering::Relaxed);
        }
    }
}
