//! Where something lies on a drive: a segment and an offset in it.

/// Segment number in the upper, offset in bytes in the lower 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place(pub u64);

impl Place {
    /// Not on the drive yet.
    pub const PENDING: Place = Place(u64::MAX);

    /// `offset` bytes into `segment`.
    pub fn new(segment: u32, offset: u32) -> Place {
        Place(u64::from(segment) << 32 | u64::from(offset))
    }
    /// The segment's number.
    pub fn segment(self) -> u32 {
        (self.0 >> 32) as u32
    }
    /// Bytes from the segment's start.
    pub fn offset(self) -> u32 {
        self.0 as u32
    }
}
