//! Short records that say something of a key without being a version of it: that a version is known complete (`settled`), or that
//! the key's last trace, a collected tombstone, is gone (`drop`).
//!
//! ```text
//!  offset bytes field
//!       0     1 type               6 settled, 11 drop (10 reserved: discard, one record that can never become complete)
//!       1     1 flags              1 moved
//!       2     2 key length
//!       4     4 total              bytes of the record, a multiple of 8
//!       8     8 bucket
//!      16    16 ballot             settled: of the record known complete; drop: of the tombstone; big-endian
//!      32    16 floor              of the key
//!      48     8 crc                CRC-64/NVME of salt, ballot, then all from header to name without this field
//!      56     1 space
//!      57     1 more flags         reserved, zero: 1 named, 2 has a version (16 bytes behind the name)
//!      58     6 zero
//!      64       name, zeros to `total`
//! ```
//! A reader refuses flags that it does not know: they change what the record means.

use super::fields::{FieldReader, FieldWriter};
use crate::{Ballot, Key, Space};
use openlake_checksum::Crc64;

/// Bytes of the header.
const MARK_HEADER_BYTES: usize = 64;
const CRC_OFFSET: usize = 48;
const MOVED: u8 = 1;
const SETTLED_TYPE: u8 = 6;
const DROP_TYPE: u8 = 11;

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MarkKind {
    /// The record of this ballot is complete; all below it are superseded.
    Settled,
    /// The tombstone of this ballot was collected: nothing is left of the key.
    Drop,
}

/// A mark to be written.
pub(crate) struct MarkParts<'parts> {
    pub kind: MarkKind,
    pub key: &'parts Key,
    pub ballot: Ballot,
    pub floor: Ballot,
    /// A copy made by the cleaner.
    pub moved: bool,
}

impl MarkParts<'_> {
    /// Bytes of the encoded record.
    pub fn encoded_bytes(&self) -> usize {
        mark_bytes(self.key)
    }
    /// Writes the record into exactly `encoded_bytes` zeroed bytes.
    pub fn encode(&self, bytes: &mut [u8], salt: u64) {
        let kind = match self.kind {
            MarkKind::Settled => SETTLED_TYPE,
            MarkKind::Drop => DROP_TYPE,
        };
        let total = bytes.len() as u32;
        let mut fields = FieldWriter::new(bytes);
        fields
            .byte(kind)
            .byte(if self.moved { MOVED } else { 0 })
            .u16(self.key.name.len() as u16)
            .u32(total)
            .u64(self.key.bucket)
            .put(&self.ballot.to_bytes())
            .put(&self.floor.to_bytes())
            .u64(0)
            .put(&[self.key.space as u8, 0, 0, 0, 0, 0, 0, 0])
            .put(&self.key.name);
        let checked = fields.position();
        let crc = checksum(&bytes[..checked], salt);
        bytes[CRC_OFFSET..CRC_OFFSET + 8].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A mark read from bytes, borrowing its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredMark<'bytes> {
    pub kind: MarkKind,
    pub bucket: u64,
    pub space: Space,
    pub name: &'bytes [u8],
    pub ballot: Ballot,
    pub floor: Ballot,
    pub moved: bool,
    pub total: usize,
}

impl<'bytes> StoredMark<'bytes> {
    /// Whether a record of this type byte is a mark.
    pub fn is_type(kind: u8) -> bool {
        matches!(kind, SETTLED_TYPE | DROP_TYPE)
    }
    /// Reads the mark at the start of `bytes`; `None` when it is damaged, cut off or says what this version does not know.
    pub fn decode(bytes: &'bytes [u8], salt: u64) -> Option<StoredMark<'bytes>> {
        let mut fields = FieldReader::new(bytes);
        let kind = match fields.byte()? {
            SETTLED_TYPE => MarkKind::Settled,
            DROP_TYPE => MarkKind::Drop,
            _ => return None,
        };
        let (flags, name_length, total, bucket) = (fields.byte()?, fields.u16()?, fields.u32()? as usize, fields.u64()?);
        let bytes = bytes.get(..total)?;
        let (ballot, floor) = (Ballot::from_bytes(fields.array()?), Ballot::from_bytes(fields.array()?));
        let (crc, space, more_flags) = (fields.u64()?, Space::from_byte(fields.byte()?)?, fields.byte()?);
        let checked = bytes.get(..MARK_HEADER_BYTES + usize::from(name_length))?;
        let known = flags & !MOVED == 0 && more_flags == 0;
        (known && checksum(checked, salt) == crc).then_some(StoredMark {
            kind,
            bucket,
            space,
            name: checked.get(MARK_HEADER_BYTES..)?,
            ballot,
            floor,
            moved: flags & MOVED != 0,
            total,
        })
    }
}

/// Bytes of a mark about `key`.
pub(crate) fn mark_bytes(key: &Key) -> usize {
    (MARK_HEADER_BYTES + key.name.len()).next_multiple_of(8)
}

fn checksum(checked: &[u8], salt: u64) -> u64 {
    let mut crc = Crc64::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&checked[16..32]);
    crc.update(&checked[..CRC_OFFSET]);
    crc.update(&checked[CRC_OFFSET + 8..]);
    crc.finish()
}
