//! Chooses the kernel for this processor.
//!
//! Kernels only come from `detect` and `available`, so holding one proves that its instructions exist.

use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::matrix::Row;

/// A way to multiply shards by a matrix that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kind {
    /// Slowest first.
    const ALL: &[Self] = &[
        Self::Scalar,
        #[cfg(target_arch = "x86_64")]
        Self::Avx2,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
    ];

    /// Cheap: the standard library caches what the processor said.
    fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("gfni"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("gfni"),
        }
    }
}

impl Kernel {
    /// The fastest kernel here.
    pub fn detect() -> Self {
        let fastest = Kind::ALL.iter().rev().find(|kind| kind.is_supported());
        Self(fastest.copied().unwrap_or(Kind::Scalar))
    }

    /// All kernels that can run here, slowest first. The first is the scalar one, the oracle of the others.
    pub fn available() -> Vec<Self> {
        Kind::ALL
            .iter()
            .filter(|kind| kind.is_supported())
            .map(|kind| Self(*kind))
            .collect()
    }

    /// A short name for logs and benchmarks.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Kind::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => "avx2+gfni",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512+gfni",
        }
    }

    /// See `simd`. All outputs have one length, and no input is longer.
    pub(crate) fn multiply(self, rows: &[Row], inputs: &[&[u8]], outputs: &mut [&mut [u8]]) {
        match self.0 {
            Kind::Scalar => scalar::multiply(rows, inputs, outputs),
            // SAFETY: a kernel of this kind is only made after avx2 and gfni were seen.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2 => unsafe { avx2::multiply(rows, inputs, outputs) },
            // SAFETY: a kernel of this kind is only made after avx512f, avx512bw and gfni were seen.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::multiply(rows, inputs, outputs) },
        }
    }
}

/// The name of the kernel that codes use here.
pub fn kernel_name() -> &'static str {
    Kernel::detect().name()
}
