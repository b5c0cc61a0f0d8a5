//! Which block of a run may hold a key: for every block the shortest bytes that part it from the block before, all in memory.
//!
//! ```text
//!  per block, in order (varints):
//!    pages of the block, bytes shared with the fence before, bytes that follow, those bytes
//! ```

use super::block::common_prefix;
use super::varint::{put_varint, take_bytes, take_length};
use crate::format::PAGE_BYTES;

/// No key of a run is longer, so no fence is.
const FENCE_LIMIT_BYTES: usize = PAGE_BYTES;

/// The fences of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fences {
    /// All fences one behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: Vec<u32>,
    /// Page behind each block.
    pages: Vec<u32>,
}

impl Fences {
    /// Adds a block of `length` bytes (whole pages): all its keys are at or above `fence`, all before it below.
    pub fn push(&mut self, fence: &[u8], length: usize) {
        let page = self.pages.last().copied().unwrap_or(0);
        self.bytes.extend_from_slice(fence);
        self.ends.push(self.bytes.len() as u32);
        self.pages.push(page + (length / PAGE_BYTES) as u32);
    }
    /// Number of blocks.
    pub fn len(&self) -> usize {
        self.ends.len()
    }
    /// Bytes in memory.
    pub fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + (self.ends.capacity() + self.pages.capacity()) * 4
    }
    /// Offset in the run and length of a block, in bytes.
    pub fn block(&self, number: usize) -> Option<(u64, usize)> {
        let end = *self.pages.get(number)?;
        let start = match number.checked_sub(1) {
            Some(before) => *self.pages.get(before)?,
            None => 0,
        };
        Some((u64::from(start) * PAGE_BYTES as u64, (end - start) as usize * PAGE_BYTES))
    }
    /// The one block that may hold `key`; `None` when it lies before all of them.
    pub fn find(&self, key: &[u8]) -> Option<usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.fence(middle) <= key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }
    /// Where a block begins.
    pub fn fence(&self, number: usize) -> &[u8] {
        let end = self.ends.get(number).copied().unwrap_or(0) as usize;
        let start = number.checked_sub(1).and_then(|before| self.ends.get(before).copied()).unwrap_or(0) as usize;
        self.bytes.get(start..end).unwrap_or_default()
    }
    /// Appends the stored form.
    pub fn encode(&self, target: &mut Vec<u8>) {
        let mut before: &[u8] = &[];
        for number in 0..self.len() {
            let fence = self.fence(number);
            let shared = common_prefix(before, fence);
            let pages = self.block(number).map_or(0, |(_, length)| length / PAGE_BYTES);
            put_varint(target, pages as u64);
            put_varint(target, shared as u64);
            put_varint(target, (fence.len() - shared) as u64);
            target.extend_from_slice(fence.get(shared..).unwrap_or_default());
            before = fence;
        }
    }
    /// The inverse of [`Fences::encode`] for fences of `blocks` blocks that cover `data_bytes`; `None` when they do not.
    pub fn decode(bytes: &[u8], blocks: u64, data_bytes: u64) -> Option<Fences> {
        let mut rest = bytes;
        let mut fences = Fences::default();
        let mut fence: Vec<u8> = Vec::new();
        let mut page = 0_u32;
        while !rest.is_empty() {
            let pages = u32::try_from(take_length(&mut rest)?).ok().filter(|pages| *pages > 0)?;
            let (shared, suffix) = (take_length(&mut rest)?, take_length(&mut rest)?);
            if shared > fence.len() {
                return None;
            }
            let suffix = take_bytes(&mut rest, suffix)?;
            let rises = fences.len() == 0 || suffix > fence.get(shared..)?;
            fence.truncate(shared);
            fence.extend_from_slice(suffix);
            page = page.checked_add(pages).filter(|_| rises)?;
            u32::try_from(fences.bytes.len().checked_add(fence.len())?).ok()?;
            // What follows could otherwise ask for far more memory than it has bytes.
            if fence.len() > FENCE_LIMIT_BYTES || fences.len() as u64 >= blocks {
                return None;
            }
            fences.push(&fence, pages as usize * PAGE_BYTES);
        }
        let fits = fences.len() as u64 == blocks && u64::from(page) * PAGE_BYTES as u64 == data_bytes;
        fences.bytes.shrink_to_fit();
        fits.then_some(fences)
    }
}
