//! Bytes of shards: a few numbers stand for all of them, so that a model can hold thousands.

use bytes::Bytes;

/// What a version's shard holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload {
    pub seed: u64,
    pub length: usize,
}

impl Payload {
    /// No bytes.
    pub const NONE: Payload = Payload { seed: 0, length: 0 };

    /// All bytes; different for every seed, and nowhere periodic.
    pub fn bytes(self) -> Bytes {
        let mut state = self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut bytes = Vec::with_capacity(self.length + 8);
        while bytes.len() < self.length {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(self.length);
        bytes.into()
    }
    /// Blocks of the shard.
    pub fn blocks(self, block_shift: u8) -> u64 {
        match block_shift {
            0 => u64::from(self.length > 0),
            shift => (self.length as u64).div_ceil(1 << shift),
        }
    }
}
