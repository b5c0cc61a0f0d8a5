//! A run: sorted keys and values that never change, newest run wins. This is its last page, which says where everything is.
//!
//! ```text
//!  data blocks, whole pages each | fences | filter | zeros to a page | footer
//!
//!  offset bytes field of the footer
//!       0     4 magic "OLRN"
//!       4     4 version            1
//!       8     8 run id             random; seeds all checksums of the run
//!      16     8 entries
//!      24     8 blocks
//!      32     8 data bytes         of all blocks
//!      40     8 fences bytes       behind the blocks
//!      48     8 filter bytes       behind the fences
//!      56     8 fences crc         CRC-64/NVME of salt, run id, offset, bytes
//!      64     8 filter crc         the same
//!      72     8 crc                of all before, offset 0
//!      80       zeros to 4,096
//! ```

use super::block::RunSeed;
use crate::format::{FieldReader, FieldWriter, PAGE_BYTES};

const MAGIC: [u8; 4] = *b"OLRN";
const VERSION: u32 = 1;
const CHECKED_BYTES: usize = 72;

/// The footer's fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunFooter {
    pub run: u64,
    pub entries: u64,
    pub blocks: u64,
    pub data_bytes: u64,
    pub fences_bytes: u64,
    pub filter_bytes: u64,
    pub fences_crc: u64,
    pub filter_crc: u64,
}

impl RunFooter {
    /// The last page of the run.
    pub fn encode(&self, salt: u64) -> [u8; PAGE_BYTES] {
        let mut page = [0; PAGE_BYTES];
        let mut fields = FieldWriter::new(&mut page);
        fields.put(&MAGIC).u32(VERSION).u64(self.run).u64(self.entries).u64(self.blocks);
        fields
            .u64(self.data_bytes)
            .u64(self.fences_bytes)
            .u64(self.filter_bytes)
            .u64(self.fences_crc)
            .u64(self.filter_crc);
        let seed = RunSeed { salt, run: self.run };
        let crc = seed.checksum(0, &page[..CHECKED_BYTES]);
        page[CHECKED_BYTES..CHECKED_BYTES + 8].copy_from_slice(&crc.to_le_bytes());
        page
    }
    /// Reads the last page of a run of `length` bytes; `None` when it is damaged, of another drive, or does not fit that length.
    pub fn decode(page: &[u8], salt: u64, length: u64) -> Option<RunFooter> {
        let mut fields = FieldReader::new(page);
        if fields.array()? != MAGIC || fields.u32()? != VERSION {
            return None;
        }
        let footer = RunFooter {
            run: fields.u64()?,
            entries: fields.u64()?,
            blocks: fields.u64()?,
            data_bytes: fields.u64()?,
            fences_bytes: fields.u64()?,
            filter_bytes: fields.u64()?,
            fences_crc: fields.u64()?,
            filter_crc: fields.u64()?,
        };
        let seed = RunSeed { salt, run: footer.run };
        let whole = fields.u64()? == seed.checksum(0, page.get(..CHECKED_BYTES)?);
        let before = footer
            .data_bytes
            .checked_add(footer.fences_bytes)?
            .checked_add(footer.filter_bytes)?;
        let fits = before.checked_next_multiple_of(PAGE_BYTES as u64)?.checked_add(PAGE_BYTES as u64) == Some(length);
        (whole && fits).then_some(footer)
    }
}
