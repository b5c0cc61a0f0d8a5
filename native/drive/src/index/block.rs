//! A data block of a run: keys and values in order, the unit that is read, checked and cached.
//!
//! ```text
//!  offset bytes field
//!       0     8 crc                CRC-64/NVME of salt, run id, offset of the block in the run, then all behind this field
//!       8     4 used               end of the entries
//!      12     2 restarts
//!      14     2 zero
//!      16       entries: shared, suffix length, value length (varints), suffix of the key, value
//!    used       restarts: 2 bytes each, where an entry with nothing shared begins; zeros to whole pages
//! ```
//! An entry's key starts with the first `shared` bytes of the key before; every 16th key is whole, so that a search may start there.
//! A block has 4 KiB, or, where a single row is larger, as many pages as that takes.

use super::varint::{put_varint, take_bytes, take_length};
use crate::format::{PAGE_BYTES, round_to_page};
use bytes::Bytes;
use openlake_checksum::Crc64;
use std::ops::Range;

const HEADER_BYTES: usize = 16;
const RESTART_INTERVAL: usize = 16;
/// Most bytes of an entry's three numbers.
const ENTRY_NUMBERS_BYTES: usize = 15;

/// What ties the blocks of a run to their drive, run and place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunSeed {
    pub salt: u64,
    pub run: u64,
}

impl RunSeed {
    /// The checksum of a section of the run that starts at `offset`.
    pub fn checksum(&self, offset: u64, bytes: &[u8]) -> u64 {
        let mut crc = Crc64::new();
        crc.update(&self.salt.to_le_bytes());
        crc.update(&self.run.to_le_bytes());
        crc.update(&offset.to_le_bytes());
        crc.update(bytes);
        crc.finish()
    }
}

/// Gathers one block.
#[derive(Default)]
pub(crate) struct BlockBuilder {
    entries: Vec<u8>,
    restarts: Vec<u16>,
    last_key: Vec<u8>,
    since_restart: usize,
}

impl BlockBuilder {
    /// Whether nothing was added.
    pub fn is_empty(&self) -> bool {
        self.restarts.is_empty()
    }
    /// The key added last.
    pub fn last_key(&self) -> &[u8] {
        &self.last_key
    }
    /// Whether an entry fits; into an empty block every one does.
    pub fn fits(&self, key: &[u8], value: &[u8]) -> bool {
        let used = HEADER_BYTES + self.entries.len() + self.restarts.len() * 2;
        let more = ENTRY_NUMBERS_BYTES + key.len() + value.len() + 2;
        self.is_empty() || used + more - self.shared_with(key) <= PAGE_BYTES
    }
    fn shared_with(&self, key: &[u8]) -> usize {
        if self.is_empty() || self.since_restart >= RESTART_INTERVAL {
            return 0;
        }
        common_prefix(&self.last_key, key)
    }
    /// Adds an entry behind all others.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        let shared = self.shared_with(key);
        if self.is_empty() || self.since_restart >= RESTART_INTERVAL {
            // A block with a second entry is one page long, so that its offsets fit.
            self.restarts.push((HEADER_BYTES + self.entries.len()) as u16);
            self.since_restart = 0;
        }
        self.since_restart += 1;
        let suffix = key.get(shared..).unwrap_or_default();
        put_varint(&mut self.entries, shared as u64);
        put_varint(&mut self.entries, suffix.len() as u64);
        put_varint(&mut self.entries, value.len() as u64);
        self.entries.extend_from_slice(suffix);
        self.entries.extend_from_slice(value);
        self.last_key.truncate(shared);
        self.last_key.extend_from_slice(suffix);
    }
    /// Appends the block, which will lie at `offset` of its run, to `target`, and starts the next; bytes appended, whole pages.
    pub fn finish(&mut self, seed: RunSeed, offset: u64, target: &mut Vec<u8>) -> usize {
        let start = target.len();
        let used = HEADER_BYTES + self.entries.len();
        target.extend_from_slice(&[0; 8]);
        target.extend_from_slice(&(used as u32).to_le_bytes());
        target.extend_from_slice(&(self.restarts.len() as u16).to_le_bytes());
        target.extend_from_slice(&[0; 2]);
        target.extend_from_slice(&self.entries);
        self.restarts.iter().for_each(|at| target.extend_from_slice(&at.to_le_bytes()));
        let length = round_to_page(target.len() - start);
        target.resize(start + length, 0);
        if let Some((crc, checked)) = target.get_mut(start..).and_then(|block| block.split_first_chunk_mut::<8>()) {
            *crc = seed.checksum(offset, checked).to_le_bytes();
        }
        self.entries.clear();
        self.restarts.clear();
        self.since_restart = 0;
        length
    }
}

/// A block that was read and is unharmed.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    bytes: Bytes,
    used: usize,
    restarts: usize,
}

/// Where a walk through a block stands: the entry behind `next` is not looked at yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockPosition {
    next: usize,
    key: Vec<u8>,
    value: Range<usize>,
}

impl BlockPosition {
    /// The key stood at.
    pub fn key(&self) -> &[u8] {
        &self.key
    }
    /// Its value, where it lies.
    pub fn value_in<'block>(&self, block: &'block Block) -> &'block [u8] {
        block.bytes.get(self.value.clone()).unwrap_or_default()
    }
    /// Its value.
    pub fn value(&self, block: &Block) -> Bytes {
        let end = self.value.end.min(block.bytes.len());
        block.bytes.slice(self.value.start.min(end)..end)
    }
}

impl Block {
    /// Takes bytes that were read from `offset` of a run; `None` when they are damaged or belong elsewhere.
    pub fn verify(bytes: Bytes, seed: RunSeed, offset: u64) -> Option<Block> {
        let (crc, checked) = bytes.split_first_chunk::<8>()?;
        if u64::from_le_bytes(*crc) != seed.checksum(offset, checked) {
            return None;
        }
        Block::parse(bytes)
    }
    /// Takes bytes whose checksum is known to be right.
    pub fn parse(bytes: Bytes) -> Option<Block> {
        let used = u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?) as usize;
        let restarts = usize::from(u16::from_le_bytes(*bytes.get(12..)?.first_chunk()?));
        let fits = used >= HEADER_BYTES && used.checked_add(restarts * 2)? <= bytes.len();
        fits.then_some(Block { bytes, used, restarts })
    }
    /// All bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
    fn restart(&self, number: usize) -> Option<usize> {
        let at = self.bytes.get(self.used + number * 2..)?.first_chunk()?;
        Some(usize::from(u16::from_le_bytes(*at))).filter(|at| (HEADER_BYTES..self.used).contains(at))
    }
    /// Stands before the first entry.
    pub fn start(&self) -> BlockPosition {
        BlockPosition {
            next: HEADER_BYTES,
            ..BlockPosition::default()
        }
    }
    /// Whether the walk stands at the last entry, or behind it.
    pub fn is_last(&self, position: &BlockPosition) -> bool {
        position.next >= self.used
    }
    /// Goes to the next entry. `Some(false)`: there is none; `None`: the block makes no sense.
    pub fn advance(&self, position: &mut BlockPosition) -> Option<bool> {
        if position.next >= self.used {
            return Some(false);
        }
        let mut rest = self.bytes.get(position.next..self.used)?;
        let (shared, suffix, value) = (take_length(&mut rest)?, take_length(&mut rest)?, take_length(&mut rest)?);
        let suffix = take_bytes(&mut rest, suffix)?;
        if shared > position.key.len() {
            return None;
        }
        position.key.truncate(shared);
        position.key.extend_from_slice(suffix);
        let start = self.used - rest.len();
        take_bytes(&mut rest, value)?;
        position.value = start..start + value;
        position.next = start + value;
        Some(true)
    }
    /// Stands at the first entry whose key is `key` or above. `Some(false)`: there is none.
    pub fn seek(&self, key: &[u8], position: &mut BlockPosition) -> Option<bool> {
        let (mut low, mut high) = (0, self.restarts);
        // The last restart whose key is at most `key`, or the first one.
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.restart_key(middle)? <= key {
                low = middle;
            } else {
                high = middle;
            }
        }
        position.key.clear();
        position.next = if self.restarts == 0 { self.used } else { self.restart(low)? };
        while self.advance(position)? {
            if position.key.as_slice() >= key {
                return Some(true);
            }
        }
        Some(false)
    }
    /// The value of a key. `Some(None)`: the block does not have it.
    pub fn get(&self, key: &[u8]) -> Option<Option<Bytes>> {
        let mut position = self.start();
        let found = self.seek(key, &mut position)? && position.key == key;
        Some(found.then(|| position.value(self)))
    }
    fn restart_key(&self, number: usize) -> Option<&[u8]> {
        let mut rest = self.bytes.get(self.restart(number)?..self.used)?;
        let (shared, suffix, _) = (take_length(&mut rest)?, take_length(&mut rest)?, take_length(&mut rest)?);
        take_bytes(&mut rest, suffix).filter(|_| shared == 0)
    }
}

/// Bytes that two keys begin with alike.
pub(crate) fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    let (words, other_words) = (one.as_chunks::<8>().0, other.as_chunks::<8>().0);
    let alike = words.iter().zip(other_words).take_while(|(one, other)| one == other).count() * 8;
    let rest = one.iter().zip(other).skip(alike);
    alike + rest.take_while(|(one, other)| one == other).count()
}
