//! The kernel for processors without an instruction that multiplies bytes: nothing but doublings and exclusive or, so it becomes
//! vector code of whatever width its caller enables.
//!
//! A coefficient c is the sum of the powers x^b of its set bits, so an output is, by Horner's rule,
//!
//! ```text
//!     (((sum of inputs with bit 7) * x + sum of inputs with bit 6) * x + ...) * x + sum of inputs with bit 0
//! ```
//!
//! Seven doublings for an output, however many inputs it has, and as many additions as its coefficients have ones. No table is looked up
//! anywhere. The doubling of many bytes at once is that of Anvin, "The mathematics of RAID-6", 2004.

use crate::galois::POLYNOMIAL;
use crate::matrix::{MAX_SHARDS, Row};

/// Bytes whose sum is kept in registers: four of AVX2, eight of SSE2 or NEON.
const STEP_BYTES: usize = 128;
/// Bits of a coefficient.
const BITS: usize = 8;

/// The bytes of one step of one shard.
type Step = [u8; STEP_BYTES];

/// Which inputs are added between the doublings of one output.
struct Plan {
    /// Inputs with bit 7, then those with bit 6, down to bit 0.
    inputs: [u8; BITS * MAX_SHARDS],
    /// Where in `inputs` those of the n-th highest bit end.
    ends: [u16; BITS],
}

impl Plan {
    fn new(row: &Row, inputs: usize) -> Plan {
        let mut plan = Plan {
            inputs: [0; BITS * MAX_SHARDS],
            ends: [0; BITS],
        };
        let mut end = 0;
        for (bit, plan_end) in (0..BITS).rev().zip(&mut plan.ends) {
            for (input, coefficient) in (0..).zip(row.iter().take(inputs)) {
                if coefficient >> bit & 1 == 1 {
                    plan.inputs[usize::from(end)] = input;
                    end += 1;
                }
            }
            *plan_end = end;
        }
        plan
    }

    /// The output's bytes of one step.
    #[inline(always)]
    fn sum(&self, steps: &[&Step; MAX_SHARDS]) -> Step {
        let mut sum = [0; STEP_BYTES];
        let mut begin = 0;
        for end in self.ends {
            if begin > 0 {
                double(&mut sum);
            }
            for input in self.inputs.get(begin..usize::from(end)).unwrap_or_default() {
                let step = steps[usize::from(*input) % MAX_SHARDS];
                sum.iter_mut().zip(step).for_each(|(sum, byte)| *sum ^= byte);
            }
            begin = usize::from(end);
        }
        sum
    }
}

/// Multiplies each byte by x: a shift to the left, and the polynomial for the bit that falls out, chosen by a mask instead of a branch.
#[inline(always)]
fn double(step: &mut Step) {
    for byte in step {
        let mask = if byte.cast_signed() < 0 { 0xff } else { 0 };
        *byte = (*byte << 1) ^ (mask & POLYNOMIAL);
    }
}

/// See `simd`; with the instructions that every processor of this architecture has (SSE2, NEON).
pub(super) fn multiply(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    multiply_steps(rows, inputs, outputs);
}

/// As `multiply`, with registers of 32 bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub(super) fn multiply_avx2(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    multiply_steps(rows, inputs, outputs);
}

#[inline(always)]
fn multiply_steps(rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
    let plans: Vec<Plan> = rows.iter().map(|row| Plan::new(row, inputs.len())).collect();
    let length = outputs.first().map_or(0, |output| output.len());
    // Copies, extended with zeros, of the inputs that end inside of a step.
    let mut extended = [[0; STEP_BYTES]; MAX_SHARDS];
    for start in (0..length).step_by(STEP_BYTES) {
        let mut steps = [&[0; STEP_BYTES]; MAX_SHARDS];
        for ((step, input), extended) in steps.iter_mut().zip(inputs).zip(&mut extended) {
            let rest = input.get(start..).unwrap_or_default();
            *step = rest.first_chunk().unwrap_or_else(|| {
                extended.fill(0);
                extended.iter_mut().zip(rest).for_each(|(target, byte)| *target = *byte);
                extended
            });
        }
        for (plan, output) in plans.iter().zip(outputs.iter_mut()) {
            let sum = plan.sum(&steps);
            let rest = output.get_mut(start..).unwrap_or_default();
            match rest.first_chunk_mut::<STEP_BYTES>() {
                Some(whole) => *whole = sum,
                None => rest.iter_mut().zip(sum).for_each(|(target, byte)| *target = byte),
            }
        }
    }
}
