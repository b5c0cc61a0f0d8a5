//! Makes the bytes of a run of keys and values that come in order. Pure: the caller writes the bytes.

use super::block::{BlockBuilder, RunSeed, common_prefix};
use super::fences::Fences;
use super::filter::{Filter, KeyHash};
use super::run_footer::RunFooter;
use super::run_key::is_special;
use crate::format::{PAGE_BYTES, round_to_page};

/// A run under construction.
pub(crate) struct RunEncoder {
    seed: RunSeed,
    block: BlockBuilder,
    /// Of the block under construction.
    fence: Vec<u8>,
    fences: Fences,
    filter: Filter,
    /// Of the keys that the filter has not taken in yet. Each of them misses the processor's cache, and many misses at once cost little more
    /// than one.
    hashes: Vec<KeyHash>,
    entries: u64,
    /// The last key before the special ones, once one of these came.
    last_plain: Option<Vec<u8>>,
    data_bytes: u64,
    /// Finished and not taken yet.
    bytes: Vec<u8>,
}

/// What a finished run is beside its bytes.
pub(crate) struct EncodedRun {
    pub footer: RunFooter,
    pub fences: Fences,
    pub filter: Filter,
    /// The highest key that is not special; empty: there is none.
    pub last_plain: Vec<u8>,
}

impl RunEncoder {
    /// A run of at most about `expected_entries` (more make its filter weaker). `seed.run` should be random.
    pub fn new(seed: RunSeed, expected_entries: u64) -> RunEncoder {
        RunEncoder {
            seed,
            block: BlockBuilder::default(),
            fence: Vec::new(),
            fences: Fences::default(),
            filter: Filter::with_room_for(expected_entries),
            hashes: Vec::new(),
            entries: 0,
            last_plain: None,
            data_bytes: 0,
            bytes: Vec::new(),
        }
    }
    /// Adds an entry; its key is above all before. An empty value says that the key was removed.
    pub fn push(&mut self, key: &[u8], value: &[u8]) {
        debug_assert!(self.entries == 0 || self.block.last_key() < key, "keys of a run rise");
        if self.last_plain.is_none() && is_special(key) {
            self.last_plain = Some(self.block.last_key().to_vec());
        }
        if !self.block.fits(key, value) {
            self.finish_block();
        }
        if self.block.is_empty() {
            // The first bytes that tell the key from the one before.
            let needed = match self.entries {
                0 => key.len(),
                _ => common_prefix(self.block.last_key(), key) + 1,
            };
            self.fence.clear();
            self.fence.extend_from_slice(key.get(..needed).unwrap_or(key));
        }
        self.block.push(key, value);
        self.hashes.push(KeyHash::of(key));
        self.entries += 1;
    }
    fn finish_block(&mut self) {
        let length = self.block.finish(self.seed, self.data_bytes, &mut self.bytes);
        self.hashes.drain(..).for_each(|hash| self.filter.add(hash));
        self.fences.push(&self.fence, length);
        self.data_bytes += length as u64;
    }
    /// Number of entries so far.
    pub fn entries(&self) -> u64 {
        self.entries
    }
    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> usize {
        self.bytes.len()
    }
    /// Takes finished bytes; they follow those taken before.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
    /// Ends the run: its last bytes, and what it is.
    pub fn finish(mut self) -> (Vec<u8>, EncodedRun) {
        let last_plain = self.last_plain.take().unwrap_or_else(|| self.block.last_key().to_vec());
        if !self.block.is_empty() {
            self.finish_block();
        }
        let mut bytes = self.bytes;
        let start = bytes.len();
        self.fences.encode(&mut bytes);
        let fences_bytes = (bytes.len() - start) as u64;
        let fences_crc = self.seed.checksum(self.data_bytes, &bytes[start..]);
        let filter_start = bytes.len();
        self.filter.encode(&mut bytes);
        let filter_bytes = (bytes.len() - filter_start) as u64;
        let filter_crc = self.seed.checksum(self.data_bytes + fences_bytes, &bytes[filter_start..]);
        bytes.resize(start + round_to_page(bytes.len() - start), 0);
        let footer = RunFooter {
            run: self.seed.run,
            entries: self.entries,
            blocks: self.fences.len() as u64,
            data_bytes: self.data_bytes,
            fences_bytes,
            filter_bytes,
            fences_crc,
            filter_crc,
        };
        bytes.extend_from_slice(&footer.encode(self.seed.salt));
        debug_assert!(bytes.len().is_multiple_of(PAGE_BYTES));
        let (fences, filter) = (self.fences, self.filter);
        let encoded = EncodedRun {
            footer,
            fences,
            filter,
            last_plain,
        };
        (bytes, encoded)
    }
}
