//! Chooses the CRC kernel for this processor.
//!
//! Kernels only come from `detect` and `available`, so holding one proves that its instructions exist. (The erasure code's kernels are
//! chosen the same way by a table of their own: only these few lines are alike, and what they call is not.)

#[cfg(target_arch = "aarch64")]
use super::pmull;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx512, pclmul};
use crate::polynomial::Polynomial;
use std::fmt;

/// The remainder after some bytes, when it was the given state before them. To be called only on processors that have the instructions.
type Update = unsafe fn(&Polynomial, u64, &[u8]) -> u64;

/// A kernel with what it needs.
struct Entry {
    name: &'static str,
    /// Cheap: the standard library caches what the processor said.
    is_supported: fn() -> bool,
    update: Update,
}

/// Slowest first.
static KERNELS: &[Entry] = &[
    Entry {
        name: "scalar",
        is_supported: || true,
        update: scalar::update,
    },
    #[cfg(target_arch = "aarch64")]
    Entry {
        name: "pmull",
        is_supported: || std::arch::is_aarch64_feature_detected!("neon") && std::arch::is_aarch64_feature_detected!("aes"),
        update: pmull::update,
    },
    #[cfg(target_arch = "x86_64")]
    Entry {
        name: "pclmulqdq",
        // sse2 is part of x86-64.
        is_supported: || is_x86_feature_detected!("pclmulqdq"),
        update: pclmul::update,
    },
    #[cfg(target_arch = "x86_64")]
    Entry {
        name: "avx512+vpclmulqdq",
        is_supported: || {
            is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vpclmulqdq")
        },
        update: avx512::update,
    },
];

/// A way to compute CRCs that this processor can run.
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

    /// The remainder after `bytes`, when it was `state` before them.
    pub(crate) fn update(self, polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
        // SAFETY: kernels are only made of entries that said that this processor has their instructions.
        unsafe { (self.0.update)(polynomial, state, bytes) }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Kernel({})", self.0.name)
    }
}

/// The name of the kernel that the checksums use here.
pub fn kernel_name() -> &'static str {
    Kernel::detect().name()
}
