//! How far this node's wall clock is ahead of most others' (protocol.md section 15): its own drives must not take what a wrong clock
//! of its own proposes, or they keep versions that no other drive will accept for as long as the clock was ahead.

use crate::MAX_SKEW_MS;
use openlake_io::Instant;
use std::collections::BTreeMap;

/// The last word of every peer about its clock.
#[derive(Debug, Default)]
pub struct Skew {
    /// By node: its clock in milliseconds, and when it was heard on this node's monotonic clock.
    heard: BTreeMap<u32, (u64, Instant)>,
    /// When the clocks were compared last.
    compared: Option<Instant>,
    /// This node's was far ahead then. What others said lay unread while this process stood still, perhaps.
    was_ahead: bool,
}

/// Between two comparisons, as long as this node's clock is a sound one; clocks are heard with every message.
const COMPARED_EVERY_NANOSECONDS: u64 = 100_000_000;

impl Skew {
    /// A peer's clock said `time_ms`.
    pub fn note(&mut self, node: u32, time_ms: u64, now: Instant) {
        self.heard.insert(node, (time_ms, now));
    }

    /// What most clocks say, or this node's own if that is slower; `None`: that was asked just now.
    pub fn cluster_time(&mut self, wall_ms: u64, now: Instant) -> Option<u64> {
        let is_old = |at: Instant| now.0.saturating_sub(at.0) >= COMPARED_EVERY_NANOSECONDS;
        if !self.was_ahead && !self.compared.is_none_or(is_old) {
            return None;
        }
        let lead_ms = self.lead_ms(wall_ms, now);
        self.was_ahead = lead_ms > MAX_SKEW_MS;
        self.compared = Some(now);
        Some(wall_ms - lead_ms)
    }

    /// Milliseconds that `wall_ms` is ahead of the median of all clocks known, this one included; 0 when it is not. Of two in the middle
    /// the lower one counts: half of the clocks are no majority, so nothing can be written anyway, and what is refused does no harm.
    pub fn lead_ms(&self, wall_ms: u64, now: Instant) -> u64 {
        let by_now = |(time_ms, at): &(u64, Instant)| time_ms + now.0.saturating_sub(at.0) / 1_000_000;
        let mut clocks: Vec<u64> = self.heard.values().map(by_now).chain([wall_ms]).collect();
        clocks.sort_unstable();
        let median = clocks.get((clocks.len() - 1) / 2).copied().unwrap_or(wall_ms);
        wall_ms.saturating_sub(median)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn the_median_of_all_clocks_says_whose_is_ahead() {
        let mut skew = Skew::default();
        assert_eq!(skew.lead_ms(900_000, Instant(0)), 0);
        skew.note(1, 10_000, Instant(0));
        assert_eq!(skew.lead_ms(900_000, Instant(0)), 890_000);
        assert_eq!(skew.lead_ms(9_000, Instant(0)), 0);
        skew.note(2, 11_000, Instant(0));
        assert_eq!(skew.lead_ms(900_000, Instant(0)), 889_000);
        assert_eq!(skew.lead_ms(10_500, Instant(0)), 0);
    }

    #[test]
    fn peers_clocks_go_on_while_they_are_silent() {
        let mut skew = Skew::default();
        skew.note(1, 10_000, Instant(0));
        skew.note(2, 10_000, Instant(5 * SECOND));
        assert_eq!(skew.lead_ms(20_000, Instant(10 * SECOND)), 0);
        assert_eq!(skew.lead_ms(80_000, Instant(10 * SECOND)), 60_000);
    }
}
