//! Free and used space: the class of every segment, and a bitmap of granules for those that hold bulk.
//!
//! Checkpoints keep images of it (see `image`); a start takes the last one and follows the log from there. Space of uploads that
//! died is in no image, so it is simply free again.

use super::held::Held;
use super::{Extent, Geometry, Supply};
use std::collections::BTreeSet;

/// What a segment is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SegmentClass {
    Free,
    Log,
    Bulk,
}

/// One row of the segment table.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub class: SegmentClass,
    /// Open number while it is a log segment.
    pub generation: u64,
    pub live_bytes: u64,
    pub live_records: u64,
    pub last_sequence: u64,
    /// Evacuated: nothing in it is needed, but for checkpoints that may still be gone back to.
    pub retired: bool,
    /// One bit per granule, set when used; empty unless the class is bulk.
    pub(super) bitmap: Vec<u64>,
    free_granules: u32,
}

/// Large shards take runs that start on this boundary, so that their blocks never straddle two extents.
const RUN_BYTES: u32 = 1 << 20;
/// More extents than this and a shard is called too fragmented: its record would grow without bound.
const EXTENTS_LIMIT: usize = 4096;

/// The space of one drive.
pub(crate) struct Space {
    geometry: Geometry,
    pub(super) segments: Vec<Segment>,
    /// Segments below this number lie in containers that exist.
    pub(super) made: u32,
    /// Whether further containers can be made.
    pub(super) grows: bool,
    /// Free segments that exist.
    pub(super) free: u32,
    cursor: u32,
    used_granules: u64,
    pub(super) log_segments: u64,
    /// Bulk segments whose bitmap changed since the last image.
    pub(super) changed: BTreeSet<u32>,
    /// Log segments retired since the last image.
    pub(super) retired: Vec<u32>,
    pub(super) live_log_bytes: u64,
    /// While a checkpoint is written: what was released since its freeze.
    pub(super) held: Option<Held>,
}

impl Space {
    /// All free; only segments below `made` may be given out.
    pub fn new(geometry: Geometry, made: u32) -> Space {
        let segments = vec![Segment::free(); geometry.segments as usize];
        Space {
            geometry,
            segments,
            made,
            grows: true,
            free: made,
            cursor: 0,
            used_granules: 0,
            log_segments: 0,
            changed: BTreeSet::new(),
            retired: Vec::new(),
            live_log_bytes: 0,
            held: None,
        }
    }
    /// The row of a segment.
    pub fn segment(&self, number: u32) -> Option<&Segment> {
        self.segments.get(number as usize)
    }
    /// All rows, with their numbers.
    pub fn segments(&self) -> impl Iterator<Item = (u32, &Segment)> {
        (0..).zip(&self.segments)
    }
    /// The cut of the space.
    pub fn geometry(&self) -> &Geometry {
        &self.geometry
    }
    /// Free segments in containers that exist.
    pub fn free_segments(&self) -> u32 {
        self.free
    }
    /// Open number of a log segment; it changes when the segment is used again. 0: none.
    pub fn generation(&self, number: u32) -> u64 {
        self.segment(number).map_or(0, |segment| segment.generation)
    }
    /// Bytes of records that live in the log.
    pub fn live_log_bytes(&self) -> u64 {
        self.live_log_bytes
    }
    /// Bytes of the log's segments.
    pub fn log_bytes(&self) -> u64 {
        self.log_segments * u64::from(self.geometry.segment_bytes)
    }
    /// Bytes of bulk granules in use.
    pub fn used_granule_bytes(&self) -> u64 {
        self.used_granules * u64::from(self.geometry.granule_bytes)
    }
    /// Bytes in use: whole log segments and bulk granules.
    pub fn used_bytes(&self) -> u64 {
        self.log_bytes() + self.used_granule_bytes()
    }

    /// Marks an extent of a live record as used (at a start). False when it does not lie in bulk space or is used already.
    pub fn claim_extent(&mut self, extent: Extent) -> bool {
        let granules = self.geometry.granules();
        let end = u32::from(extent.first) + extent.granules;
        let Some(segment) = self.segments.get(extent.segment as usize) else {
            return false;
        };
        if end > granules || (segment.class == SegmentClass::Log && segment.live_records > 0) {
            return false;
        }
        if segment.class == SegmentClass::Log {
            // Retired when the checkpoint was made, used again behind it.
            self.free_log(extent.segment);
        }
        if self.segments[extent.segment as usize].class == SegmentClass::Free {
            self.open_bulk(extent.segment);
        }
        let segment = &mut self.segments[extent.segment as usize];
        if (u32::from(extent.first)..end).any(|granule| segment.is_used(granule)) {
            return false;
        }
        self.mark(extent, true);
        true
    }
    /// Marks as used whatever of an extent is not so yet: dead records and living ones may lay claim to it, each to a part.
    pub fn reserve_extent(&mut self, extent: Extent) {
        let class = self.segment(extent.segment).map(|segment| segment.class);
        if class == Some(SegmentClass::Free) {
            self.open_bulk(extent.segment);
        }
        self.mark(extent, true);
    }
    /// Gives an extent back; a bulk segment without any becomes free.
    pub fn release(&mut self, extent: Extent) {
        self.mark(extent, false);
        self.held.iter_mut().for_each(|held| held.add(extent));
        let granules = self.geometry.granules();
        if let Some(segment) = self.segments.get_mut(extent.segment as usize)
            && segment.class == SegmentClass::Bulk
            && segment.free_granules == granules
        {
            segment.class = SegmentClass::Free;
            segment.bitmap = Vec::new();
            self.count_free(extent.segment, true);
        }
    }
    /// Allocates at least `bytes` in as few extents as the space allows; `None` (nothing taken) when existing containers lack it or
    /// only what others need is left.
    pub fn allocate(&mut self, bytes: u64, supply: Supply) -> Option<Vec<Extent>> {
        if self.is_full_with(bytes, supply) {
            return None;
        }
        // What bulk segments lack in free granules, cleaning cannot give them.
        let kept = if self.is_full(supply) {
            u32::MAX
        } else {
            self.kept_from_bulk(supply)
        };
        self.allocate_keeping(bytes, kept, None)
    }
    /// As [`Space::allocate`], until only `kept_segments` are free: for what the drive needs to give space back.
    pub fn allocate_own(&mut self, bytes: u64, kept_segments: u32) -> Option<Vec<Extent>> {
        let held = self.held.take();
        let extents = self.allocate_keeping(bytes, kept_segments, held.as_ref());
        self.held = held;
        extents
    }
    fn allocate_keeping(&mut self, bytes: u64, kept_segments: u32, held: Option<&Held>) -> Option<Vec<Extent>> {
        let mut missing = u32::try_from(bytes.div_ceil(u64::from(self.geometry.granule_bytes))).ok()?;
        let mut extents: Vec<Extent> = Vec::new();
        while missing > 0 {
            let found = self.find(missing, kept_segments, held).filter(|_| extents.len() < EXTENTS_LIMIT);
            let Some(extent) = found else {
                extents.into_iter().for_each(|extent| self.release(extent));
                return None;
            };
            self.mark(extent, true);
            missing -= extent.granules;
            extents.push(extent);
        }
        Some(extents)
    }

    /// The next run for a shard that still needs `wanted` granules: from the segment in use, from any bulk segment, from a fresh one.
    fn find(&mut self, wanted: u32, kept_segments: u32, held: Option<&Held>) -> Option<Extent> {
        let run = (RUN_BYTES / self.geometry.granule_bytes).min(self.geometry.granules()).max(1);
        let (least, step) = if wanted >= run { (run, run) } else { (wanted, 1) };
        let made = self.made as usize;
        let count = made.min(self.segments.len()) as u32;
        let order = |cursor: u32| (cursor..count).chain(0..cursor.min(count));
        for number in order(self.cursor) {
            if let Some(extent) = self.find_in(number, wanted, (least, step), held) {
                self.cursor = number;
                return Some(extent);
            }
        }
        if self.free > kept_segments
            && let Some(number) = (0..count).find(|number| {
                self.segments[*number as usize].class == SegmentClass::Free && held.is_none_or(|held| held.bitmap(*number).is_empty())
            })
        {
            self.open_bulk(number);
            self.cursor = number;
            return self.find_in(number, wanted, (least, step), held);
        }
        // Fragmented: any run will do.
        order(self.cursor).find_map(|number| self.find_in(number, wanted, (1, 1), held))
    }

    fn find_in(&self, number: u32, wanted: u32, (least, step): (u32, u32), held: Option<&Held>) -> Option<Extent> {
        let segment = &self.segments[number as usize];
        if segment.class != SegmentClass::Bulk || segment.free_granules < least {
            return None;
        }
        let granules = self.geometry.granules();
        let held = held.map_or(&[][..], |held| held.bitmap(number));
        let mut first = 0;
        while first + least <= granules {
            let length = segment.free_run(first, wanted.min(granules - first), held);
            if length >= least {
                // Whole aligned runs only, so that the next piece starts aligned too; the tail is taken by a last, shorter one.
                let length = if length < wanted { length / step * step } else { length };
                return Some(Extent {
                    segment: number,
                    first: first as u16,
                    granules: length,
                });
            }
            first = (first + length + 1).next_multiple_of(step);
        }
        None
    }

    fn open_bulk(&mut self, number: u32) {
        let granules = self.geometry.granules();
        let segment = &mut self.segments[number as usize];
        segment.class = SegmentClass::Bulk;
        segment.bitmap = vec![0; granules.div_ceil(64) as usize];
        segment.free_granules = granules;
        self.count_free(number, false);
    }
    /// A segment became free, or is free no more.
    pub(super) fn count_free(&mut self, number: u32, is_free: bool) {
        if number < self.made {
            self.free = if is_free { self.free + 1 } else { self.free - 1 };
        }
    }

    fn mark(&mut self, extent: Extent, used: bool) {
        self.changed.insert(extent.segment);
        let Some(segment) = self.segments.get_mut(extent.segment as usize) else {
            return;
        };
        for granule in u32::from(extent.first)..u32::from(extent.first) + extent.granules {
            let Some(word) = segment.bitmap.get_mut((granule / 64) as usize) else {
                return;
            };
            let bit = 1_u64 << (granule % 64);
            if used != (*word & bit != 0) {
                *word ^= bit;
                segment.free_granules = if used {
                    segment.free_granules - 1
                } else {
                    segment.free_granules + 1
                };
                self.used_granules = if used { self.used_granules + 1 } else { self.used_granules - 1 };
            }
        }
    }
}

impl Segment {
    pub(super) fn free() -> Segment {
        Segment {
            class: SegmentClass::Free,
            generation: 0,
            live_bytes: 0,
            live_records: 0,
            last_sequence: 0,
            retired: false,
            bitmap: Vec::new(),
            free_granules: 0,
        }
    }
    fn is_used(&self, granule: u32) -> bool {
        self.bitmap
            .get((granule / 64) as usize)
            .is_none_or(|word| word & (1 << (granule % 64)) != 0)
    }
    /// Free granules in a row from `first`, at most `limit`; those in the bitmap `held` count as used.
    fn free_run(&self, first: u32, limit: u32, held: &[u64]) -> u32 {
        let mut length = 0;
        while length < limit {
            let granule = first + length;
            let held = held.get((granule / 64) as usize).copied().unwrap_or(0);
            let used = self.bitmap.get((granule / 64) as usize).copied().unwrap_or(u64::MAX);
            let word = (used | held) >> (granule % 64);
            let free = word.trailing_zeros().min(64 - granule % 64);
            length += free;
            if word != 0 && free < 64 - granule % 64 {
                break;
            }
        }
        length.min(limit)
    }
}
