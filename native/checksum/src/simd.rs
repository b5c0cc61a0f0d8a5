//! CRC kernels, one file for each instruction set; `scalar` is the oracle of the others. Digests of several messages at once. The only
//! unsafe code of the crate is in here.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx512;
#[allow(unsafe_code)]
pub(crate) mod dispatch;
#[allow(unsafe_code)]
pub(crate) mod fused;
#[allow(unsafe_code)]
pub(crate) mod md5;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod pclmul;
#[cfg(target_arch = "aarch64")]
#[allow(unsafe_code)]
mod pmull;
mod scalar;
#[allow(unsafe_code)]
pub(crate) mod sha256;
