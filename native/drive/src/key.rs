//! What a record is stored under. Names are opaque bytes; order is bucket, space, name.

use bytes::Bytes;

/// Which kind of thing a name names; the spaces of a bucket never mix in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Space {
    Object = 0,
    /// Multipart uploads: object key, 0x00, 16-byte upload id.
    Upload = 1,
    /// Their parts: object key, 0x00, 16-byte upload id, part number as 2 big-endian bytes, the part's 16-byte write id. A part is thus
    /// never replaced: sent again, it is another one.
    Part = 2,
}

impl Space {
    /// The space of a stored byte, or `None`.
    pub fn from_byte(byte: u8) -> Option<Space> {
        match byte {
            0 => Some(Space::Object),
            1 => Some(Space::Upload),
            2 => Some(Space::Part),
            _ => None,
        }
    }
    /// How many bytes of a name of this space follow the object's key.
    pub fn suffix_bytes(self) -> usize {
        match self {
            Space::Object => 0,
            Space::Upload => 17,
            Space::Part => 35,
        }
    }
}

/// A key of the protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The bucket's random id; 0 is the reserved bucket.
    pub bucket: u64,
    pub space: Space,
    pub name: Bytes,
}

impl Key {
    /// The object key whose erasure set this key lives in: uploads and parts live beside their object.
    pub fn placement_name(&self) -> &[u8] {
        let keep = self.name.len().saturating_sub(self.space.suffix_bytes());
        &self.name[..keep]
    }
}
