//! The superblock: who a drive is and how it is cut up. Two copies in files of their own; the valid one with the higher sequence wins.
//!
//! ```text
//!  offset bytes field
//!       0     8 magic "OLDRIVE1"
//!       8     2 version            2
//!      10     2 oldest reader      a program that knows less than this version must not open the drive
//!      12     8 sequence
//!      20    16 cluster
//!      36    16 drive
//!      52     4 set
//!      56     4 slot
//!      60     8 salt               random; seeds the checksums of batches and records
//!      68     4 segment bytes
//!      72     4 segments
//!      76     4 granule bytes
//!      80     8 container bytes
//!      88     4 state              0 new, 1 healing, 2 active, 3 leaving
//!      92     8 features that a reader must know
//!     100     8 features that a reader may ignore
//!     108     4 drive generation
//!     112     4 set epoch
//!     116     8 crc                CRC-64/NVME of all before
//!     124       zeros to 4,096
//! ```

use super::fields::{FieldReader, FieldWriter};
use crate::Identity;
use crate::space::Geometry;
use openlake_checksum::crc64;

/// Bytes of one copy: one page, so that it is written whole or, torn, fails its checksum.
pub(crate) const SUPERBLOCK_BYTES: usize = 4096;
const MAGIC: [u8; 8] = *b"OLDRIVE1";
/// Version 1 kept no index on the drive; there is no way from it to this one.
const VERSION: u16 = 2;
const CHECKED_BYTES: usize = 116;
const STATE_ACTIVE: u32 = 2;

/// The fields of a superblock that mean something to this version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub sequence: u64,
    pub identity: Identity,
    pub salt: u64,
    pub geometry: Geometry,
}

/// Why 4 KiB are no superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SuperblockError {
    /// Magic, length or checksum do not fit.
    Invalid,
    /// Written by a program of another version; what it asks for.
    OtherVersion(String),
}

impl Superblock {
    /// The page as it is written.
    pub fn encode(&self) -> [u8; SUPERBLOCK_BYTES] {
        let mut page = [0; SUPERBLOCK_BYTES];
        let mut fields = FieldWriter::new(&mut page);
        fields.put(&MAGIC).u16(VERSION).u16(VERSION).u64(self.sequence);
        fields
            .put(&self.identity.cluster)
            .put(&self.identity.drive)
            .u32(self.identity.set)
            .u32(self.identity.slot)
            .u64(self.salt);
        fields
            .u32(self.geometry.segment_bytes)
            .u32(self.geometry.segments)
            .u32(self.geometry.granule_bytes);
        fields.u64(self.geometry.container_bytes).u32(STATE_ACTIVE).u64(0).u64(0);
        fields.u32(self.identity.generation).u32(self.identity.set_epoch);
        debug_assert_eq!(fields.position(), CHECKED_BYTES);
        let crc = crc64(&page[..CHECKED_BYTES]);
        page[CHECKED_BYTES..CHECKED_BYTES + 8].copy_from_slice(&crc.to_le_bytes());
        page
    }

    /// Reads a page written by [`Superblock::encode`] of this version.
    pub fn decode(page: &[u8]) -> Result<Superblock, SuperblockError> {
        Superblock::read(page).unwrap_or(Err(SuperblockError::Invalid))
    }

    fn read(page: &[u8]) -> Option<Result<Superblock, SuperblockError>> {
        let checked = page.get(..CHECKED_BYTES)?;
        let mut fields = FieldReader::new(page);
        if fields.array::<8>()? != MAGIC || crc64(checked) != u64::from_le_bytes(*page[CHECKED_BYTES..].first_chunk()?) {
            return None;
        }
        let (version, oldest_reader) = (fields.u16()?, fields.u16()?);
        if oldest_reader > VERSION {
            let text = format!("format version {version} needs a program of version {oldest_reader}, this one knows {VERSION}");
            return Some(Err(SuperblockError::OtherVersion(text)));
        }
        if version < VERSION {
            let text = format!("format version {version} is older than {VERSION}, the only one that this program knows");
            return Some(Err(SuperblockError::OtherVersion(text)));
        }
        let sequence = fields.u64()?;
        let (cluster, drive, set, slot) = (fields.array()?, fields.array()?, fields.u32()?, fields.u32()?);
        let salt = fields.u64()?;
        let (segment_bytes, segments, granule_bytes) = (fields.u32()?, fields.u32()?, fields.u32()?);
        let container_bytes = fields.u64()?;
        let (_state, must_know, _may_ignore) = (fields.u32()?, fields.u64()?, fields.u64()?);
        if must_know != 0 {
            return Some(Err(SuperblockError::OtherVersion(format!(
                "features {must_know:#x} are unknown to this program"
            ))));
        }
        let (generation, set_epoch) = (fields.u32()?, fields.u32()?);
        let geometry = Geometry {
            segment_bytes,
            segments,
            granule_bytes,
            container_bytes,
        };
        if !geometry.is_sound() {
            return None;
        }
        let identity = Identity {
            cluster,
            drive,
            set,
            slot,
            generation,
            set_epoch,
        };
        Some(Ok(Superblock {
            sequence,
            identity,
            salt,
            geometry,
        }))
    }
}
