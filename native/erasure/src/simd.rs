//! The loops over bytes, one file for each instruction set; `scalar` is the oracle of the others. The only unsafe
//! code of the crate is in here.
//!
//! All compute the same: `outputs[r][b] = sum over n of rows[r][n] * inputs[n][b]`, where an input that ends before b counts as zero.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
#[allow(unsafe_code)]
pub(crate) mod dispatch;
mod scalar;
