//! A small, fast generator with a fixed algorithm (xoshiro256**, seeded by splitmix64, both by Blackman and Vigna): a library's
//! generator may change with its version, and with it every seed that once failed.

use std::time::Duration;

pub(crate) struct SimRandom {
    state: [u64; 4],
}

impl SimRandom {
    pub(crate) fn new(mut seed: u64) -> SimRandom {
        let state = std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            mix(seed)
        });
        SimRandom { state }
    }

    pub(crate) fn next(&mut self) -> u64 {
        let state = &mut self.state;
        let result = state[1].wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = state[1] << 17;
        state[2] ^= state[0];
        state[3] ^= state[1];
        state[1] ^= state[2];
        state[0] ^= state[3];
        state[2] ^= shifted;
        state[3] = state[3].rotate_left(45);
        result
    }

    /// A number below `end` (0 when `end` is 0), by multiplication: the bias is far below what a test could see.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// Nanoseconds within an inclusive range.
    pub(crate) fn within(&mut self, range: (Duration, Duration)) -> u64 {
        let (least, most) = (range.0.as_nanos() as u64, range.1.as_nanos() as u64);
        least + self.below(most.saturating_sub(least) + 1)
    }

    /// True as often as `chance` says.
    pub(crate) fn chance(&mut self, chance: f64) -> bool {
        // 53 bits are what an f64 holds exactly.
        chance > 0.0 && ((self.next() >> 11) as f64) < chance * (1u64 << 53) as f64
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Scatters all bits of `value` over all bits of the result.
pub(crate) fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}
