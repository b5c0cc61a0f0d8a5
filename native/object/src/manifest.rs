//! What a multipart object is made of: the payload of its record names its parts.
//!
//! ```text
//! offset  size  field (little-endian)
//!      0     1  version, 1
//!      1     3  zero
//!      4     4  number of parts
//!      8    16  upload id
//!     24    64  per part: part number 2, zero 6, size 8, write id 16, ETag (MD5) 16, origin 16 (byte order is ballot order)
//! ```
//!
//! Object key, upload id, part number and write id are a part's key: what a manifest names is never replaced by what is sent later.

use crate::multipart::{CompletePart, PartInfo};
use bytes::Bytes;
use openlake_drive::{Ballot, WriteId};

const HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 64;
const VERSION: u8 = 1;

/// One part of a finished upload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ManifestPart {
    pub number: u16,
    pub size: u64,
    pub write_id: WriteId,
    pub etag: [u8; 16],
    pub origin: Ballot,
}

/// The parts in order, and the upload they belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub upload: [u8; 16],
    pub parts: Vec<ManifestPart>,
}

impl Manifest {
    pub fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(HEADER_BYTES + 16 + self.parts.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&(self.parts.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.upload);
        for part in &self.parts {
            bytes.extend_from_slice(&part.number.to_le_bytes());
            bytes.extend_from_slice(&[0; 6]);
            bytes.extend_from_slice(&part.size.to_le_bytes());
            bytes.extend_from_slice(&part.write_id.0);
            bytes.extend_from_slice(&part.etag);
            bytes.extend_from_slice(&part.origin.to_bytes());
        }
        bytes.into()
    }
    /// The inverse of [`Manifest::encode`]; `None` for anything else.
    pub fn decode(bytes: &[u8]) -> Option<Manifest> {
        let (header, rest) = bytes.split_at_checked(HEADER_BYTES)?;
        let (upload, rest) = rest.split_first_chunk::<16>()?;
        let count = u32::from_le_bytes(header.get(4..8)?.try_into().ok()?) as usize;
        if header.first() != Some(&VERSION) || rest.len() != count.checked_mul(ENTRY_BYTES)? {
            return None;
        }
        let parts: Option<Vec<ManifestPart>> = rest.chunks_exact(ENTRY_BYTES).map(decode_part).collect();
        Some(Manifest {
            upload: *upload,
            parts: parts?,
        })
    }
    /// Where the part of this number lies in the object: (first, length).
    pub fn span(&self, number: u16) -> Option<(u64, u64)> {
        let place = self.parts.iter().position(|part| part.number == number)?;
        let (before, from) = self.parts.split_at_checked(place)?;
        let first = before.iter().try_fold(0u64, |sum, part| sum.checked_add(part.size))?;
        Some((first, from.first()?.size))
    }
    /// Whether these are the parts that a client names.
    pub fn is_of(&self, named: &[CompletePart]) -> bool {
        let same = |(part, named): (&ManifestPart, &CompletePart)| part.number == named.number && part.etag == named.etag;
        self.parts.len() == named.len() && self.parts.iter().zip(named).all(same)
    }
    /// Whether a part was chosen.
    pub fn names(&self, number: u16, write_id: WriteId) -> bool {
        let named = |part: &ManifestPart| part.number == number && part.write_id == write_id;
        self.parts.iter().any(named)
    }
    /// Sum of the parts' sizes, if it is a number.
    pub fn size(&self) -> Option<u64> {
        self.parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.size))
    }
}

fn decode_part(entry: &[u8]) -> Option<ManifestPart> {
    Some(ManifestPart {
        number: u16::from_le_bytes(entry.get(..2)?.try_into().ok()?),
        size: u64::from_le_bytes(entry.get(8..16)?.try_into().ok()?),
        write_id: WriteId(entry.get(16..32)?.try_into().ok()?),
        etag: entry.get(32..48)?.try_into().ok()?,
        origin: Ballot::from_bytes(entry.get(48..64)?.try_into().ok()?),
    })
}

impl ManifestPart {
    pub fn of(info: &PartInfo, write_id: WriteId) -> ManifestPart {
        ManifestPart {
            number: info.number,
            size: info.size,
            write_id,
            etag: info.etag,
            origin: info.origin,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_and_refuses_everything_else() {
        let part = |number: u16| ManifestPart {
            number,
            size: 5 << 30,
            write_id: WriteId([number as u8; 16]),
            etag: [7; 16],
            origin: Ballot {
                clock: 99 << 16,
                node: 3,
                boot: 4,
            },
        };
        let manifest = Manifest {
            upload: [9; 16],
            parts: vec![part(1), part(10_000)],
        };
        let bytes = manifest.encode();
        assert_eq!(Manifest::decode(&bytes), Some(manifest.clone()));
        assert_eq!(manifest.size(), Some(10 << 30));
        assert_eq!(manifest.span(10_000), Some((5 << 30, 5 << 30)));
        assert_eq!(manifest.span(2), None);
        for length in 0..bytes.len() {
            assert_eq!(Manifest::decode(&bytes[..length]), None, "{length}");
        }
        let huge = Manifest {
            upload: [0; 16],
            parts: vec![ManifestPart { size: u64::MAX, ..part(1) }; 2],
        };
        assert_eq!(huge.size(), None);
    }
}
