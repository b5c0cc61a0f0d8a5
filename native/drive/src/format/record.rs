//! A version of a key as it lies in the log.
//!
//! ```text
//!  offset bytes field
//!       0     1 type               1 publish inline, 2 publish bulk, 4 delete (3, 5, 7 reserved: part, hint, block map; see also
//!                                  `mark_record`, `state_record`, `segment_open`)
//!       1     1 flags              1 moved, 2 whole, 4 delete marker (reserved), 8 unconditional, 16 has a base, 32 manifest,
//!                                  64 stable: known complete when this copy was made
//!       2     2 key length
//!       4     4 total              bytes of the record, a multiple of 8
//!       8     8 bucket
//!      16    16 version            the ballot, big-endian
//!      32     8 object size
//!      40    16 etag
//!      56     2 etag parts
//!      58     2 metadata length
//!      60     4 k, m, slot, block shift
//!      64     4 payload            inline bytes
//!      68     2 extents
//!      70     2 checksum kind      1 CRC-64/NVME
//!      72     8 shard length
//!      80     4 zero
//!      84     1 space
//!      85     1 more flags         reserved, zero: 1 named (one of several versions of its key), 2 has a versioning block
//!      86     2 zero
//!      88    16 write id
//!     104    16 origin
//!     120    16 base
//!     136     8 payload size       bytes that the shards encode
//!     144     8 crc                CRC-64/NVME of salt, version, then all from header to block checksums without this field
//!     152       key, metadata, extents (8 each), block checksums (8 each), payload, zeros to `total`
//! ```
//! One checksum per block of `1 << block shift` bytes of the shard, inline or bulk (shift 0: one block). The record does not know
//! its place: the cleaner copies it elsewhere and only adds to its flags. The versioning block (version 16, newest origin 16, newest
//! write id 16) will lie between key and metadata. A reader refuses flags that it does not know: they change what the record means.

use super::fields::{FieldReader, FieldWriter};
use crate::space::Extent;
use crate::{Ballot, Coding, Head, Key, Kind, Space, WriteId};
use bytes::Bytes;
use openlake_checksum::Crc64;

/// Bytes of the header.
pub(crate) const RECORD_HEADER_BYTES: usize = 152;
const FLAGS_OFFSET: usize = 1;
const CRC_OFFSET: usize = 144;
const CHECKSUM_KIND_CRC64: u16 = 1;
const WHOLE: u8 = 2;
const UNCONDITIONAL: u8 = 8;
const HAS_BASE: u8 = 16;
const MANIFEST: u8 = 32;
const MOVED: u8 = 1;
const STABLE: u8 = 64;
const KNOWN_FLAGS: u8 = MOVED | WHOLE | UNCONDITIONAL | HAS_BASE | MANIFEST | STABLE;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RecordType {
    Inline,
    Bulk,
    Delete,
}

/// Parts of a record to be written. `checksums` are 8 little-endian bytes per block.
pub(crate) struct RecordParts<'parts> {
    pub key: &'parts Key,
    pub kind: RecordType,
    pub head: &'parts Head,
    pub shard_length: u64,
    pub extents: &'parts [Extent],
    pub checksums: &'parts [u8],
    pub payload: &'parts [u8],
    /// Known complete by now.
    pub stable: bool,
}

impl RecordParts<'_> {
    /// Bytes of the encoded record.
    pub fn encoded_bytes(&self) -> usize {
        (self.tail_offset() + self.checksums.len() + self.payload.len()).next_multiple_of(8)
    }
    /// Offset of the block checksums; the payload follows them at once.
    pub fn tail_offset(&self) -> usize {
        RECORD_HEADER_BYTES + self.key.name.len() + self.head.metadata.len() + self.extents.len() * 8
    }
    /// Writes the record into exactly `encoded_bytes` zeroed bytes.
    pub fn encode(&self, bytes: &mut [u8], salt: u64) {
        let head = self.head;
        let kind = match self.kind {
            RecordType::Inline => 1,
            RecordType::Bulk => 2,
            RecordType::Delete => 4,
        };
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(head.coding.whole, WHOLE)
            | flag(head.unconditional, UNCONDITIONAL)
            | flag(head.base.is_some(), HAS_BASE)
            | flag(head.coding.manifest, MANIFEST)
            | flag(self.stable, STABLE);
        let total = bytes.len() as u32;
        let mut fields = FieldWriter::new(bytes);
        fields
            .byte(kind)
            .byte(flags)
            .u16(self.key.name.len() as u16)
            .u32(total)
            .u64(self.key.bucket);
        fields
            .put(&head.ballot.to_bytes())
            .u64(head.size)
            .put(&head.etag)
            .u16(head.etag_parts)
            .u16(head.metadata.len() as u16);
        fields.put(&[head.coding.data, head.coding.parity, head.slot, head.coding.block_shift]);
        fields
            .u32(self.payload.len() as u32)
            .u16(self.extents.len() as u16)
            .u16(CHECKSUM_KIND_CRC64)
            .u64(self.shard_length);
        fields.u32(0).put(&[self.key.space as u8, 0, 0, 0]);
        fields
            .put(&head.write_id.0)
            .put(&head.origin.to_bytes())
            .put(&head.base.unwrap_or(Ballot::ZERO).to_bytes());
        fields.u64(head.payload_size).u64(0).put(&self.key.name).put(&head.metadata);
        for extent in self.extents {
            fields.put(&extent.to_bytes());
        }
        fields.put(self.checksums);
        let checked = fields.position();
        fields.put(self.payload);
        let crc = checksum(&bytes[..checked], salt);
        bytes[CRC_OFFSET..RECORD_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
}

/// A record read from bytes, borrowing them.
#[derive(Debug)]
pub(crate) struct StoredRecord<'bytes> {
    pub kind: RecordType,
    pub bucket: u64,
    pub space: Space,
    pub name: &'bytes [u8],
    /// Everything of the version but its metadata, which stays borrowed.
    pub head: Head,
    pub metadata: &'bytes [u8],
    pub shard_length: u64,
    pub extents: Vec<Extent>,
    pub payload: &'bytes [u8],
    pub total: usize,
    /// Offset of the block checksums in the record.
    pub tail_offset: usize,
    /// Known complete when this copy was made.
    pub stable: bool,
    /// Bytes under the record's checksum: all but an inline payload, which has checksums of its own.
    checked: usize,
}

impl<'bytes> StoredRecord<'bytes> {
    /// Reads the record at the start of `bytes`; `None` when it is damaged, cut off or of a type this version does not know.
    pub fn decode(bytes: &'bytes [u8], salt: u64) -> Option<StoredRecord<'bytes>> {
        let mut fields = FieldReader::new(bytes);
        let kind = match fields.byte()? {
            1 => RecordType::Inline,
            2 => RecordType::Bulk,
            4 => RecordType::Delete,
            _ => return None,
        };
        let (flags, key_length, total, bucket) = (fields.byte()?, fields.u16()?, fields.u32()? as usize, fields.u64()?);
        let bytes = bytes.get(..total)?;
        let ballot = Ballot::from_bytes(fields.array()?);
        let (size, etag, etag_parts, metadata_length) = (fields.u64()?, fields.array()?, fields.u16()?, fields.u16()?);
        let [data, parity, slot, block_shift] = fields.array()?;
        let (payload_length, extent_count, _checksum_kind) = (fields.u32()?, fields.u16()?, fields.u16()?);
        let (shard_length, _zero) = (fields.u64()?, fields.u32()?);
        let [space, more_flags, _, _] = fields.array()?;
        let space = Space::from_byte(space)?;
        if flags & !KNOWN_FLAGS != 0 || more_flags != 0 {
            return None;
        }
        let (write_id, origin) = (WriteId(fields.array()?), Ballot::from_bytes(fields.array()?));
        let base = Ballot::from_bytes(fields.array()?);
        let (payload_size, crc) = (fields.u64()?, fields.u64()?);
        let tail_offset = RECORD_HEADER_BYTES + usize::from(key_length) + usize::from(metadata_length) + usize::from(extent_count) * 8;
        let blocks = match kind {
            RecordType::Inline | RecordType::Bulk => block_count(shard_length, block_shift),
            RecordType::Delete => 0,
        };
        let checksum_bytes = usize::try_from(blocks).ok()?.checked_mul(8)?;
        let mut fields = FieldReader::new(bytes.get(RECORD_HEADER_BYTES..)?);
        let (name, metadata) = (fields.take(usize::from(key_length))?, fields.take(usize::from(metadata_length))?);
        let extents = (0..extent_count)
            .map(|_| fields.array().map(Extent::from_bytes))
            .collect::<Option<Vec<_>>>()?;
        let (_checksums, payload) = (fields.take(checksum_bytes)?, fields.take(payload_length as usize)?);
        let checked = tail_offset + checksum_bytes;
        if checksum(bytes.get(..checked)?, salt) != crc {
            return None;
        }
        let has = |flag: u8| flags & flag != 0;
        let head = Head {
            ballot,
            write_id,
            origin,
            base: Some(base).filter(|_| has(HAS_BASE)),
            kind: if kind == RecordType::Delete { Kind::Tombstone } else { Kind::Data },
            unconditional: has(UNCONDITIONAL),
            size,
            etag,
            etag_parts,
            metadata: Bytes::new(),
            coding: Coding {
                data,
                parity,
                block_shift,
                whole: has(WHOLE),
                manifest: has(MANIFEST),
            },
            slot,
            payload_size,
            inline: kind != RecordType::Bulk,
        };
        let (total, kind) = (bytes.len(), kind);
        Some(StoredRecord {
            kind,
            bucket,
            space,
            name,
            head,
            metadata,
            shard_length,
            extents,
            payload,
            total,
            tail_offset,
            stable: has(STABLE),
            checked,
        })
    }
    /// Writes a copy for another place of the log into `target`, exactly as long as `source`, the record that was decoded. `stable`:
    /// the version is known complete by now.
    pub fn copy_moved(&self, source: &[u8], stable: bool, target: &mut [u8], salt: u64) {
        target.copy_from_slice(source);
        target[FLAGS_OFFSET] |= MOVED | if stable { STABLE } else { 0 };
        let crc = checksum(&target[..self.checked], salt);
        target[CRC_OFFSET..RECORD_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
    }
}

/// Type byte and total length of the record at the start of `bytes`, whatever its type.
pub(crate) fn peek_record(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut fields = FieldReader::new(bytes);
    let kind = fields.byte()?;
    fields.array::<3>()?;
    Some((kind, fields.u32()? as usize))
}

/// Blocks of a shard of `length` bytes.
pub(crate) fn block_count(length: u64, block_shift: u8) -> u64 {
    match block_shift {
        0 => u64::from(length > 0),
        shift => length.div_ceil(1_u64.checked_shl(u32::from(shift)).unwrap_or(u64::MAX)),
    }
}

fn checksum(checked: &[u8], salt: u64) -> u64 {
    let mut crc = Crc64::new();
    crc.update(&salt.to_le_bytes());
    crc.update(&checked[16..32]);
    crc.update(&checked[..CRC_OFFSET]);
    crc.update(&checked[RECORD_HEADER_BYTES..]);
    crc.finish()
}
