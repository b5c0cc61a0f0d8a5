//! Who may still take space, and when a drive is full.
//!
//! A live byte of the log counts as 1/0.85: a log packed more tightly than that has no segment worth cleaning, so the space above is
//! needed to keep it writable. Data is refused at 95 % of the capacity so counted, or when only the reserve of segments is free. The
//! reserve belongs to what makes room or must not fail: deletes, marks, moves of the cleaner, checkpoints.

use super::{Segment, SegmentClass, Space};

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
        self.is_full_with(0)
    }
    /// The same with `more` bytes of bulk.
    pub fn is_full_with(&self, more: u64) -> bool {
        self.counted_bytes() + more >= self.geometry().capacity_bytes() / 100 * FULL_PERCENT
    }
    /// Log segments, with their numbers.
    pub fn log_segments(&self) -> impl Iterator<Item = (u32, &Segment)> {
        self.segments().filter(|(_, segment)| segment.class == SegmentClass::Log)
    }
    /// Whether a segment waits to be used again.
    pub fn has_retired(&self) -> bool {
        self.log_segments().any(|(_, segment)| segment.retired)
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
    /// Log segments that the log has left for good (`current` is the generation in use) and that are not retired yet.
    pub fn left_segments(&self, current: u64) -> impl Iterator<Item = (u32, &Segment)> {
        let left = move |segment: &Segment| (1..current).contains(&segment.generation) && !segment.retired;
        self.log_segments().filter(move |(_, segment)| left(segment))
    }
    /// Bytes of those that nothing lives in.
    pub fn dead_log_bytes(&self, current: u64) -> u64 {
        let segment_bytes = u64::from(self.geometry().segment_bytes);
        let dead = |segment: &Segment| segment_bytes.saturating_sub(segment.live_bytes);
        self.left_segments(current).map(|(_, segment)| dead(segment)).sum()
    }
}
