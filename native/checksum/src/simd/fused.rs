//! MD5 and SHA-256 of up to four messages in one pass: while the SHA instructions of one step wait for each other, the processor computes
//! the MD5 of all four in the lanes of 128-bit registers, on units that are idle otherwise. So MD5 costs next to nothing beside SHA-256.
//!
//! Registers stay 128 bits wide on purpose: the SHA instructions know no wider ones, and some processors slow down where both are mixed.

use super::md5::BLOCK_BYTES;

/// Messages at once.
pub(crate) const LANES: usize = 4;

/// One message: both states and its blocks.
pub(crate) type Lane<'a> = (&'a mut [u32; 4], &'a mut [u32; 8], &'a [[u8; BLOCK_BYTES]]);

/// Whether this processor has the kernel.
pub(crate) fn is_supported() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") && super::sha256::is_supported();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Compresses the next blocks of one to [`LANES`] messages into their states, as many as the shortest has; false (and nothing done)
/// without the kernel.
pub(crate) fn compress(lanes: &mut [Lane<'_>]) -> bool {
    if !is_supported() || lanes.is_empty() || lanes.len() > LANES {
        return false;
    }
    #[cfg(target_arch = "x86_64")]
    {
        let count = lanes.iter().map(|(_, _, blocks)| blocks.len()).min().unwrap_or(0);
        // Lanes without a message compute on the first one's, for nobody.
        let (mut md5, mut sha256) = ([[0; 4]; LANES], [[0; 8]; LANES]);
        let mut messages = [&lanes[0].2[..count]; LANES];
        for (lane, (own_md5, own_sha256, blocks)) in lanes.iter().enumerate() {
            (md5[lane], sha256[lane]) = (**own_md5, **own_sha256);
            messages[lane] = &blocks[..count];
        }
        // SAFETY: the instructions were seen above.
        unsafe {
            match lanes.len() {
                1 | 2 => avx512::compress_two(&mut md5, &mut sha256, &messages, count),
                _ => avx512::compress_four(&mut md5, &mut sha256, &messages, count),
            }
        }
        for (lane, (own_md5, own_sha256, _)) in lanes.iter_mut().enumerate() {
            (**own_md5, **own_sha256) = (md5[lane], sha256[lane]);
        }
    }
    true
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::{BLOCK_BYTES, LANES};
    use crate::simd::md5::{FUNCTIONS, ROTATIONS, SINES, word_of};
    use crate::simd::sha256::sha::Lane;
    use std::arch::asm;
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_loadu_si128, _mm_rol_epi32, _mm_set1_epi32, _mm_setzero_si128, _mm_storeu_si128,
        _mm_ternarylogic_epi32, _mm_unpackhi_epi32, _mm_unpackhi_epi64, _mm_unpacklo_epi32, _mm_unpacklo_epi64,
    };

    /// One step of MD5 in all lanes: a = b + rotl(a + f(b, c, d) + word + sine).
    #[target_feature(enable = "avx512f,avx512vl")]
    fn step<const FUNCTION: i32, const ROTATE: i32>(state: &mut [__m128i; 4], word: __m128i, sine: u32) {
        let [a, b, c, d] = *state;
        let addend = _mm_add_epi32(a, _mm_add_epi32(word, _mm_set1_epi32(sine.cast_signed())));
        let sum = _mm_add_epi32(addend, _mm_ternarylogic_epi32::<FUNCTION>(b, c, d));
        // The roles move on by one word.
        *state = [d, _mm_add_epi32(b, _mm_rol_epi32::<ROTATE>(sum)), b, c];
    }

    /// Steps of MD5 by number.
    macro_rules! steps {
        ($state:ident, $words:ident, $($step:expr),*) => {$({
            const STEP: usize = $step;
            step::<{ FUNCTIONS[STEP / 16] }, { ROTATIONS[STEP / 16][STEP % 4] }>(&mut $state, $words[word_of(STEP)], SINES[STEP]);
        })*};
    }

    /// All rounds of SHA-256 on a block of two messages, four at a time, with some steps of MD5 behind each four.
    macro_rules! rounds {
        ($pair:ident, $state:ident, $words:ident, |$quad:ident| [$($step:expr),*]) => {
            rounds!(@each $pair, $state, $words, $quad, [$($step),*], 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)
        };
        (@each $pair:ident, $state:ident, $words:ident, $quad:ident, $steps:tt, $($number:literal)*) => {$({
            const $quad: usize = $number;
            for lane in &mut $pair {
                if $quad >= 4 {
                    lane.extend::<$quad>();
                }
                lane.four_rounds::<$quad>();
            }
            rounds!(@steps $state, $words, $steps);
            keep_order(&mut $state, &mut $pair);
        })*};
        (@steps $state:ident, $words:ident, [$($step:expr),*]) => { steps!($state, $words, $($step),*) };
    }

    /// Makes the compiler leave what was written before this in front of what follows: it would otherwise put all of SHA-256 in front of
    /// all of MD5, too far apart for the processor to see both.
    #[target_feature(enable = "sha,sse4.1,avx512f,avx512vl")]
    fn keep_order(state: &mut [__m128i; 4], pair: &mut [Lane; 2]) {
        let [one, other] = pair;
        // SAFETY: no instruction at all; the operands stay what they are.
        unsafe {
            asm!(
                "/* {0:x} {1} {2} */",
                inout(zmm_reg) state[1],
                inout(xmm_reg) one.abef,
                inout(xmm_reg) other.abef,
                options(nomem, nostack, preserves_flags)
            );
        }
    }

    /// Compresses `count` blocks of the first two messages.
    #[target_feature(enable = "sha,sse4.1,avx512f,avx512vl")]
    pub(super) fn compress_two(
        md5: &mut [[u32; 4]; LANES],
        sha256: &mut [[u32; 8]; LANES],
        messages: &[&[[u8; BLOCK_BYTES]]; LANES],
        count: usize,
    ) {
        let mut state = transposed([load(&md5[0]), load(&md5[1]), load(&md5[2]), load(&md5[3])]);
        let mut pair = [Lane::new(&sha256[0]), Lane::new(&sha256[1])];
        for index in 0..count {
            let words = words(messages, index);
            let (md5_before, before) = (state, pair);
            pair[0].take_block(&messages[0][index]);
            pair[1].take_block(&messages[1][index]);
            rounds!(pair, state, words, |Q| [4 * Q, 4 * Q + 1, 4 * Q + 2, 4 * Q + 3]);
            pair[0].add(&before[0]);
            pair[1].add(&before[1]);
            add(&mut state, md5_before);
        }
        pair[0].store(&mut sha256[0]);
        pair[1].store(&mut sha256[1]);
        store(md5, state);
    }

    /// Compresses `count` blocks of four messages: half of the steps of MD5 beside each pair's rounds of SHA-256.
    #[target_feature(enable = "sha,sse4.1,avx512f,avx512vl")]
    pub(super) fn compress_four(
        md5: &mut [[u32; 4]; LANES],
        sha256: &mut [[u32; 8]; LANES],
        messages: &[&[[u8; BLOCK_BYTES]]; LANES],
        count: usize,
    ) {
        let mut state = transposed([load(&md5[0]), load(&md5[1]), load(&md5[2]), load(&md5[3])]);
        let mut pair = [Lane::new(&sha256[0]), Lane::new(&sha256[1])];
        let mut other = [Lane::new(&sha256[2]), Lane::new(&sha256[3])];
        for index in 0..count {
            let words = words(messages, index);
            let (md5_before, before, other_before) = (state, pair, other);
            pair[0].take_block(&messages[0][index]);
            pair[1].take_block(&messages[1][index]);
            rounds!(pair, state, words, |Q| [2 * Q, 2 * Q + 1]);
            pair[0].add(&before[0]);
            pair[1].add(&before[1]);
            other[0].take_block(&messages[2][index]);
            other[1].take_block(&messages[3][index]);
            rounds!(other, state, words, |Q| [32 + 2 * Q, 32 + 2 * Q + 1]);
            other[0].add(&other_before[0]);
            other[1].add(&other_before[1]);
            add(&mut state, md5_before);
        }
        pair[0].store(&mut sha256[0]);
        pair[1].store(&mut sha256[1]);
        other[0].store(&mut sha256[2]);
        other[1].store(&mut sha256[3]);
        store(md5, state);
    }

    #[target_feature(enable = "sse2")]
    fn add(state: &mut [__m128i; 4], before: [__m128i; 4]) {
        for (register, before) in state.iter_mut().zip(before) {
            *register = _mm_add_epi32(*register, before);
        }
    }

    /// Word w of block `index` of all messages in register w.
    #[target_feature(enable = "sse2")]
    fn words(messages: &[&[[u8; BLOCK_BYTES]]; LANES], index: usize) -> [__m128i; 16] {
        let mut words = [_mm_setzero_si128(); 16];
        for (quarter, target) in words.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let row = |lane: usize| {
                let bytes = &messages[lane][index].as_chunks::<16>().0[quarter];
                // SAFETY: the reference makes 16 bytes readable, and the load needs no alignment.
                unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
            };
            *target = transposed([row(0), row(1), row(2), row(3)]);
        }
        words
    }

    /// Rows and columns of a square of words exchanged.
    #[target_feature(enable = "sse2")]
    fn transposed(rows: [__m128i; 4]) -> [__m128i; 4] {
        let [a, b, c, d] = rows;
        let (ab, cd) = (_mm_unpacklo_epi32(a, b), _mm_unpacklo_epi32(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_epi32(a, b), _mm_unpackhi_epi32(c, d));
        [
            _mm_unpacklo_epi64(ab, cd),
            _mm_unpackhi_epi64(ab, cd),
            _mm_unpacklo_epi64(ab_high, cd_high),
            _mm_unpackhi_epi64(ab_high, cd_high),
        ]
    }

    fn load(words: &[u32; 4]) -> __m128i {
        // SAFETY: four words are the 16 bytes that are read; the load needs no alignment, and sse2 is part of x86-64.
        unsafe { _mm_loadu_si128(words.as_ptr().cast()) }
    }

    #[target_feature(enable = "sse2")]
    fn store(md5: &mut [[u32; 4]; LANES], state: [__m128i; 4]) {
        for (words, row) in md5.iter_mut().zip(transposed(state)) {
            // SAFETY: four words are the 16 bytes that are written; the store needs no alignment.
            unsafe { _mm_storeu_si128(words.as_mut_ptr().cast(), row) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::block_api::compress as compress_md5;
    use proptest::prelude::*;
    use sha2::block_api::compress256;

    proptest! {
        #[test]
        fn messages_side_by_side_end_as_each_alone(
            starts in proptest::collection::vec(any::<([u32; 4], [u32; 8])>(), 1..=LANES),
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            shift in 0..70usize,
        ) {
            if !is_supported() {
                return Ok(());
            }
            let message = |lane: usize| bytes.get(lane * shift..).unwrap_or_default().as_chunks::<BLOCK_BYTES>().0;
            let mut states = starts.clone();
            let mut lanes: Vec<Lane<'_>> =
                states.iter_mut().enumerate().map(|(lane, (md5, sha256))| (md5, sha256, message(lane))).collect();
            prop_assert!(compress(&mut lanes));
            let count = message(starts.len() - 1).len();
            for (lane, (mut md5, mut sha256)) in starts.into_iter().enumerate() {
                compress_md5(&mut md5, &message(lane)[..count]);
                compress256(&mut sha256, &message(lane)[..count]);
                prop_assert_eq!(states[lane], (md5, sha256));
            }
        }
    }
}
