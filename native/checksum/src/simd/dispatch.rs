//! Chooses the CRC kernel for this processor.
//!
//! Kernels only come from `detect` and `available`, so holding one proves that its instructions exist.

use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::{avx512, pclmul};
use crate::polynomial::Polynomial;

/// A way to compute CRCs that this processor can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Pclmul,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Kind {
    /// Slowest first.
    const ALL: &[Self] = &[
        Self::Scalar,
        #[cfg(target_arch = "x86_64")]
        Self::Pclmul,
        #[cfg(target_arch = "x86_64")]
        Self::Avx512,
    ];

    /// Cheap: the standard library caches what the processor said.
    fn is_supported(self) -> bool {
        match self {
            Self::Scalar => true,
            #[cfg(target_arch = "x86_64")]
            Self::Pclmul => is_x86_feature_detected!("pclmulqdq"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                is_x86_feature_detected!("pclmulqdq") && is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("vpclmulqdq")
            }
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
            Kind::Pclmul => "pclmulqdq",
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => "avx512+vpclmulqdq",
        }
    }

    /// The remainder after `bytes`, when it was `state` before them.
    pub(crate) fn update(self, polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
        match self.0 {
            Kind::Scalar => scalar::update(polynomial, state, bytes),
            // SAFETY: a kernel of this kind is only made after pclmulqdq was seen; sse2 is part of x86-64.
            #[cfg(target_arch = "x86_64")]
            Kind::Pclmul => unsafe { pclmul::update(polynomial, state, bytes) },
            // SAFETY: a kernel of this kind is only made after pclmulqdq, avx512f and vpclmulqdq were seen.
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512 => unsafe { avx512::update(polynomial, state, bytes) },
        }
    }
}

/// The name of the kernel that the checksums use here.
pub fn kernel_name() -> &'static str {
    Kernel::detect().name()
}
