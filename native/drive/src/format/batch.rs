//! A batch: the unit the log is written in. 4 KiB aligned, at most 1 MiB, inside one segment.
//!
//! ```text
//!  offset bytes field
//!       0     4 magic "OLBT"
//!       4     2 version            1
//!       6     2 kind               1 open (first of a segment), 2 data
//!       8     4 segment            its own number
//!      12     4 records
//!      16     8 generation         open number of the segment, never reused
//!      24     8 sequence           +1 per batch of the drive
//!      32     4 length             on disk, a multiple of 4,096
//!      36     4 used               header and records, before padding
//!      40     8 previous           crc of the batch before, also across segments
//!      48     8 acknowledged       highest sequence durable when this one was formed
//!      56     8 crc                CRC-64/NVME of `used` bytes with this field zero, seeded with salt, drive, segment, offset,
//!                                  generation
//!      64       records, each 8-aligned; zeros to `length`
//! ```
//! The seed ties a batch to its place and time: bytes of another drive, another place, an earlier use of the segment, or an object
//! made to look like a batch all fail the checksum.

use super::fields::{FieldReader, FieldWriter};
use crate::space::Place;
use openlake_checksum::Crc64;

/// Bytes of the header.
pub(crate) const BATCH_HEADER_BYTES: usize = 64;
/// Most bytes of a batch.
pub(crate) const BATCH_LIMIT_BYTES: usize = 1 << 20;
/// Batches start and end on pages.
pub(crate) const PAGE_BYTES: usize = 4096;
const MAGIC: [u8; 4] = *b"OLBT";
const VERSION: u16 = 1;
const CRC_OFFSET: usize = 56;

/// What a batch is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchKind {
    Open,
    Data,
}

/// What ties checksums to one drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DriveSeed {
    pub salt: u64,
    pub drive: [u8; 16],
}

/// The header without its checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    pub kind: BatchKind,
    pub segment: u32,
    pub records: u32,
    pub generation: u64,
    pub sequence: u64,
    pub length: u32,
    pub used: u32,
    pub previous: u64,
    pub acknowledged: u64,
}

impl BatchHeader {
    /// Writes the header over the first bytes of a batch whose records are in place (`bytes` reaches to `used` at least) and which
    /// will lie at `place`; returns its crc.
    pub fn seal(&self, bytes: &mut [u8], place: Place, seed: &DriveSeed) -> u64 {
        let kind = match self.kind {
            BatchKind::Open => 1,
            BatchKind::Data => 2,
        };
        let mut fields = FieldWriter::new(bytes);
        fields
            .put(&MAGIC)
            .u16(VERSION)
            .u16(kind)
            .u32(self.segment)
            .u32(self.records)
            .u64(self.generation)
            .u64(self.sequence);
        fields
            .u32(self.length)
            .u32(self.used)
            .u64(self.previous)
            .u64(self.acknowledged)
            .u64(0);
        let crc = checksum(&bytes[..self.used as usize], place, self.generation, seed);
        bytes[CRC_OFFSET..BATCH_HEADER_BYTES].copy_from_slice(&crc.to_le_bytes());
        crc
    }

    /// Reads a header whose own fields make sense; its checksum is not looked at yet.
    pub fn peek(bytes: &[u8]) -> Option<BatchHeader> {
        let mut fields = FieldReader::new(bytes);
        if fields.array()? != MAGIC || fields.u16()? != VERSION {
            return None;
        }
        let kind = match fields.u16()? {
            1 => BatchKind::Open,
            2 => BatchKind::Data,
            _ => return None,
        };
        let (segment, records, generation, sequence) = (fields.u32()?, fields.u32()?, fields.u64()?, fields.u64()?);
        let (length, used, previous, acknowledged) = (fields.u32()?, fields.u32()?, fields.u64()?, fields.u64()?);
        let sizes_fit = (length as usize).is_multiple_of(PAGE_BYTES)
            && length as usize <= BATCH_LIMIT_BYTES
            && used as usize >= BATCH_HEADER_BYTES
            && used <= length;
        sizes_fit.then_some(BatchHeader {
            kind,
            segment,
            records,
            generation,
            sequence,
            length,
            used,
            previous,
            acknowledged,
        })
    }

    /// Whether `bytes` (from the header on) are this batch at `place`, whole and unharmed; its crc if so.
    pub fn verify(&self, bytes: &[u8], place: Place, seed: &DriveSeed) -> Option<u64> {
        let stored = u64::from_le_bytes(*bytes.get(CRC_OFFSET..)?.first_chunk()?);
        let computed = checksum(bytes.get(..self.used as usize)?, place, self.generation, seed);
        (stored == computed && self.segment == place.segment()).then_some(stored)
    }
}

fn checksum(used: &[u8], place: Place, generation: u64, seed: &DriveSeed) -> u64 {
    let mut crc = Crc64::new();
    let mut start = [0; 40];
    FieldWriter::new(&mut start)
        .u64(seed.salt)
        .put(&seed.drive)
        .u32(place.segment())
        .u32(place.offset())
        .u64(generation);
    crc.update(&start);
    crc.update(&used[..CRC_OFFSET]);
    crc.update(&[0; 8]);
    crc.update(&used[BATCH_HEADER_BYTES..]);
    crc.finish()
}

/// `bytes` rounded up to whole pages.
pub(crate) fn round_to_page(bytes: usize) -> usize {
    bytes.next_multiple_of(PAGE_BYTES)
}
