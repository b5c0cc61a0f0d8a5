//! CRC-32 and CRC-32C, the two that older S3 clients send. Nothing that OpenLake stores depends on them.

use crate::polynomial::{CRC32, CRC32C, Polynomial};
use crate::simd::dispatch::Kernel;

/// A CRC-32 (ISO-HDLC, as in zlib and Ethernet) over bytes that arrive in pieces. That of `123456789` is `0xcbf43926`.
#[derive(Clone, Copy, Debug)]
pub struct Crc32(State);

/// A CRC-32C (Castagnoli, as in iSCSI) over bytes that arrive in pieces. That of `123456789` is `0xe3069283`.
#[derive(Clone, Copy, Debug)]
pub struct Crc32c(State);

#[derive(Clone, Copy, Debug)]
struct State {
    remainder: u64,
    kernel: Kernel,
}

impl State {
    fn new(polynomial: &Polynomial, kernel: Kernel) -> Self {
        Self {
            remainder: polynomial.all_ones(),
            kernel,
        }
    }

    fn update(&mut self, polynomial: &'static Polynomial, bytes: &[u8]) {
        self.remainder = self.kernel.update(polynomial, self.remainder, bytes);
    }

    fn finish(self, polynomial: &Polynomial) -> u32 {
        // A 32-bit polynomial leaves the upper half zero, so nothing is cut off.
        (self.remainder ^ polynomial.all_ones()) as u32
    }
}

macro_rules! crc32_methods {
    ($name:ident, $polynomial:ident) => {
        impl $name {
            /// The checksum of no bytes yet.
            pub fn new() -> Self {
                Self::with_kernel(Kernel::detect())
            }

            /// As `new`, with a given kernel instead of the fastest; for tests and benchmarks.
            pub fn with_kernel(kernel: Kernel) -> Self {
                Self(State::new(&$polynomial, kernel))
            }

            /// Appends `bytes` to what was seen so far.
            pub fn update(&mut self, bytes: &[u8]) {
                self.0.update(&$polynomial, bytes);
            }

            /// The checksum of all bytes seen so far; more may follow.
            pub fn finish(&self) -> u32 {
                self.0.finish(&$polynomial)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}

crc32_methods!(Crc32, CRC32);
crc32_methods!(Crc32c, CRC32C);
