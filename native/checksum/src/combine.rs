//! The CRC of two pieces joined, from the CRCs of the pieces: how an object's checksum is had from its blocks', without
//! a second look at the bytes.
//!
//! Appending n bytes multiplies the first piece's polynomial by x^(8n), and remainders multiply alike. The starting and ending masks
//! cancel, because they are equal (Adler, zlib `crc32_combine`; here with precomputed powers instead of matrices).

use crate::polynomial::{CRC32, CRC32C, CRC64_NVME, Polynomial};

/// CRC-64/NVME of A followed by B, given `first` = crc64(A), `second` = crc64(B) and the length of B.
///
/// Costs one 64-step multiplication for each bit that is set in `second_length_bytes`: about 50 ns for a power of two.
pub fn combine(first: u64, second: u64, second_length_bytes: u64) -> u64 {
    combine_with(&CRC64_NVME, first, second, second_length_bytes)
}

/// CRC-32 of A followed by B; as `combine`. S3 needs it for full-object checksums of multipart uploads.
pub fn combine_crc32(first: u32, second: u32, second_length_bytes: u64) -> u32 {
    combine_with(&CRC32, u64::from(first), u64::from(second), second_length_bytes) as u32
}

/// CRC-32C of A followed by B; as `combine_crc32`.
pub fn combine_crc32c(first: u32, second: u32, second_length_bytes: u64) -> u32 {
    combine_with(&CRC32C, u64::from(first), u64::from(second), second_length_bytes) as u32
}

fn combine_with(polynomial: &Polynomial, first: u64, second: u64, second_length_bytes: u64) -> u64 {
    let mut shifted = first;
    for (n, byte_shift) in polynomial.byte_shifts.iter().enumerate() {
        if second_length_bytes >> n & 1 == 1 {
            shifted = polynomial.multiply(shifted, *byte_shift);
        }
    }
    shifted ^ second
}
