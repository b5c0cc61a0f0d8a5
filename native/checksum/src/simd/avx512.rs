//! CRC by folding with 512-bit carry-less multiplication: four registers of four 16-byte blocks at a time. See `polynomial`
//! for the arithmetic.

use std::arch::x86_64::{
    __m512i, _mm_cvtsi64_si128, _mm_set_epi64x, _mm512_broadcast_i32x4, _mm512_clmulepi64_epi128, _mm512_extracti32x4_epi32,
    _mm512_loadu_si512, _mm512_setzero_si512, _mm512_ternarylogic_epi64, _mm512_xor_si512, _mm512_zextsi128_si512,
};

use super::{pclmul, scalar};
use crate::polynomial::{FoldPair, Polynomial};

/// One register.
const REGISTER_BYTES: usize = 64;
/// Four registers: enough independent chains to hide the latency of a multiplication.
const GROUP_BYTES: usize = 4 * REGISTER_BYTES;

/// The remainder after `bytes`, when it was `state` before them.
#[target_feature(enable = "avx512f,vpclmulqdq,sse2,pclmulqdq")]
pub(super) fn update(polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
    let Some((first, _)) = bytes.split_first_chunk::<REGISTER_BYTES>() else {
        return scalar::update(polynomial, state, bytes);
    };
    let start = _mm512_zextsi128_si512(_mm_cvtsi64_si128(state.cast_signed()));
    let (groups, group_tail) = bytes.as_chunks::<GROUP_BYTES>();
    let (mut register, rest) = match groups.split_first() {
        None => (
            _mm512_xor_si512(load(first), start),
            bytes.get(REGISTER_BYTES..).unwrap_or_default(),
        ),
        Some((first, groups)) => (fold_groups(polynomial, start, first, groups), group_tail),
    };
    let by_register = multipliers(&polynomial.fold_64);
    let (blocks, tail) = rest.as_chunks::<REGISTER_BYTES>();
    for block in blocks {
        register = fold(register, by_register, load(block));
    }
    let lanes = [
        _mm512_extracti32x4_epi32::<0>(register),
        _mm512_extracti32x4_epi32::<1>(register),
        _mm512_extracti32x4_epi32::<2>(register),
        _mm512_extracti32x4_epi32::<3>(register),
    ];
    pclmul::finish(polynomial, lanes, tail)
}

/// Folds whole groups into one register that has their remainder; `start` is added to the first register.
#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold_groups(polynomial: &Polynomial, start: __m512i, first: &[u8; GROUP_BYTES], groups: &[[u8; GROUP_BYTES]]) -> __m512i {
    let by_group = multipliers(&polynomial.fold_256);
    let mut registers = load_group(first);
    registers[0] = _mm512_xor_si512(registers[0], start);
    for group in groups {
        let next = load_group(group);
        for (register, block) in registers.iter_mut().zip(next) {
            *register = fold(*register, by_group, block);
        }
    }
    let by_register = multipliers(&polynomial.fold_64);
    let [first, others @ ..] = registers;
    let mut register = first;
    for next in others {
        register = fold(register, by_register, next);
    }
    register
}

#[target_feature(enable = "avx512f,vpclmulqdq")]
fn fold(register: __m512i, multipliers: __m512i, next: __m512i) -> __m512i {
    let low = _mm512_clmulepi64_epi128::<0x00>(register, multipliers);
    let high = _mm512_clmulepi64_epi128::<0x11>(register, multipliers);
    // 0x96 is the truth table of a three-way exclusive or.
    _mm512_ternarylogic_epi64::<0x96>(low, high, next)
}

#[target_feature(enable = "avx512f")]
fn multipliers(pair: &FoldPair) -> __m512i {
    _mm512_broadcast_i32x4(_mm_set_epi64x(pair[1].cast_signed(), pair[0].cast_signed()))
}

#[target_feature(enable = "avx512f")]
fn load_group(group: &[u8; GROUP_BYTES]) -> [__m512i; 4] {
    let mut registers = [_mm512_setzero_si512(); 4];
    for (register, block) in registers.iter_mut().zip(group.as_chunks::<REGISTER_BYTES>().0) {
        *register = load(block);
    }
    registers
}

#[target_feature(enable = "avx512f")]
fn load(block: &[u8; REGISTER_BYTES]) -> __m512i {
    // SAFETY: the reference makes 64 bytes readable, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(block.as_ptr().cast()) }
}
