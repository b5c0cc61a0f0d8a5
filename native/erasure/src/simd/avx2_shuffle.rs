//! The kernel for AVX2 without GFNI by shuffles, which look up 32 nibbles at once. Only built with the feature `shuffle`, as coding by
//! shuffled tables was the subject of litigation over patents; `doubling` is what such processors run without it.
//!
//! Multiplication is linear, so c * byte = c * (low nibble) + c * (high nibble * 16): two tables of 16 bytes for each coefficient. Source:
//! Plank, Greenan, Miller, "Screaming Fast Galois Field Arithmetic Using Intel SIMD Instructions", FAST 2013.

use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8,
    _mm256_srli_epi64, _mm256_xor_si256,
};

use super::avx2_step::{STEP_BYTES, load, store};
use crate::galois::{NIBBLE_PRODUCTS, NibbleProducts};
use crate::matrix::Row;

/// Outputs in one pass: 3 times 2 sums, 4 registers of nibbles, 2 tables and a mask fit the 16 registers.
const GROUP_OUTPUTS: usize = 3;

/// See `simd`. All outputs have one length, and no input is longer.
#[target_feature(enable = "avx2")]
pub(super) fn multiply(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (rows, outputs) in rows.chunks(GROUP_OUTPUTS).zip(outputs.chunks_mut(GROUP_OUTPUTS)) {
        match (rows, outputs) {
            ([a], [x]) => multiply_group([a], inputs, [x]),
            ([a, b], [x, y]) => multiply_group([a, b], inputs, [x, y]),
            ([a, b, c], [x, y, z]) => multiply_group([a, b, c], inputs, [x, y, z]),
            (rows, outputs) => unreachable!("{} rows and {} outputs in groups of {GROUP_OUTPUTS}", rows.len(), outputs.len()),
        }
    }
}

#[target_feature(enable = "avx2")]
fn multiply_group<const OUTPUTS: usize>(rows: [&Row; OUTPUTS], inputs: &[&[u8]], mut outputs: [&mut [u8]; OUTPUTS]) {
    let length = outputs.first().map_or(0, |output| output.len());
    let nibble_mask = _mm256_set1_epi8(0x0f);
    for start in (0..length).step_by(STEP_BYTES) {
        let mut sums = [[_mm256_setzero_si256(); 2]; OUTPUTS];
        for (n, input) in inputs.iter().enumerate() {
            let nibbles = load(input, start).map(|bytes| {
                [
                    _mm256_and_si256(bytes, nibble_mask),
                    _mm256_and_si256(_mm256_srli_epi64::<4>(bytes), nibble_mask),
                ]
            });
            for (sums, row) in sums.iter_mut().zip(rows) {
                let [low_table, high_table] = tables(&NIBBLE_PRODUCTS[usize::from(row[n])]);
                for (sum, [low, high]) in sums.iter_mut().zip(nibbles) {
                    let product = _mm256_xor_si256(_mm256_shuffle_epi8(low_table, low), _mm256_shuffle_epi8(high_table, high));
                    *sum = _mm256_xor_si256(*sum, product);
                }
            }
        }
        for (output, sums) in outputs.iter_mut().zip(sums) {
            store(output, start, sums);
        }
    }
}

/// Both tables of a coefficient, each in both halves of a register.
#[target_feature(enable = "avx2")]
fn tables(products: &NibbleProducts) -> [__m256i; 2] {
    let [low, high] = products;
    // SAFETY: each reference makes 16 bytes readable, and the loads need no alignment.
    let halves = unsafe { [_mm_loadu_si128(low.as_ptr().cast()), _mm_loadu_si128(high.as_ptr().cast())] };
    halves.map(|half| _mm256_broadcastsi128_si256(half))
}
