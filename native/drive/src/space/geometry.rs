//! How a drive's capacity is cut into containers, segments and granules.
//!
//! Segments are the unit of the log and of the classes of space; containers are the files that hold them, made on demand; granules
//! are the unit of bulk space.

use crate::format::PAGE_BYTES;

/// Bounds the table of segments, and with it what a start must look at.
const SEGMENTS_LIMIT: u64 = 16_384;
const SMALLEST_SEGMENT_BYTES: u64 = 4 << 20;
const LARGEST_SEGMENT_BYTES: u64 = 1 << 30;
const LARGEST_CONTAINER_BYTES: u64 = 8 << 30;
const CONTAINERS: u64 = 64;
/// Granules are 16 KiB up to this capacity, 64 KiB above, so that the bitmap stays small.
const SMALL_GRANULE_CAPACITY: u64 = 8 << 40;
/// Fewer segments leave no room beside the reserve.
const FEWEST_SEGMENTS: u64 = 16;

/// The cut of one drive; fixed when it is formatted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub segment_bytes: u32,
    pub segments: u32,
    pub granule_bytes: u32,
    pub container_bytes: u64,
}

impl Geometry {
    /// The cut for a capacity in bytes; `None` when it is too small for a drive. `segment_bytes` overrides the segment size
    /// (tests make tiny segments, to cross their borders often).
    pub fn for_capacity(capacity_bytes: u64, segment_bytes: Option<u32>) -> Option<Geometry> {
        let fitting = capacity_bytes.div_ceil(SEGMENTS_LIMIT).max(1).next_power_of_two();
        let segment = segment_bytes.map_or(fitting.clamp(SMALLEST_SEGMENT_BYTES, LARGEST_SEGMENT_BYTES), u64::from);
        let segments = (capacity_bytes / segment).min(u64::from(u32::MAX - 1));
        if segments < FEWEST_SEGMENTS {
            return None;
        }
        let container = (capacity_bytes / CONTAINERS).clamp(segment, LARGEST_CONTAINER_BYTES.max(segment));
        let granule = if capacity_bytes > SMALL_GRANULE_CAPACITY {
            64 << 10
        } else {
            16 << 10
        };
        Some(Geometry {
            segment_bytes: u32::try_from(segment).ok()?,
            segments: u32::try_from(segments).ok()?,
            granule_bytes: granule,
            container_bytes: container / segment * segment,
        })
    }
    /// The smallest capacity of a drive, in bytes.
    pub fn least_capacity_bytes(segment_bytes: Option<u32>) -> u64 {
        FEWEST_SEGMENTS * segment_bytes.map_or(SMALLEST_SEGMENT_BYTES, u64::from)
    }
    /// Whether a cut read from a drive can be worked with.
    pub fn is_sound(&self) -> bool {
        let (segment, granule) = (self.segment_bytes, self.granule_bytes);
        segment.is_power_of_two()
            && granule.is_power_of_two()
            && granule as usize >= PAGE_BYTES
            && segment >= granule
            && segment / granule <= 65_536
            && segment <= 1 << 30
            && self.segments > 0
            && self.container_bytes >= u64::from(segment)
            && self.container_bytes.is_multiple_of(u64::from(segment))
    }
    /// Bytes the drive may use.
    pub fn capacity_bytes(&self) -> u64 {
        u64::from(self.segment_bytes) * u64::from(self.segments)
    }
    /// Segments in a full container.
    pub fn segments_per_container(&self) -> u32 {
        (self.container_bytes / u64::from(self.segment_bytes)) as u32
    }
    /// Containers when all are made; the last may be shorter.
    pub fn containers(&self) -> u32 {
        self.segments.div_ceil(self.segments_per_container())
    }
    /// Segments that container `number` holds.
    pub fn segments_of_container(&self, number: u32) -> std::ops::Range<u32> {
        let start = number.saturating_mul(self.segments_per_container()).min(self.segments);
        start..start.saturating_add(self.segments_per_container()).min(self.segments)
    }
    /// Granules in a segment.
    pub fn granules(&self) -> u32 {
        self.segment_bytes / self.granule_bytes
    }
}
