//! A root: where to begin after a start. Eight slots of 4 KiB, used in turn; the valid one with the highest sequence counts.
//!
//! ```text
//!  offset bytes field
//!       0     4 magic "OLRT"
//!       4     4 flags              1 clean shutdown, 2 the index is damaged: rebuild it
//!       8     8 sequence           of this root; slot = sequence mod 8
//!      16     8 log place          first batch to replay: segment << 32 | offset in it
//!      24     8 generation         of that segment
//!      32     8 last sequence      of the batches durable when this root was written
//!      40    48 drive state        see `state`
//!      88     8 manifest length    0: none, the log is replayed from its beginning
//!      96     8 manifest crc       CRC-64/NVME of its bytes
//!     104     2 extents of the manifest
//!     106     6 zero
//!     112       extents            8 each, see `record`
//!    4088     8 crc                CRC-64/NVME of all before, seeded with the salt
//! ```

use super::fields::{FieldReader, FieldWriter};
use super::state::{AcceptorState, STATE_BYTES};
use crate::space::{Extent, Place};
use openlake_checksum::crc64_seeded;

/// Bytes of one slot.
pub(crate) const ROOT_BYTES: usize = 4096;
/// Slots in the file of roots.
pub(crate) const ROOT_SLOTS: u64 = 8;
const MAGIC: [u8; 4] = *b"OLRT";
const CLEAN: u32 = 1;
const REBUILD: u32 = 2;
const EXTENTS_OFFSET: usize = 64 + STATE_BYTES;
const CHECKED_BYTES: usize = ROOT_BYTES - 8;
/// A manifest in more pieces is not written.
pub(crate) const MANIFEST_EXTENTS_LIMIT: usize = (CHECKED_BYTES - EXTENTS_OFFSET) / 8;

/// Where the manifest of a checkpoint lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ManifestPlace {
    pub extents: Vec<Extent>,
    pub length: u64,
    pub crc: u64,
}

/// One root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Root {
    pub sequence: u64,
    pub clean: bool,
    /// What lies in the index is not to be trusted.
    pub rebuild: bool,
    /// Where the log to replay begins.
    pub log_start: Place,
    pub log_start_generation: u64,
    /// Sequence of the last batch known durable.
    pub last_sequence: u64,
    pub state: AcceptorState,
    pub manifest: Option<ManifestPlace>,
}

impl Root {
    /// The slot's bytes. A manifest in more than [`MANIFEST_EXTENTS_LIMIT`] extents does not fit, and is left out.
    pub fn encode(&self, salt: u64) -> [u8; ROOT_BYTES] {
        let mut page = [0; ROOT_BYTES];
        let manifest = self
            .manifest
            .as_ref()
            .filter(|manifest| manifest.extents.len() <= MANIFEST_EXTENTS_LIMIT);
        let mut fields = FieldWriter::new(&mut page);
        let flags = if self.clean { CLEAN } else { 0 } | if self.rebuild { REBUILD } else { 0 };
        fields
            .put(&MAGIC)
            .u32(flags)
            .u64(self.sequence)
            .u64(self.log_start.0)
            .u64(self.log_start_generation)
            .u64(self.last_sequence);
        self.state.write(&mut fields);
        let extents = manifest.map_or(&[][..], |manifest| &manifest.extents[..]);
        fields
            .u64(manifest.map_or(0, |manifest| manifest.length))
            .u64(manifest.map_or(0, |manifest| manifest.crc))
            .u16(extents.len() as u16)
            .put(&[0; 6]);
        debug_assert_eq!(fields.position(), EXTENTS_OFFSET);
        for extent in extents {
            fields.put(&extent.to_bytes());
        }
        let crc = crc64_seeded(salt, &page[..CHECKED_BYTES]);
        page[CHECKED_BYTES..].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a slot; `None` when it was never written, torn, or belongs to another drive.
    pub fn decode(page: &[u8], salt: u64) -> Option<Root> {
        let mut fields = FieldReader::new(page);
        let crc = u64::from_le_bytes(*page.get(CHECKED_BYTES..)?.first_chunk()?);
        if fields.array()? != MAGIC || crc64_seeded(salt, page.get(..CHECKED_BYTES)?) != crc {
            return None;
        }
        let (flags, sequence) = (fields.u32()?, fields.u64()?);
        let (log_start, log_start_generation, last_sequence) = (Place(fields.u64()?), fields.u64()?, fields.u64()?);
        let state = AcceptorState::read(&mut fields)?;
        let (length, crc, extents) = (fields.u64()?, fields.u64()?, fields.u16()?);
        fields.array::<6>()?;
        let extents = (0..extents)
            .map(|_| fields.array().map(Extent::from_bytes))
            .collect::<Option<Vec<_>>>()?;
        Some(Root {
            sequence,
            clean: flags & CLEAN != 0,
            rebuild: flags & REBUILD != 0,
            log_start,
            log_start_generation,
            last_sequence,
            state,
            manifest: (length > 0).then_some(ManifestPlace { extents, length, crc }),
        })
    }
}
