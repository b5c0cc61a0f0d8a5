//! The first record of a log segment: what it is, which segment came before it and where that one ended, which will follow.
//!
//! ```text
//!  offset bytes field
//!       0     1 type               9 segment open
//!       1     3 zero
//!       4     4 total              96
//!       8     4 class              1 log
//!      12     4 next               the segment that will follow
//!      16     4 predecessor's segment (u32::MAX: none)
//!      20     4 its end offset     everything behind it does not count
//!      24     8 its generation
//!      32     8 its last sequence
//!      40     8 its last crc
//!      48    48 drive state
//! ```

use super::fields::{FieldReader, FieldWriter};
use super::state::{AcceptorState, STATE_BYTES};

/// Bytes of the record.
pub(crate) const SEGMENT_OPEN_BYTES: usize = 48 + STATE_BYTES;
/// Type byte of the record.
pub(crate) const SEGMENT_OPEN_TYPE: u8 = 9;
const CLASS_LOG: u32 = 1;
const NO_SEGMENT: u32 = u32::MAX;

/// Where the segment before ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Predecessor {
    pub segment: u32,
    pub generation: u64,
    pub end: u32,
    pub last_sequence: u64,
    pub last_crc: u64,
}

/// The record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentOpen {
    pub next: u32,
    pub predecessor: Option<Predecessor>,
    pub state: AcceptorState,
}

impl SegmentOpen {
    /// Writes the record into exactly its bytes.
    pub fn encode(&self, bytes: &mut [u8]) {
        let mut fields = FieldWriter::new(bytes);
        fields
            .byte(SEGMENT_OPEN_TYPE)
            .put(&[0; 3])
            .u32(SEGMENT_OPEN_BYTES as u32)
            .u32(CLASS_LOG)
            .u32(self.next);
        match &self.predecessor {
            Some(before) => fields
                .u32(before.segment)
                .u32(before.end)
                .u64(before.generation)
                .u64(before.last_sequence)
                .u64(before.last_crc),
            None => fields.u32(NO_SEGMENT).put(&[0; 28]),
        };
        self.state.write(&mut fields);
    }

    /// Reads a record.
    pub fn decode(bytes: &[u8]) -> Option<SegmentOpen> {
        let mut fields = FieldReader::new(bytes);
        if fields.byte()? != SEGMENT_OPEN_TYPE {
            return None;
        }
        fields.array::<3>()?;
        let (total, class, next, segment) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
        if total as usize != SEGMENT_OPEN_BYTES || class != CLASS_LOG {
            return None;
        }
        let (end, generation, last_sequence, last_crc) = (fields.u32()?, fields.u64()?, fields.u64()?, fields.u64()?);
        let before = Predecessor {
            segment,
            generation,
            end,
            last_sequence,
            last_crc,
        };
        let predecessor = Some(before).filter(|before| before.segment != NO_SEGMENT);
        Some(SegmentOpen {
            next,
            predecessor,
            state: AcceptorState::read(&mut fields)?,
        })
    }
}
