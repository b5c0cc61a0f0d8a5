//! The node's hybrid logical clock, shared by all cores: 48 bits of milliseconds, 16 bits of counter.

use openlake_io::Instant;
use std::sync::atomic::{AtomicU64, Ordering};

/// A clock further ahead than this, in milliseconds, is refused and never merged.
pub const MAX_SKEW_MS: u64 = 5000;

/// Hands out strictly rising times and learns from others'.
#[derive(Debug, Default)]
pub struct Clock {
    last: AtomicU64,
    /// What most clocks of the cluster said, in milliseconds above this node's monotonic one; 0: not known yet.
    cluster_above_monotonic: AtomicU64,
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
    /// Most clocks of the cluster, this node's among them, say `cluster_ms` at `now`.
    pub fn learn_cluster_time(&self, cluster_ms: u64, now: Instant) {
        let above = cluster_ms.saturating_sub(milliseconds(now));
        self.cluster_above_monotonic.store(above, Ordering::Relaxed);
    }
    /// The wall clock, or, where it has run far ahead of what most clocks said, the time that they say by now. So a wall clock that is far
    /// ahead for a while leaves no trace: times cannot be taken back.
    pub fn sound_wall_ms(&self, wall_ms: u64, now: Instant) -> u64 {
        match self.cluster_above_monotonic.load(Ordering::Relaxed) {
            0 => wall_ms,
            above => {
                let cluster_ms = above + milliseconds(now);
                if wall_ms > cluster_ms + MAX_SKEW_MS { cluster_ms } else { wall_ms }
            }
        }
    }
    /// Learns `time` from another node, unless it is more than [`MAX_SKEW_MS`] ahead of this node's wall clock.
    pub fn merge(&self, time: u64, wall_ms: u64) {
        if (time >> 16) <= wall_ms + MAX_SKEW_MS {
            self.last.fetch_max(time, Ordering::Relaxed);
        }
    }
}

fn milliseconds(now: Instant) -> u64 {
    now.0 / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;

    fn after_ms(milliseconds: u64) -> Instant {
        Instant(milliseconds * 1_000_000)
    }

    #[test]
    fn a_wall_clock_that_runs_far_ahead_does_not_count() {
        let clock = Clock::default();
        assert_eq!(
            clock.sound_wall_ms(5_000_000 + YEAR_MS, after_ms(0)),
            5_000_000 + YEAR_MS,
            "nothing else is known"
        );
        clock.learn_cluster_time(5_000_000, after_ms(300));
        assert_eq!(clock.sound_wall_ms(5_000_200, after_ms(400)), 5_000_200);
        assert_eq!(clock.sound_wall_ms(5_000_200 + YEAR_MS, after_ms(1_300)), 5_001_000);
        assert_eq!(
            clock.sound_wall_ms(4_000_000, after_ms(1_300)),
            4_000_000,
            "a slow one harms nobody"
        );
    }
}
