//! CRC by tables, eight bytes a step: the oracle, the fallback, and the last few bytes of every other kernel.
//!
//! Source: Kounavis and Berry, "A Systematic Approach to Building High Performance Software-based CRC Generators", 2005 (slicing by 8).

use crate::polynomial::Polynomial;

/// The remainder after `bytes`, when it was `state` before them.
pub(super) fn update(polynomial: &Polynomial, state: u64, bytes: &[u8]) -> u64 {
    let (words, tail) = bytes.as_chunks::<8>();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &polynomial.tables;
    let mut remainder = state;
    for word in words {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = (u64::from_le_bytes(*word) ^ remainder).to_le_bytes().map(usize::from);
        remainder = t7[b0] ^ t6[b1] ^ t5[b2] ^ t4[b3] ^ t3[b4] ^ t2[b5] ^ t1[b6] ^ t0[b7];
    }
    for byte in tail {
        let index = (remainder as u8) ^ byte;
        remainder = (remainder >> 8) ^ t0[usize::from(index)];
    }
    remainder
}
