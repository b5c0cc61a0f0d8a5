//! Every CRC kernel agrees with long division, however the bytes are cut and wherever they lie.
//!
//! proptest prints a failing case and keeps its seed in `proptest-regressions`; `PROPTEST_RNG_SEED` replays a whole run.

use openlake_checksum::{Crc32, Crc32c, Crc64, Kernel, combine, combine_crc32, combine_crc32c};
use proptest::prelude::*;

/// The definition itself: polynomial division, bit by bit, with the reflected generator.
fn divide(bytes: &[u8], generator: u64, all_ones: u64) -> u64 {
    let mut remainder = all_ones;
    for byte in bytes {
        remainder ^= u64::from(*byte);
        for _ in 0..8 {
            remainder = if remainder & 1 == 1 {
                remainder >> 1 ^ generator
            } else {
                remainder >> 1
            };
        }
    }
    remainder ^ all_ones
}

/// CRC-64/NVME, CRC-32 and CRC-32C of the pieces joined.
fn all_crcs(kernel: Kernel, pieces: &[&[u8]]) -> (u64, u64, u64) {
    let mut crc64 = Crc64::with_kernel(kernel);
    let mut crc32 = Crc32::with_kernel(kernel);
    let mut crc32c = Crc32c::with_kernel(kernel);
    for piece in pieces {
        crc64.update(piece);
        crc32.update(piece);
        crc32c.update(piece);
    }
    (crc64.finish(), u64::from(crc32.finish()), u64::from(crc32c.finish()))
}

fn all_divided(bytes: &[u8]) -> (u64, u64, u64) {
    let ones32 = u64::from(u32::MAX);
    (
        divide(bytes, 0x9a6c_9329_ac4b_c9b5, u64::MAX),
        divide(bytes, 0xedb8_8320, ones32),
        divide(bytes, 0x82f6_3b78, ones32),
    )
}

#[test]
fn kernels_agree_with_division_at_every_length_up_to_some_groups() {
    let bytes: Vec<u8> = (0..1200_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for length in 0..bytes.len() {
        let content = &bytes[..length];
        let expected = all_divided(content);
        for kernel in Kernel::available() {
            assert_eq!(all_crcs(kernel, &[content]), expected, "{} of {length} bytes", kernel.name());
        }
    }
}

proptest! {
    #[test]
    fn kernels_agree_with_division_however_the_bytes_are_cut(
        bytes in prop::collection::vec(any::<u8>(), 0..6000),
        start in 0_usize..70,
        cut in any::<prop::sample::Index>(),
    ) {
        let content = bytes.get(start..).unwrap_or_default();
        let (first, second) = content.split_at(cut.index(content.len() + 1));
        let expected = all_divided(content);
        for kernel in Kernel::available() {
            prop_assert_eq!(all_crcs(kernel, &[first, second]), expected, "{}", kernel.name());
        }
    }

    #[test]
    fn combining_the_checksums_of_two_pieces_gives_that_of_both(
        first in prop::collection::vec(any::<u8>(), 0..3000),
        second in prop::collection::vec(any::<u8>(), 0..3000),
    ) {
        let of = |bytes: &[u8]| all_crcs(Kernel::detect(), &[bytes]);
        let ((a64, a32, a32c), (b64, b32, b32c)) = (of(&first), of(&second));
        let length_bytes = second.len() as u64;
        let combined = (
            combine(a64, b64, length_bytes),
            u64::from(combine_crc32(a32 as u32, b32 as u32, length_bytes)),
            u64::from(combine_crc32c(a32c as u32, b32c as u32, length_bytes)),
        );
        prop_assert_eq!(combined, all_divided(&[first, second].concat()));
    }

    #[test]
    fn combining_is_associative_for_any_length(
        [first, second, third] in any::<[u64; 3]>(),
        second_length_bytes in 0_u64..1 << 40,
        third_length_bytes in 0_u64..1 << 40,
    ) {
        let left = combine(combine(first, second, second_length_bytes), third, third_length_bytes);
        let right = combine(first, combine(second, third, third_length_bytes), second_length_bytes + third_length_bytes);
        prop_assert_eq!(left, right);
    }
}
