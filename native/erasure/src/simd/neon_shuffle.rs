//! The kernel for NEON by table look-ups of 16 nibbles at once; the counterpart of `avx2_shuffle`, and built with the same feature.

use std::arch::aarch64::{
    uint8x16_t, uint8x16x2_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vld1q_u8_x2, vqtbl1q_u8, vshrq_n_u8, vst1q_u8_x2,
};

use crate::galois::{NIBBLE_PRODUCTS, NibbleProducts};
use crate::matrix::Row;

/// Two registers: two independent chains for each output.
const STEP_BYTES: usize = 32;
/// Outputs in one pass: 6 times 2 sums, 4 registers of nibbles, 2 tables and a mask fit the 32 registers.
const GROUP_OUTPUTS: usize = 6;

/// See `simd`. All outputs have one length, and no input is longer.
#[target_feature(enable = "neon")]
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

#[target_feature(enable = "neon")]
fn multiply_group<const OUTPUTS: usize>(rows: &[Row], inputs: &[&[u8]], mut outputs: [&mut [u8]; OUTPUTS]) {
    let length = outputs.first().map_or(0, |output| output.len());
    let nibble_mask = vdupq_n_u8(0x0f);
    for start in (0..length).step_by(STEP_BYTES) {
        let mut sums = [[vdupq_n_u8(0); 2]; OUTPUTS];
        for (n, input) in inputs.iter().enumerate() {
            let nibbles = load(input, start).map(|bytes| [vandq_u8(bytes, nibble_mask), vshrq_n_u8::<4>(bytes)]);
            for (sums, row) in sums.iter_mut().zip(rows) {
                let [low_table, high_table] = tables(&NIBBLE_PRODUCTS[usize::from(row[n])]);
                for (sum, [low, high]) in sums.iter_mut().zip(nibbles) {
                    let product = veorq_u8(vqtbl1q_u8(low_table, low), vqtbl1q_u8(high_table, high));
                    *sum = veorq_u8(*sum, product);
                }
            }
        }
        for (output, sums) in outputs.iter_mut().zip(sums) {
            store(output, start, sums);
        }
    }
}

/// Both tables of a coefficient.
#[target_feature(enable = "neon")]
fn tables(products: &NibbleProducts) -> [uint8x16_t; 2] {
    let [low, high] = products;
    // SAFETY: each reference makes 16 bytes readable, and the loads need no alignment.
    unsafe { [vld1q_u8(low.as_ptr()), vld1q_u8(high.as_ptr())] }
}

/// The step of `shard` at `start`, with zeros for what lies behind its end.
#[target_feature(enable = "neon")]
fn load(shard: &[u8], start: usize) -> [uint8x16_t; 2] {
    let rest = shard.get(start..).unwrap_or_default();
    let mut extended = [0; STEP_BYTES];
    let bytes = rest.first_chunk::<STEP_BYTES>().unwrap_or_else(|| {
        extended.iter_mut().zip(rest).for_each(|(target, byte)| *target = *byte);
        &extended
    });
    // SAFETY: the reference makes 32 bytes, two registers, readable; the load needs no alignment.
    let uint8x16x2_t(first, second) = unsafe { vld1q_u8_x2(bytes.as_ptr()) };
    [first, second]
}

/// Writes the step to `shard` at `start`, as far as `shard` goes.
#[target_feature(enable = "neon")]
fn store(shard: &mut [u8], start: usize, [first, second]: [uint8x16_t; 2]) {
    let rest = shard.get_mut(start..).unwrap_or_default();
    let mut extended = [0; STEP_BYTES];
    let whole = rest.first_chunk_mut::<STEP_BYTES>();
    let is_whole = whole.is_some();
    let target = whole.unwrap_or(&mut extended);
    // SAFETY: the reference lends 32 bytes, two registers, for writing; the store needs no alignment.
    unsafe { vst1q_u8_x2(target.as_mut_ptr(), uint8x16x2_t(first, second)) };
    if !is_whole {
        rest.iter_mut().zip(extended).for_each(|(target, byte)| *target = byte);
    }
}
