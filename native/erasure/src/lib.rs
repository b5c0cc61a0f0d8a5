//! Reed-Solomon over GF(2^8): k data shards and m parity shards, any k of which give all the others back.
//!
//! Read `matrix` first: it defines the bytes on disk. `code` is the interface, `galois` the field, `simd` the loops over bytes, with a
//! kernel for each instruction set, chosen at run time.

#![deny(unsafe_code, missing_docs)]

mod code;
mod error;
mod galois;
mod matrix;
mod simd;

pub use code::Code;
pub use error::ErasureError;
pub use matrix::MAX_SHARDS;
pub use simd::dispatch::{Kernel, kernel_name};
