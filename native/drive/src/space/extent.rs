//! A run of granules in one segment: where bulk bytes lie.

/// `granules` are counted from 1; the stored form holds one less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub segment: u32,
    pub first: u16,
    pub granules: u32,
}

impl Extent {
    /// 8 bytes: segment 4, first granule 2, granules - 1 2, little-endian.
    pub fn to_bytes(self) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&self.segment.to_le_bytes());
        bytes[4..6].copy_from_slice(&self.first.to_le_bytes());
        bytes[6..].copy_from_slice(&(self.granules.saturating_sub(1) as u16).to_le_bytes());
        bytes
    }
    /// The inverse of [`Extent::to_bytes`].
    pub fn from_bytes(bytes: [u8; 8]) -> Extent {
        let number = u64::from_le_bytes(bytes);
        Extent {
            segment: number as u32,
            first: (number >> 32) as u16,
            granules: u32::from((number >> 48) as u16) + 1,
        }
    }
}

/// The pieces of the device that hold `length` bytes from `offset` of a shard laid out over `extents` in order: (segment, offset in
/// it, bytes). Shorter when the extents end before.
pub(crate) fn pieces(extents: &[Extent], granule_bytes: u32, offset: u64, length: u64) -> Vec<(u32, u32, u64)> {
    let mut pieces = Vec::new();
    let (mut start, end) = (0_u64, offset.saturating_add(length));
    for extent in extents {
        let bytes = u64::from(extent.granules) * u64::from(granule_bytes);
        let (from, to) = (offset.max(start), end.min(start + bytes));
        if from < to {
            let base = u64::from(extent.first) * u64::from(granule_bytes);
            pieces.push((extent.segment, (base + from - start) as u32, to - from));
        }
        start += bytes;
        if start >= end {
            break;
        }
    }
    pieces
}
