//! Who may still take space, and when a drive is full.
//!
//! Free segments (only those in containers that exist) are given out in an order, so that whatever makes room in the end always finds
//! what it needs. Each line has its own segments, and may use those of the lines above it:
//!
//! ```text
//!   data       all but the reserve, and but what the index takes once more
//!   records    about bulk that has its space: what is left of the reserve on larger drives
//!   removals   tombstones, collections:   REMOVAL  1 segment
//!   moves      the cleaner's copies:      MOVES    2 segments, more than a victim's life takes
//!   marks      marks, promises, closing:  MARKS    1 segment
//!   merges     runs of the index anew:    all of it once more, if it is larger than what the next line has
//!   index      checkpoints:               INDEX    2 segments; a checkpoint is made before changed rows take one
//!   start      the next run of the drive: START    2 segments
//! ```
//!
//! Why that never ends in a deadlock. Data is taken only while a cleaned log (see below) leaves the reserve free, so when data is
//! refused there is a segment worth cleaning, or deletes make one. Its copies, the checkpoints that give it back, and the marks that
//! these write have segments that nobody above can take; the cleaner empties one victim at a time and spends no more before it is
//! given back, which is more than its copies took. A crash at any point gives back what was not named durably; a start on a drive that
//! lacks segments goes on in the log's last segment, so that starts cost nothing however often they are cut short.
//!
//! An index of a segment or more is another matter than a small one: a copy of a small record makes a checkpoint write the whole row anew,
//! with the metadata of all its versions, so that cleaning may take more for the index than it gains in the log. What was written before
//! comes back only when it was merged and two checkpoints were made. So nobody above merges takes what a merge of the whole index takes;
//! rows that changed count as if they were in a run already; and neither writers nor the cleaner change more of them than a checkpoint
//! surely finds space for (`sure_index_bytes`), but for a single row.
//!
//! A live byte of the log counts as 1/0.85 (more where segments are small beside records): a log packed more tightly has no segment
//! worth cleaning.

use super::{Geometry, Segment, SegmentClass, Space};

/// Above this share of live bytes a segment of the log is not worth cleaning.
///
/// The cleaner comes to rest as long as copies fill the segments they go to more than that; otherwise these would be cleaned next, for
/// ever. Copies leave in batches of 64 KiB or more (`Log::append_patiently`; the last ones of a step, which may be fewer, are packed
/// with others when they are cleaned once more), each padded by a page at most: 6 %. The largest record takes less than 86 KiB, so much
/// may stay unused at the end of a segment: 2 % of the smallest there is. Smaller segments, which tests have, are cleaned up to a lower
/// share (`sure_percent`): of records of 64 KiB three fit into one of 256 KiB, 75 %.
const PACKED_PERCENT: u64 = 85;
/// Where somebody waits for space, what is packed somewhat more tightly is cleaned, too. Not more: copies are padded as well, and what
/// gains nothing would be cleaned as long as they wait.
const PACKED_PERCENT_WHEN_SHORT: u64 = 92;
/// So much may stay unused at a segment's end, as the next record does not fit.
const END_BYTES: u64 = 64 << 10;
/// Data is refused when this share of the capacity is in use, as counted here.
const FULL_PERCENT: u64 = 95;

/// A start opens one segment and names another.
const START: u32 = 2;
/// One checkpoint.
const INDEX: u32 = 2;
const MARKS: u32 = 1;
const MOVES: u32 = 2;
const REMOVAL: u32 = 1;
/// What the lines above data keep, at least; what is more goes to records and removals.
const LEAST_RESERVE: u32 = START + INDEX + MARKS + MOVES + REMOVAL;
/// Of all segments, the share that is kept.
const RESERVE_SHARE: u32 = 50;

/// Free segments that the log never takes but at a start.
pub(crate) const KEPT_FROM_LOG: u32 = START + INDEX;
/// Free segments that a merge leaves to checkpoints.
pub(crate) const KEPT_FROM_MERGES: u32 = START + INDEX;
/// Free segments that a checkpoint leaves to starts.
pub(crate) const KEPT_FROM_INDEX: u32 = START;

/// What wants space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// Marks, promises, the last words of a drive that closes: what checkpoints and closing wait for.
    Mark,
    /// A copy made by the cleaner.
    Move,
    /// A tombstone, or its collection: makes room in the end.
    Removal,
    /// A record about bytes that have their space already.
    Record,
    /// New bytes.
    Data,
}

/// What there is beside the free segments.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Supply {
    /// Segments that the log has taken to go on in.
    pub ready: u32,
    /// Bytes of the index's runs, and of rows that the next ones will hold.
    pub index_bytes: u64,
}

impl Geometry {
    /// Segments that data never takes.
    pub fn reserve_segments(&self) -> u32 {
        (self.segments / RESERVE_SHARE).max(LEAST_RESERVE)
    }
    /// The share of live bytes above which a segment is not worth cleaning; `short`: somebody waits.
    pub fn packed_percent(&self, short: bool) -> u64 {
        if short {
            self.sure_percent().max(PACKED_PERCENT_WHEN_SHORT.min(97 - self.lost_percent()))
        } else {
            self.sure_percent()
        }
    }
    /// The share of live bytes in the log down to which cleaning surely gains something.
    fn sure_percent(&self) -> u64 {
        PACKED_PERCENT.min(95 - self.lost_percent())
    }
    /// What the ends of segments may cost.
    fn lost_percent(&self) -> u64 {
        (END_BYTES * 100 / u64::from(self.segment_bytes)).min(50)
    }
}

impl Space {
    /// Tells that more containers exist.
    pub fn set_made(&mut self, made: u32) {
        let added = self.segments.iter().take(made as usize).skip(self.made as usize);
        self.free += added.filter(|segment| segment.class == SegmentClass::Free).count() as u32;
        self.made = self.made.max(made);
    }
    /// Whether further containers can be made, for all that is known.
    pub fn set_grows(&mut self, grows: bool) {
        self.grows = grows;
    }
    /// Segments that the drive has or can have.
    pub fn reachable_segments(&self) -> u32 {
        if self.grows { self.segments.len() as u32 } else { self.made }
    }
    /// Free segments, those of containers that can be made included.
    pub fn reachable_free_segments(&self) -> u32 {
        self.free + self.reachable_segments().saturating_sub(self.made)
    }
    /// Free segments kept for all that is not data.
    pub fn reserve_segments(&self) -> u32 {
        self.geometry().reserve_segments()
    }
    fn index_segments(&self, supply: Supply) -> u32 {
        supply.index_bytes.div_ceil(u64::from(self.geometry().segment_bytes)) as u32
    }
    /// Segments that the log may still go on in, those kept for checkpoints and starts aside.
    fn spare(&self, supply: Supply) -> u32 {
        supply.ready + self.free_segments().saturating_sub(KEPT_FROM_LOG)
    }
    /// How many of them a claim leaves to others.
    fn kept_by(&self, claim: Claim, supply: Supply) -> u32 {
        let more = self.reserve_segments() - LEAST_RESERVE;
        let merge = self.merge_segments(supply);
        match claim {
            Claim::Mark => 0,
            Claim::Move => MARKS + merge,
            Claim::Removal => MARKS + MOVES + merge,
            Claim::Record => MARKS + MOVES + merge + more / 2,
            Claim::Data => MARKS + MOVES + REMOVAL + more + merge.max(self.index_segments(supply)),
        }
    }
    /// Segments that the index takes once more, beside those kept for checkpoints: a merge writes all of it anew, and two checkpoints give
    /// back what was merged.
    fn merge_segments(&self, supply: Supply) -> u32 {
        let segment_bytes = u64::from(self.geometry().segment_bytes);
        let checkpoints = supply.index_bytes.min(segment_bytes) * 2;
        let needed = (supply.index_bytes + checkpoints).div_ceil(segment_bytes);
        (needed as u32).saturating_sub(INDEX)
    }
    /// Bytes of changed rows for which a checkpoint surely finds space: half of what is kept for checkpoints, as far as that is free now or
    /// can be. The other half is for what pages and granules cost, and for the next one, behind which what was replaced comes back.
    pub fn sure_index_bytes(&self) -> u64 {
        let free = self.reachable_free_segments().saturating_sub(START).min(INDEX);
        u64::from(free) * u64::from(self.geometry().segment_bytes) / 2
    }
    /// Whether the log may go on in another segment for a claim.
    pub fn may_roll(&self, claim: Claim, supply: Supply) -> bool {
        self.spare(supply) > self.kept_by(claim, supply)
    }
    /// Free segments that new bulk leaves to others.
    pub fn kept_from_bulk(&self, supply: Supply) -> u32 {
        (self.kept_by(Claim::Data, supply) + KEPT_FROM_LOG).saturating_sub(supply.ready)
    }
    /// Bytes in use as the rule above counts them.
    pub fn counted_bytes(&self) -> u64 {
        self.live_log_bytes() / self.geometry().sure_percent() * 100 + self.used_granule_bytes()
    }
    /// Whether so much is in use that cleaning could not make room for data, and for `more` bytes of bulk.
    pub fn is_full_with(&self, more: u64, supply: Supply) -> bool {
        let segment_bytes = u64::from(self.geometry().segment_bytes);
        let capacity = segment_bytes * u64::from(self.reachable_segments());
        self.counted_bytes() + supply.index_bytes + more >= capacity / 100 * FULL_PERCENT
    }
    /// Whether so much is in use that cleaning could not make free segments for data.
    pub fn is_full(&self, supply: Supply) -> bool {
        let segment_bytes = u64::from(self.geometry().segment_bytes);
        let packed = self.live_log_bytes() / self.geometry().sure_percent() * 100 / segment_bytes + 1;
        // The one that the log goes on in next is nobody's.
        let log = self.log_bytes() / segment_bytes;
        let gained = (u64::from(self.reachable_free_segments()) + log).saturating_sub(packed + 1) as u32;
        gained <= self.kept_by(Claim::Data, supply) + KEPT_FROM_LOG || self.is_full_with(0, supply)
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
    pub fn has_room_for(&self, claim: Claim, supply: Supply) -> bool {
        self.may_roll(claim, supply) && (claim < Claim::Data || !self.is_full(supply))
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
