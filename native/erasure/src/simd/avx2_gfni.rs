//! The kernel for AVX2 with GFNI, for processors without AVX-512: one affine instruction multiplies 32 bytes by a coefficient.
//!
//! Up to four outputs are summed in registers in one pass over the inputs, 64 bytes at a time.

use std::arch::x86_64::{_mm256_gf2p8affine_epi64_epi8, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_xor_si256};

use super::avx2_step::{STEP_BYTES, load, store};
use crate::galois::AFFINE;
use crate::matrix::{MAX_SHARDS, Row};

/// Outputs in one pass: 4 times 2 sums, 2 inputs and a matrix fit the 16 registers.
const GROUP_OUTPUTS: usize = 4;

/// See `simd`. All outputs have one length, and no input is longer.
#[target_feature(enable = "avx2,gfni")]
pub(super) fn multiply(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (rows, outputs) in rows.chunks(GROUP_OUTPUTS).zip(outputs.chunks_mut(GROUP_OUTPUTS)) {
        match outputs {
            [a] => multiply_group(rows, inputs, [a]),
            [a, b] => multiply_group(rows, inputs, [a, b]),
            [a, b, c] => multiply_group(rows, inputs, [a, b, c]),
            [a, b, c, d] => multiply_group(rows, inputs, [a, b, c, d]),
            _ => unreachable!("chunks of {GROUP_OUTPUTS} outputs hold {}", outputs.len()),
        }
    }
}

#[target_feature(enable = "avx2,gfni")]
fn multiply_group<const OUTPUTS: usize>(rows: &[Row], inputs: &[&[u8]], mut outputs: [&mut [u8]; OUTPUTS]) {
    let mut matrices = [[0; OUTPUTS]; MAX_SHARDS];
    for (n, matrices) in matrices.iter_mut().take(inputs.len()).enumerate() {
        for (matrix, row) in matrices.iter_mut().zip(rows) {
            *matrix = AFFINE[usize::from(row[n])];
        }
    }
    let length = outputs.first().map_or(0, |output| output.len());
    for start in (0..length).step_by(STEP_BYTES) {
        let mut sums = [[_mm256_setzero_si256(); 2]; OUTPUTS];
        for (input, matrices) in inputs.iter().zip(&matrices) {
            let bytes = load(input, start);
            for (sums, matrix) in sums.iter_mut().zip(matrices) {
                let matrix = _mm256_set1_epi64x(matrix.cast_signed());
                for (sum, bytes) in sums.iter_mut().zip(bytes) {
                    *sum = _mm256_xor_si256(*sum, _mm256_gf2p8affine_epi64_epi8::<0>(bytes, matrix));
                }
            }
        }
        for (output, sums) in outputs.iter_mut().zip(sums) {
            store(output, start, sums);
        }
    }
}
