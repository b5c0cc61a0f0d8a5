//! Roots: where replay begins, and whether the drive was closed in peace. 8 slots of 4 KiB, used in turn; a torn slot loses one.
//!
//! ```text
//!  offset bytes field
//!       0     4 magic "OLRT"
//!       4     4 zero
//!       8     8 sequence           of this root; slot = sequence mod 8
//!      16     8 manifest place     u64::MAX: none (the index is rebuilt from the whole log)
//!      24     4 manifest length
//!      28     4 flags              1 clean shutdown
//!      32     8 log place          first segment to replay << 32 | offset in it
//!      40     8 generation         of that segment
//!      48     8 generation high-water
//!      56     8 last sequence      of the batches durable when this root was written
//!      64    48 drive state        see `state`
//!     112     8 crc                CRC-64/NVME of all before, seeded with the salt
//!     120       zeros to 4,096
//! ```

use super::fields::{FieldReader, FieldWriter};
use super::state::{AcceptorState, STATE_BYTES};
use crate::space::Place;
use openlake_checksum::crc64_seeded;

/// Bytes of one slot.
pub(crate) const ROOT_BYTES: usize = 4096;
/// Slots in the file of roots.
pub(crate) const ROOT_SLOTS: u64 = 8;
const MAGIC: [u8; 4] = *b"OLRT";
const NO_MANIFEST: u64 = u64::MAX;
const CLEAN: u32 = 1;
const CHECKED_BYTES: usize = 64 + STATE_BYTES;

/// One root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub sequence: u64,
    pub clean: bool,
    /// Where the log to replay begins.
    pub log_start: Place,
    pub log_start_generation: u64,
    /// Highest generation given to a segment so far.
    pub generation: u64,
    /// Sequence of the last batch known durable.
    pub last_sequence: u64,
    pub state: AcceptorState,
}

impl Root {
    /// The slot's bytes.
    pub fn encode(&self, salt: u64) -> [u8; ROOT_BYTES] {
        let mut page = [0; ROOT_BYTES];
        let mut fields = FieldWriter::new(&mut page);
        fields
            .put(&MAGIC)
            .u32(0)
            .u64(self.sequence)
            .u64(NO_MANIFEST)
            .u32(0)
            .u32(if self.clean { CLEAN } else { 0 });
        fields
            .u64(self.log_start.0)
            .u64(self.log_start_generation)
            .u64(self.generation)
            .u64(self.last_sequence);
        self.state.write(&mut fields);
        debug_assert_eq!(fields.position(), CHECKED_BYTES);
        let crc = crc64_seeded(salt, &page[..CHECKED_BYTES]);
        page[CHECKED_BYTES..CHECKED_BYTES + 8].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a slot; `None` when it was never written, torn, or belongs to another drive.
    pub fn decode(page: &[u8], salt: u64) -> Option<Root> {
        let mut fields = FieldReader::new(page);
        let crc = u64::from_le_bytes(*page.get(CHECKED_BYTES..)?.first_chunk()?);
        if fields.array()? != MAGIC || crc64_seeded(salt, page.get(..CHECKED_BYTES)?) != crc {
            return None;
        }
        fields.u32()?;
        let sequence = fields.u64()?;
        let (_manifest_place, _manifest_length, flags) = (fields.u64()?, fields.u32()?, fields.u32()?);
        let (log_start, log_start_generation) = (Place(fields.u64()?), fields.u64()?);
        let (generation, last_sequence) = (fields.u64()?, fields.u64()?);
        let state = AcceptorState::read(&mut fields)?;
        Some(Root {
            sequence,
            clean: flags & CLEAN != 0,
            log_start,
            log_start_generation,
            generation,
            last_sequence,
            state,
        })
    }
}
