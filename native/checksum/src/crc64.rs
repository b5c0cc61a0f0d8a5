//! CRC-64/NVME, the checksum of every block, record, frame and page that OpenLake writes.
//!
//! It finds random damage (all bursts up to 64 bits, any other with a chance of 2^-64 to miss), joins (see `combine`), and is what S3
//! itself uses by default. It does not stop a malicious writer.

use crate::polynomial::CRC64_NVME;
use crate::simd::dispatch::Kernel;

/// A CRC-64/NVME over bytes that arrive in pieces.
#[derive(Clone, Copy, Debug)]
pub struct Crc64 {
    state: u64,
    kernel: Kernel,
}

impl Crc64 {
    /// The checksum of no bytes yet.
    pub fn new() -> Self {
        Self::with_kernel(Kernel::detect())
    }

    /// As `new`, with a given kernel instead of the fastest; for tests and benchmarks.
    pub fn with_kernel(kernel: Kernel) -> Self {
        Self {
            state: CRC64_NVME.all_ones(),
            kernel,
        }
    }

    /// Appends `bytes` to what was seen so far.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state = self.kernel.update(&CRC64_NVME, self.state, bytes);
    }

    /// The checksum of all bytes seen so far; more may follow.
    pub fn finish(&self) -> u64 {
        self.state ^ CRC64_NVME.all_ones()
    }
}

impl Default for Crc64 {
    fn default() -> Self {
        Self::new()
    }
}

/// CRC-64/NVME of `bytes`. That of `123456789` is `0xae8b14860a799888`.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.finish()
}

/// CRC-64/NVME of the 8 little-endian bytes of `seed` followed by `bytes`.
///
/// The seed binds a checksum to its place or owner (a drive's salt, a segment's generation): the same bytes found elsewhere fail it,
/// always, as different seeds of the same bytes never give the same checksum. To bind more than 8 bytes, feed them to `Crc64` first.
pub fn crc64_seeded(seed: u64, bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(&seed.to_le_bytes());
    crc.update(bytes);
    crc.finish()
}
