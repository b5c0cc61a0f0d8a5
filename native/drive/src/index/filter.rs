//! A filter: answers "certainly not in this run" for nearly all keys that are not, without a read.
//!
//! A Bloom filter cut into blocks of one cache line (Putze, Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters",
//! 2007): a key's seven bits all lie in one block of 512, so that a question costs one miss of the processor's cache. 10 bits a key
//! give about 1 % of wrong "perhaps".
//!
//! ```text
//!  bytes field
//!     64 blocks, each 8 words of 8 bytes, little-endian
//! ```

use crate::sabotage::{Sabotage, is_planted};
use openlake_checksum::crc64;

const BITS_A_KEY: u64 = 10;
const WORDS: usize = 8;
/// Bytes of one block.
pub(crate) const FILTER_BLOCK_BYTES: usize = WORDS * 8;
const PROBES: u32 = 7;

/// The filter of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    blocks: Vec<[u64; WORDS]>,
}

/// What filters ask of a key; computed once for all runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyHash(u64);

impl KeyHash {
    /// The hash of a run key: its CRC, mixed (the finaliser of MurmurHash3) so that all bits depend on all.
    pub fn of(key: &[u8]) -> KeyHash {
        let mut hash = crc64(key);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
        hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        KeyHash(hash ^ (hash >> 33))
    }
}

impl Filter {
    /// An empty filter with room for `keys` keys.
    pub fn with_room_for(keys: u64) -> Filter {
        let blocks = keys.saturating_mul(BITS_A_KEY).div_ceil(FILTER_BLOCK_BYTES as u64 * 8).max(1);
        Filter {
            blocks: vec![[0; WORDS]; blocks as usize],
        }
    }
    /// Takes a key in.
    pub fn add(&mut self, hash: KeyHash) {
        let at = self.block_of(hash);
        if let Some(block) = self.blocks.get_mut(at) {
            for bit in bits_of(hash) {
                block[bit / 64] |= 1 << (bit % 64);
            }
        }
    }
    /// False: the key was never added.
    pub fn may_hold(&self, hash: KeyHash) -> bool {
        if is_planted(Sabotage::BlindFilter) && hash.0.is_multiple_of(8) {
            return false;
        }
        let block = self.blocks.get(self.block_of(hash));
        block.is_some_and(|block| bits_of(hash).all(|bit| block[bit / 64] & (1 << (bit % 64)) != 0))
    }
    /// Bytes in memory and on the drive.
    pub fn bytes(&self) -> usize {
        self.blocks.len() * FILTER_BLOCK_BYTES
    }
    /// Appends the stored form.
    pub fn encode(&self, bytes: &mut Vec<u8>) {
        bytes.reserve(self.bytes());
        for word in self.blocks.iter().flatten() {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
    }
    /// The inverse of [`Filter::encode`]; `None` when the bytes are no whole number of blocks, or none.
    pub fn decode(bytes: &[u8]) -> Option<Filter> {
        let (blocks, rest) = bytes.as_chunks::<FILTER_BLOCK_BYTES>();
        let words = |block: &[u8; FILTER_BLOCK_BYTES]| {
            let mut words = [0; WORDS];
            let (chunks, _) = block.as_chunks::<8>();
            words
                .iter_mut()
                .zip(chunks)
                .for_each(|(word, chunk)| *word = u64::from_le_bytes(*chunk));
            words
        };
        (rest.is_empty() && !blocks.is_empty()).then(|| Filter {
            blocks: blocks.iter().map(words).collect(),
        })
    }
    fn block_of(&self, hash: KeyHash) -> usize {
        // The upper half, scaled to the number of blocks: no division.
        (((hash.0 >> 32) * self.blocks.len() as u64) >> 32) as usize
    }
}

/// Bits of a key in its block: double hashing over the lower half.
fn bits_of(hash: KeyHash) -> impl Iterator<Item = usize> {
    let (start, step) = (hash.0 as u32, (hash.0 as u32).rotate_left(15) | 1);
    (0..PROBES).map(move |probe| (start.wrapping_add(probe.wrapping_mul(step)) >> 23) as usize)
}
