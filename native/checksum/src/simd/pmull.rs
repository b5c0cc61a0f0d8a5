//! CRC by folding with ARM's 64-bit carry-less multiplication: four 16-byte blocks at a time. See `polynomial` for the arithmetic, and
//! `pclmul` for the same on x86-64.

use std::arch::aarch64::{
    uint64x2_t, vcombine_u64, vcreate_u64, veorq_u64, vgetq_lane_u64, vld1q_u8, vmull_p64, vreinterpretq_u8_u64, vreinterpretq_u64_p128,
    vreinterpretq_u64_u8, vst1q_u8,
};

use super::scalar;
use crate::polynomial::{FoldPair, Polynomial};

/// Bytes that start the four lanes; shorter input goes to the tables.
const START_BYTES: usize = 64;

/// The remainder after `bytes`, when it was `state` before them.
#[target_feature(enable = "neon,aes")]
pub(super) fn update(polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
    let (groups, tail) = bytes.as_chunks::<START_BYTES>();
    let Some((first, groups)) = groups.split_first() else {
        return scalar::update(polynomial, state, bytes);
    };
    let mut lanes = load_lanes(first);
    lanes[0] = veorq_u64(lanes[0], pair(&[state, 0]));
    for group in groups {
        let next = load_lanes(group);
        for (lane, block) in lanes.iter_mut().zip(next) {
            *lane = fold(*lane, &polynomial.fold_64, block);
        }
    }
    let [mut block, others @ ..] = lanes;
    for next in others {
        block = fold(block, &polynomial.fold_16, next);
    }
    let (blocks, tail) = tail.as_chunks::<16>();
    for next in blocks {
        block = fold(block, &polynomial.fold_16, load(next));
    }
    // What is left is 16 bytes with the same remainder as the whole message up to the tail.
    let remainder = scalar::update(polynomial, 0, &store(block));
    scalar::update(polynomial, remainder, tail)
}

#[target_feature(enable = "neon,aes")]
fn fold(block: uint64x2_t, multipliers: &FoldPair, next: uint64x2_t) -> uint64x2_t {
    let low = vreinterpretq_u64_p128(vmull_p64(vgetq_lane_u64::<0>(block), multipliers[0]));
    let high = vreinterpretq_u64_p128(vmull_p64(vgetq_lane_u64::<1>(block), multipliers[1]));
    veorq_u64(veorq_u64(low, high), next)
}

#[target_feature(enable = "neon")]
fn pair([low, high]: &FoldPair) -> uint64x2_t {
    vcombine_u64(vcreate_u64(*low), vcreate_u64(*high))
}

#[target_feature(enable = "neon")]
fn load_lanes(group: &[u8; START_BYTES]) -> [uint64x2_t; 4] {
    let mut lanes = [pair(&[0, 0]); 4];
    for (lane, block) in lanes.iter_mut().zip(group.as_chunks::<16>().0) {
        *lane = load(block);
    }
    lanes
}

#[target_feature(enable = "neon")]
fn load(block: &[u8; 16]) -> uint64x2_t {
    // SAFETY: the reference makes 16 bytes readable, and the load needs no alignment.
    vreinterpretq_u64_u8(unsafe { vld1q_u8(block.as_ptr()) })
}

#[target_feature(enable = "neon")]
fn store(block: uint64x2_t) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: `bytes` is a local of exactly 16 bytes, and the store needs no alignment.
    unsafe { vst1q_u8(bytes.as_mut_ptr(), vreinterpretq_u8_u64(block)) };
    bytes
}
