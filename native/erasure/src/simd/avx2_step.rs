//! The bytes of one step of a shard in AVX2 registers, for the kernels that keep their sums there.
//!
//! Where a shard ends inside of a step, the step works on a copy extended with zeros, as AVX2 has no masked loads of bytes.

use std::arch::x86_64::{__m256i, _mm256_loadu_si256, _mm256_storeu_si256};

/// Two registers: two independent chains for each output.
pub(super) const STEP_BYTES: usize = 64;

/// The bytes of one step of one shard.
pub(super) type Step = [__m256i; 2];

/// The step of `shard` at `start`, with zeros for what lies behind its end.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(shard: &[u8], start: usize) -> Step {
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
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(shard: &mut [u8], start: usize, step: Step) {
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

#[inline]
#[target_feature(enable = "avx2")]
fn load_whole(bytes: &[u8; STEP_BYTES]) -> Step {
    let place: *const __m256i = bytes.as_ptr().cast();
    // SAFETY: the reference makes 64 bytes, two registers, readable; the loads need no alignment.
    unsafe { [_mm256_loadu_si256(place), _mm256_loadu_si256(place.add(1))] }
}

#[inline]
#[target_feature(enable = "avx2")]
fn store_whole(bytes: &mut [u8; STEP_BYTES], step: Step) {
    let place: *mut __m256i = bytes.as_mut_ptr().cast();
    // SAFETY: the reference lends 64 bytes, two registers, for writing; the stores need no alignment.
    unsafe {
        _mm256_storeu_si256(place, step[0]);
        _mm256_storeu_si256(place.add(1), step[1]);
    }
}
