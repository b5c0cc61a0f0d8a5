//! The loops over bytes, one file for each way to multiply; `scalar` is the oracle of the others. The only unsafe
//! code of the crate is in here.
//!
//! All compute the same: `outputs[r][b] = sum over n of rows[r][n] * inputs[n][b]`, where an input that ends before b counts as zero.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2_gfni;
#[cfg(all(target_arch = "x86_64", feature = "shuffle"))]
#[allow(unsafe_code)]
mod avx2_shuffle;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2_step;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512_gfni;
#[allow(unsafe_code)]
pub(crate) mod dispatch;
mod doubling;
#[cfg(all(target_arch = "aarch64", feature = "shuffle"))]
#[allow(unsafe_code)]
mod neon_shuffle;
mod scalar;
