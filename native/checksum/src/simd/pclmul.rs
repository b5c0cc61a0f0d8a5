//! CRC by folding with 128-bit carry-less multiplication: four 16-byte blocks at a time. See `polynomial` for the arithmetic.

use std::arch::x86_64::{
    __m128i, _mm_clmulepi64_si128, _mm_cvtsi64_si128, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128, _mm_storeu_si128, _mm_xor_si128,
};

use super::scalar;
use crate::polynomial::{FoldPair, Polynomial};

/// Bytes that start the four lanes; shorter input goes to the tables.
const START_BYTES: usize = 64;

/// The remainder after `bytes`, when it was `state` before them.
#[target_feature(enable = "sse2,pclmulqdq")]
pub(super) fn update(polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
    let (groups, tail) = bytes.as_chunks::<START_BYTES>();
    let Some((first, groups)) = groups.split_first() else {
        return scalar::update(polynomial, state, bytes);
    };
    let mut lanes = load_lanes(first);
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi64_si128(state.cast_signed()));
    let multipliers = multipliers(&polynomial.fold_64);
    for group in groups {
        let next = load_lanes(group);
        for (lane, block) in lanes.iter_mut().zip(next) {
            *lane = fold(*lane, multipliers, block);
        }
    }
    finish(polynomial, lanes, tail)
}

/// Joins four neighbouring blocks, folds the rest of the message into them and reduces to a remainder.
#[target_feature(enable = "sse2,pclmulqdq")]
pub(super) fn finish(polynomial: &Polynomial, lanes: [__m128i; 4], rest: &[u8]) -> u64 {
    let multipliers = multipliers(&polynomial.fold_16);
    let [first, others @ ..] = lanes;
    let mut block = first;
    for next in others {
        block = fold(block, multipliers, next);
    }
    let (blocks, tail) = rest.as_chunks::<16>();
    for next in blocks {
        block = fold(block, multipliers, load(next));
    }
    // What is left is 16 bytes with the same remainder as the whole message up to the tail.
    let remainder = scalar::update(polynomial, 0, &store(block));
    scalar::update(polynomial, remainder, tail)
}

#[target_feature(enable = "sse2,pclmulqdq")]
fn fold(block: __m128i, multipliers: __m128i, next: __m128i) -> __m128i {
    let low = _mm_clmulepi64_si128::<0x00>(block, multipliers);
    let high = _mm_clmulepi64_si128::<0x11>(block, multipliers);
    _mm_xor_si128(_mm_xor_si128(low, high), next)
}

#[target_feature(enable = "sse2")]
fn multipliers(pair: &FoldPair) -> __m128i {
    _mm_set_epi64x(pair[1].cast_signed(), pair[0].cast_signed())
}

#[target_feature(enable = "sse2")]
fn load_lanes(group: &[u8; START_BYTES]) -> [__m128i; 4] {
    let mut lanes = [_mm_setzero_si128(); 4];
    for (lane, block) in lanes.iter_mut().zip(group.as_chunks::<16>().0) {
        *lane = load(block);
    }
    lanes
}

#[target_feature(enable = "sse2")]
fn load(block: &[u8; 16]) -> __m128i {
    // SAFETY: the reference makes 16 bytes readable, and the load needs no alignment.
    unsafe { _mm_loadu_si128(block.as_ptr().cast()) }
}

#[target_feature(enable = "sse2")]
fn store(block: __m128i) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is a local of exactly 16 bytes, and the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), block) };
    bytes
}
