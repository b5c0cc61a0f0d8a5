//! The kernel for AVX2 with GFNI, for processors without AVX-512: one affine instruction multiplies 32 bytes by a coefficient.
//!
//! Up to four outputs are summed in registers in one pass over the inputs, 64 bytes at a time. Where an input or the outputs end inside of
//! such a step, the step works on copies extended with zeros, as AVX2 has no masked loads of bytes.

use std::arch::x86_64::{
    __m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_set1_epi64x, _mm256_setzero_si256, _mm256_storeu_si256,
    _mm256_xor_si256,
};

use crate::galois::AFFINE;
use crate::matrix::{MAX_SHARDS, Row};

/// Two registers: two independent chains for each output.
const STEP_BYTES: usize = 64;
/// Outputs in one pass: 4 times 2 sums, 2 inputs and a matrix fit the 16 registers.
const GROUP_OUTPUTS: usize = 4;

/// The bytes of one step of one shard.
type Step = [__m256i; 2];

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

/// The step of `shard` at `start`, with zeros for what lies behind its end.
#[target_feature(enable = "avx2")]
fn load(shard: &[u8], start: usize) -> Step {
    let rest = shard.get(start..).unwrap_or_default();
    match rest.first_chunk::<STEP_BYTES>() {
        Some(whole) => load_whole(whole),
        None => {
            let mut extended = [0; STEP_BYTES];
            for (target, byte) in extended.iter_mut().zip(rest) {
                *target = *byte;
            }
            load_whole(&extended)
        }
    }
}

/// Writes the step to `shard` at `start`, as far as `shard` goes.
#[target_feature(enable = "avx2")]
fn store(shard: &mut [u8], start: usize, step: Step) {
    let rest = shard.get_mut(start..).unwrap_or_default();
    match rest.first_chunk_mut::<STEP_BYTES>() {
        Some(whole) => store_whole(whole, step),
        None => {
            let mut extended = [0; STEP_BYTES];
            store_whole(&mut extended, step);
            for (target, byte) in rest.iter_mut().zip(extended) {
                *target = byte;
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn load_whole(bytes: &[u8; STEP_BYTES]) -> Step {
    let place: *const __m256i = bytes.as_ptr().cast();
    // SAFETY: the reference makes 64 bytes, two registers, readable; the loads need no alignment.
    unsafe { [_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1))] }
}

#[target_feature(enable = "avx2")]
fn store_whole(bytes: &mut [u8; STEP_BYTES], step: Step) {
    let place: *mut __m256i = bytes.as_mut_ptr().cast();
    // SAFETY: the reference lends 64 bytes, two registers, for writing; the stores need no alignment.
    unsafe {
        _mm256_storeu_si256(place, step[0]);
        _mm256_storeu_si256(place.add(1), step[1]);
    }
}
