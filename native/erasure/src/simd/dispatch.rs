//! Chooses the kernel for this processor.
//!
//! Kernels only come from `detect` and `available`, so holding one proves that its instructions exist.

#[cfg(all(target_arch = "x86_64", feature = "shuffle"))]
use super::avx2_shuffle;
#[cfg(all(target_arch = "aarch64", feature = "shuffle"))]
use super::neon_shuffle;
#[cfg(target_arch = "x86_64")]
use super::{avx2_gfni, avx512_gfni};
use super::{doubling, scalar};
use crate::matrix::Row;
use std::fmt;

/// See `simd`. To be called only on processors that have the instructions.
type Multiply = unsafe fn(&[Row], &[&[u8]], &mut [&mut [u8]]);

/// A kernel with what it needs.
struct Entry {
    name: &'static str,
    /// Cheap: the standard library caches what the processor said.
    is_supported: fn() -> bool,
    multiply: Multiply,
}

/// What the doubling kernel becomes with the instructions that every processor of the architecture has.
const DOUBLING_NAME: &str = if cfg!(target_arch = "x86_64") {
    "sse2"
} else if cfg!(target_arch = "aarch64") {
    "neon"
} else {
    "doubling"
};

/// Slowest first.
static KERNELS: &[Entry] = &[
    Entry {
        name: "scalar",
        is_supported: || true,
        multiply: scalar::multiply,
    },
    Entry {
        name: DOUBLING_NAME,
        is_supported: || true,
        multiply: doubling::multiply,
    },
    #[cfg(all(target_arch = "aarch64", feature = "shuffle"))]
    Entry {
        name: "neon shuffle",
        is_supported: || std::arch::is_aarch64_feature_detected!("neon"),
        multiply: neon_shuffle::multiply,
    },
    #[cfg(target_arch = "x86_64")]
    Entry {
        name: "avx2",
        is_supported: || is_x86_feature_detected!("avx2"),
        multiply: doubling::multiply_avx2,
    },
    #[cfg(all(target_arch = "x86_64", feature = "shuffle"))]
    Entry {
        name: "avx2 shuffle",
        is_supported: || is_x86_feature_detected!("avx2"),
        multiply: avx2_shuffle::multiply,
    },
    #[cfg(target_arch = "x86_64")]
    Entry {
        name: "avx2+gfni",
        is_supported: || is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni"),
        multiply: avx2_gfni::multiply,
    },
    #[cfg(target_arch = "x86_64")]
    Entry {
        name: "avx512+gfni",
        is_supported: || is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("gfni"),
        multiply: avx512_gfni::multiply,
    },
];

/// A way to multiply shards by a matrix that this processor can run.
#[derive(Clone, Copy)]
pub struct Kernel(&'static Entry);

impl Kernel {
    /// The fastest kernel here.
    pub fn detect() -> Self {
        let fastest = KERNELS.iter().rev().find(|entry| (entry.is_supported)());
        Self(fastest.unwrap_or(&KERNELS[0]))
    }

    /// All kernels that can run here, slowest first. The first is the scalar one, the oracle of the others.
    pub fn available() -> Vec<Self> {
        KERNELS.iter().filter(|entry| (entry.is_supported)()).map(Self).collect()
    }

    /// A short name for logs and benchmarks.
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// See `simd`. All outputs have one length, and no input is longer.
    pub(crate) fn multiply(self, rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        // SAFETY: kernels are only made of entries that said that this processor has their instructions.
        unsafe { (self.0.multiply)(rows, inputs, outputs) }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kernel({})", self.0.name)
    }
}

/// The name of the kernel that codes use here.
pub fn kernel_name() -> &'static str {
    Kernel::detect().name()
}
