//! The kernel for AVX-512 with GFNI: one affine instruction multiplies 64 bytes by a coefficient.
//!
//! Up to six outputs are summed in registers in one pass over the inputs, so each input byte is read from memory once for six rows and
//! each output byte is written once. It takes 256 bytes at a time, so that a matrix once
//! loaded serves four registers. Columns in which some input has ended, and the last odd bytes, go through
//! masked loads and stores, which do not touch the bytes they mask out.

use std::arch::x86_64::{
    __m512i, __mmask64, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512, _mm512_xor_si512,
};

use crate::galois::AFFINE;
use crate::matrix::{MAX_SHARDS, Row};

/// One register.
const REGISTER_BYTES: usize = 64;
/// Registers of one step: independent chains for each output, which keep both vector ports busy.
const REGISTERS: usize = 4;
const STEP_BYTES: usize = REGISTERS * REGISTER_BYTES;
/// Outputs in one pass: 6 times 4 sums, 4 inputs and a matrix fit the 32 registers.
const GROUP_OUTPUTS: usize = 6;

/// See `simd`. All outputs have one length, and no input is longer.
#[target_feature(enable = "avx512f,avx512bw,gfni")]
pub(super) fn multiply(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    for (rows, outputs) in rows.chunks(GROUP_OUTPUTS).zip(outputs.chunks_mut(GROUP_OUTPUTS)) {
        match outputs {
            [a] => multiply_group(rows, inputs, [a]),
            [a, b] => multiply_group(rows, inputs, [a, b]),
            [a, b, c] => multiply_group(rows, inputs, [a, b, c]),
            [a, b, c, d] => multiply_group(rows, inputs, [a, b, c, d]),
            [a, b, c, d, e] => multiply_group(rows, inputs, [a, b, c, d, e]),
            [a, b, c, d, e, f] => multiply_group(rows, inputs, [a, b, c, d, e, f]),
            _ => unreachable!("chunks of {GROUP_OUTPUTS} outputs hold {}", outputs.len()),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn multiply_group<const OUTPUTS: usize>(rows: &[Row], inputs: &[&[u8]], outputs: [&mut [u8]; OUTPUTS]) {
    let mut matrices = [[0; OUTPUTS]; MAX_SHARDS];
    for (n, matrices) in matrices.iter_mut().take(inputs.len()).enumerate() {
        for (matrix, row) in matrices.iter_mut().zip(rows) {
            *matrix = AFFINE[usize::from(row[n])];
        }
    }
    let length = outputs.iter().map(|output| output.len()).min().unwrap_or(0);
    // Up to here every input and every output has all its bytes.
    let full = inputs.iter().map(|input| input.len()).min().unwrap_or(0).min(length);
    let full = full - full % STEP_BYTES;
    let outputs = outputs.map(|output| output.as_mut_ptr());

    for start in (0..full).step_by(STEP_BYTES) {
        let mut sums = [[_mm512_setzero_si512(); REGISTERS]; OUTPUTS];
        for (input, matrices) in inputs.iter().zip(&matrices) {
            let mut bytes = [_mm512_setzero_si512(); REGISTERS];
            for (n, register) in bytes.iter_mut().enumerate() {
                // SAFETY: start + one step <= full <= the length of this input, and the register lies in the step.
                *register = unsafe { _mm512_loadu_si512(input.as_ptr().add(start + n * REGISTER_BYTES).cast()) };
            }
            for (sums, matrix) in sums.iter_mut().zip(matrices) {
                let matrix = _mm512_set1_epi64(matrix.cast_signed());
                for (sum, bytes) in sums.iter_mut().zip(bytes) {
                    *sum = add_product(*sum, bytes, matrix);
                }
            }
        }
        for (output, sums) in outputs.iter().zip(sums) {
            for (n, sum) in sums.into_iter().enumerate() {
                // SAFETY: start + one step <= full <= the length of each output, which the caller lent for writing.
                unsafe { _mm512_storeu_si512(output.add(start + n * REGISTER_BYTES).cast(), sum) };
            }
        }
    }

    for start in (full..length).step_by(REGISTER_BYTES) {
        let mut sums = [_mm512_setzero_si512(); OUTPUTS];
        for (input, matrices) in inputs.iter().zip(&matrices) {
            let mask = mask_of(input.len().saturating_sub(start));
            if mask == 0 {
                continue;
            }
            // SAFETY: as the mask is not zero, start is inside of this input; the mask admits only its bytes, and no others are read.
            let bytes = unsafe { _mm512_maskz_loadu_epi8(mask, input.as_ptr().add(start).cast()) };
            for (sum, matrix) in sums.iter_mut().zip(matrices) {
                *sum = add_product(*sum, bytes, _mm512_set1_epi64(matrix.cast_signed()));
            }
        }
        let mask = mask_of(length - start);
        for (output, sum) in outputs.iter().zip(sums) {
            // SAFETY: start < length, which no output is shorter than; the mask admits only bytes before length, and no others are
            // written.
            unsafe { _mm512_mask_storeu_epi8(output.add(start).cast(), mask, sum) };
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,gfni")]
fn add_product(sum: __m512i, bytes: __m512i, matrix: __m512i) -> __m512i {
    _mm512_xor_si512(sum, _mm512_gf2p8affine_epi64_epi8::<0>(bytes, matrix))
}

/// Ones for the first `bytes` bytes of a register, at most all 64.
fn mask_of(bytes: usize) -> __mmask64 {
    if bytes >= REGISTER_BYTES { u64::MAX } else { (1 << bytes) - 1 }
}
