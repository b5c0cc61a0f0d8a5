//! Who may still take space, and when a drive is full.
//!
//! A live byte of the log counts as 1/0.85: a log packed more tightly than that has no segment worth cleaning, so the space above is
//! needed to keep it writable. Data is refused at 95 % of the capacity so counted, or when only the reserve of segments is free. The
//! reserve belongs to what makes room or must not fail: deletes, marks, moves of the cleaner, checkpoints.

use super::Space;

/// Above this share of live bytes a segment of the log is not worth cleaning.
pub(crate) const PACKED_PERCENT: u64 = 85;
/// Data is refused when this share of the capacity is in use, as counted here.
const FULL_PERCENT: u64 = 95;

/// What wants space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// New bytes.
    Data,
    /// A record about bytes that have their space already.
    Record,
    /// A tombstone or mark: makes room in the end.
    Removal,
}

impl Space {
    /// Free segments kept for deletes, marks, moves and checkpoints.
    pub fn reserve_segments(&self) -> u32 {
        let segments = self.geometry().segments;
        (segments / 50).max(4).min(segments / 4)
    }
    /// Bytes in use as the rule above counts them.
    pub fn counted_bytes(&self) -> u64 {
        self.live_log_bytes() / PACKED_PERCENT * 100 + self.used_granule_bytes()
    }
    /// Whether so much is in use that cleaning could not make room for data.
    pub fn is_full(&self) -> bool {
        self.counted_bytes() >= self.geometry().capacity_bytes() / 100 * FULL_PERCENT
    }
    /// Whether a claim may be met now.
    pub fn has_room_for(&self, claim: Claim) -> bool {
        let (free, reserve) = (self.free_segments(), self.reserve_segments());
        match claim {
            Claim::Data => free > reserve && !self.is_full(),
            Claim::Record => free > reserve / 2,
            Claim::Removal => free > reserve / 4,
        }
    }
    /// Bytes of the log's segments that nothing lives in.
    pub fn dead_log_bytes(&self) -> u64 {
        self.log_bytes().saturating_sub(self.live_log_bytes())
    }
}
