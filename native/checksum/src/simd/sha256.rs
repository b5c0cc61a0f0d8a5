//! SHA-256's compression function on two messages at once, by the SHA instructions of x86-64.
//!
//! Each of them waits for the one before it for longer than the processor needs to start another, so a second message fits in between.
//! Rounds and constants: FIPS 180-4 section 6.2; the order of the state's words in registers is that of the instructions.

/// Bytes of a block.
pub(crate) const BLOCK_BYTES: usize = 64;

/// Whether this processor has the kernel.
pub(crate) fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Compresses the next blocks of two messages into their states, as many as the shorter has; false (and nothing done) without the kernel.
pub(crate) fn compress_pair(states: [&mut [u32; 8]; 2], messages: [&[[u8; BLOCK_BYTES]]; 2]) -> bool {
    if !is_supported() {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the instructions were seen above.
    unsafe {
        sha::compress(states, messages);
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (states, messages);
    true
}

#[cfg(target_arch = "x86_64")]
pub(super) mod sha {
    use super::BLOCK_BYTES;
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_sha256msg1_epu32,
        _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32, _mm_storeu_si128,
    };

    /// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
    #[rustfmt::skip]
    const ROOTS: [u32; 64] = [
        0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5, 0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5,
        0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3, 0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174,
        0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc, 0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da,
        0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7, 0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967,
        0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13, 0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85,
        0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3, 0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070,
        0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5, 0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3,
        0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208, 0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2,
    ];

    /// One message: words a, b, e, f and c, d, g, h of its state (highest lane first), and the sixteen words that come next.
    #[derive(Clone, Copy)]
    pub(in crate::simd) struct Lane {
        pub(in crate::simd) abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    impl Lane {
        #[target_feature(enable = "sha,sse4.1")]
        pub(in crate::simd) fn new(state: &[u32; 8]) -> Lane {
            let [abcd, efgh] = [load(&state[..4]), load(&state[4..])];
            let cdab = _mm_shuffle_epi32::<0xb1>(abcd);
            let efgh = _mm_shuffle_epi32::<0x1b>(efgh);
            Lane {
                abef: _mm_alignr_epi8::<8>(cdab, efgh),
                cdgh: _mm_blend_epi16::<0xf0>(efgh, cdab),
                words: [abcd; 4],
            }
        }

        #[target_feature(enable = "sha,sse4.1")]
        pub(in crate::simd) fn store(&self, state: &mut [u32; 8]) {
            let feba = _mm_shuffle_epi32::<0x1b>(self.abef);
            let dchg = _mm_shuffle_epi32::<0xb1>(self.cdgh);
            let (abcd, efgh) = state.split_at_mut(4);
            store(abcd, _mm_blend_epi16::<0xf0>(feba, dchg));
            store(efgh, _mm_alignr_epi8::<8>(dchg, feba));
        }

        /// Words of a block, each with its highest byte first.
        #[target_feature(enable = "sha,sse4.1")]
        pub(in crate::simd) fn take_block(&mut self, block: &[u8; BLOCK_BYTES]) {
            let order = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
            for (word, bytes) in self.words.iter_mut().zip(block.as_chunks::<16>().0) {
                // SAFETY: the reference makes 16 bytes readable, and the load needs no alignment.
                *word = _mm_shuffle_epi8(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }, order);
            }
        }

        /// The words of the next four rounds in place of those of sixteen rounds before.
        #[target_feature(enable = "sha,sse4.1")]
        pub(in crate::simd) fn extend<const QUAD: usize>(&mut self) {
            let word = |ahead: usize| self.words[(QUAD + ahead) % 4];
            let (first, second, third, last) = (word(0), word(1), word(2), word(3));
            let sum = _mm_add_epi32(_mm_sha256msg1_epu32(first, second), _mm_alignr_epi8::<4>(last, third));
            self.words[QUAD % 4] = _mm_sha256msg2_epu32(sum, last);
        }

        #[target_feature(enable = "sha,sse4.1")]
        pub(in crate::simd) fn four_rounds<const QUAD: usize>(&mut self) {
            let sums = _mm_add_epi32(self.words[QUAD % 4], load(&ROOTS[4 * QUAD..4 * QUAD + 4]));
            self.cdgh = _mm_sha256rnds2_epu32(self.cdgh, self.abef, sums);
            self.abef = _mm_sha256rnds2_epu32(self.abef, self.cdgh, _mm_shuffle_epi32::<0x0e>(sums));
        }

        /// Ends a block: adds the state before it.
        #[target_feature(enable = "sse4.1")]
        pub(in crate::simd) fn add(&mut self, before: &Lane) {
            self.abef = _mm_add_epi32(self.abef, before.abef);
            self.cdgh = _mm_add_epi32(self.cdgh, before.cdgh);
        }
    }

    /// All rounds of a block, four at a time.
    macro_rules! rounds {
        ($lanes:ident, $($quad:literal)*) => {$(
            for lane in &mut $lanes {
                if $quad >= 4 {
                    lane.extend::<$quad>();
                }
                lane.four_rounds::<$quad>();
            }
        )*};
    }

    /// Compresses the blocks that both messages have.
    #[target_feature(enable = "sha,sse4.1")]
    pub(super) fn compress(states: [&mut [u32; 8]; 2], messages: [&[[u8; BLOCK_BYTES]]; 2]) {
        let [first, second] = states;
        let mut lanes = [Lane::new(first), Lane::new(second)];
        for (one, other) in messages[0].iter().zip(messages[1]) {
            let before = lanes;
            lanes[0].take_block(one);
            lanes[1].take_block(other);
            rounds!(lanes, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
            lanes[0].add(&before[0]);
            lanes[1].add(&before[1]);
        }
        lanes[0].store(first);
        lanes[1].store(second);
    }

    #[target_feature(enable = "sse4.1")]
    fn load(words: &[u32]) -> __m128i {
        assert!(words.len() >= 4);
        // SAFETY: four words are the 16 bytes that are read; the load needs no alignment.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse4.1")]
    fn store(words: &mut [u32], value: __m128i) {
        assert!(words.len() >= 4);
        // SAFETY: four words are the 16 bytes that are written; the store needs no alignment.
        unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), value) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::block_api::compress256;

    proptest! {
        #[test]
        fn a_pair_ends_as_each_alone(
            starts: [[u32; 8]; 2],
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            shift in 0..20usize,
        ) {
            if !is_supported() {
                return Ok(());
            }
            let one = bytes.as_chunks::<BLOCK_BYTES>().0;
            let other = bytes.get(shift..).unwrap_or_default().as_chunks::<BLOCK_BYTES>().0;
            let [mut first, mut second] = starts;
            prop_assert!(compress_pair([&mut first, &mut second], [one, other]));
            let [mut expected_first, mut expected_second] = starts;
            let count = one.len().min(other.len());
            compress256(&mut expected_first, &one[..count]);
            compress256(&mut expected_second, &other[..count]);
            prop_assert_eq!((first, second), (expected_first, expected_second));
        }
    }
}
