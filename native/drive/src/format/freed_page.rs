//! The page that is written over the first batch of a log segment when it is given back: whatever still lies behind is no part of
//! the log any more, and no damage either.
//!
//! ```text
//!  offset bytes field
//!       0     4 magic "OLFR"
//!       4     4 segment            its own number
//!       8     8 generation         of the log segment that was given back
//!      16     8 crc                CRC-64/NVME of all before, seeded with the salt
//!      24       zeros to 4,096
//! ```

use super::batch::PAGE_BYTES;
use super::fields::{FieldReader, FieldWriter};
use openlake_checksum::crc64_seeded;

const MAGIC: [u8; 4] = *b"OLFR";
const CHECKED_BYTES: usize = 16;

/// Says that a segment was given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FreedPage {
    pub segment: u32,
    pub generation: u64,
}

impl FreedPage {
    /// The page's bytes.
    pub fn encode(&self, salt: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        FieldWriter::new(&mut page).put(&MAGIC).u32(self.segment).u64(self.generation);
        let crc = crc64_seeded(salt, &page[..CHECKED_BYTES]);
        page[CHECKED_BYTES..CHECKED_BYTES + 8].copy_from_slice(&crc.to_le_bytes());
        page
    }
    /// Reads a page; `None` when it is anything else.
    pub fn decode(page: &[u8], salt: u64) -> Option<FreedPage> {
        let mut fields = FieldReader::new(page);
        if fields.array()? != MAGIC {
            return None;
        }
        let (segment, generation, crc) = (fields.u32()?, fields.u64()?, fields.u64()?);
        (crc64_seeded(salt, page.get(..CHECKED_BYTES)?) == crc).then_some(FreedPage { segment, generation })
    }
}
