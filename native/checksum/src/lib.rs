//! Checksums and digests: CRC-64/NVME, which guards every byte OpenLake stores and sends, and the checksums that S3 clients ask for.
//!
//! The three CRCs share one engine: `polynomial` derives tables and folding constants from a generator polynomial at compile time,
//! `simd` runs them with the fastest carry-less multiplication the processor has. The cryptographic digests wrap RustCrypto, which
//! finds the SHA instructions at run time by itself.

#![deny(unsafe_code, missing_docs)]
#![deny(unsafe_op_in_unsafe_fn, clippy::undocumented_unsafe_blocks)]

pub mod algorithm;
pub mod base64;
mod combine;
mod crc32;
mod crc64;
mod lane_stream;
mod lanes;
pub mod md5;
mod polynomial;
pub mod sha1;
pub mod sha256;
mod simd;

pub use algorithm::{Algorithm, Hasher};
pub use combine::{combine, combine_crc32, combine_crc32c};
pub use crc32::{Crc32, Crc32c};
pub use crc64::{Crc64, crc64, crc64_seeded};
pub use lanes::{DigestLanes, LaneDigest, LaneDigests};
pub use simd::dispatch::{Kernel, kernel_name};
