//! The code's bytes are pinned: shards on disk were written with them. A change here is a new format, never a fix.
//!
//! The expected bytes were computed from the formula in `matrix` by another program with logarithm tables.

use openlake_erasure::{Code, Kernel};

fn parity_of(kernel: Kernel, data: &[&[u8]], parity: u8) -> Vec<Vec<u8>> {
    let code = Code::with_kernel(data.len() as u8, parity, kernel).unwrap();
    let length = data.iter().map(|shard| shard.len()).max().unwrap_or(0);
    let mut shards = vec![vec![0xee; length]; usize::from(parity)];
    let mut outputs: Vec<&mut [u8]> = shards.iter_mut().map(Vec::as_mut_slice).collect();
    code.encode(data, &mut outputs).unwrap();
    shards
}

/// Data shards of which shard n has a one at position n and zeros elsewhere: their parity is the matrix itself.
fn unit_shards(data: usize) -> Vec<Vec<u8>> {
    (0..data).map(|n| (0..data).map(|column| u8::from(n == column)).collect()).collect()
}

#[test]
fn the_matrix_is_the_one_on_disk() {
    for kernel in Kernel::available() {
        let unit = unit_shards(8);
        let unit: Vec<&[u8]> = unit.iter().map(Vec::as_slice).collect();
        let expected: [[u8; 8]; 4] = [
            [0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01],
            [0x01, 0xe7, 0xfd, 0x02, 0xb7, 0xab, 0xe8, 0x5e],
            [0x01, 0xfd, 0xbe, 0x2c, 0x96, 0x27, 0x84, 0x9d],
            [0x01, 0x02, 0x2c, 0x58, 0xce, 0xc9, 0x2b, 0x2e],
        ];
        assert_eq!(parity_of(kernel, &unit, 4), expected, "{}", kernel.name());
    }
}

#[test]
fn the_matrix_goes_on_in_the_same_way_up_to_16_and_16() {
    for kernel in Kernel::available() {
        let unit = unit_shards(16);
        let unit: Vec<&[u8]> = unit.iter().map(Vec::as_slice).collect();
        let row_15 = [
            0x01, 0xca, 0x06, 0x71, 0x63, 0x7b, 0x1c, 0x77, 0xb4, 0xc7, 0x9a, 0x72, 0x12, 0x4a, 0xe9, 0xa1,
        ];
        assert_eq!(parity_of(kernel, &unit, 16)[15], row_15, "{}", kernel.name());
    }
}

#[test]
fn a_short_text_has_the_parity_on_disk() {
    let data: [&[u8]; 4] = [b"erasure ", b"coding o", b"f a shor", b"t one"];
    for kernel in Kernel::available() {
        let expected: [[u8; 8]; 3] = [
            [0x14, 0x1d, 0x0b, 0x54, 0x0d, 0x7d, 0x2a, 0x3d],
            [0x24, 0xce, 0x50, 0x3b, 0x64, 0xef, 0xc1, 0xe1],
            [0x35, 0xd0, 0x16, 0xbf, 0x35, 0xa7, 0xd5, 0x99],
        ];
        assert_eq!(parity_of(kernel, &data, 3), expected, "{}", kernel.name());
    }
}

#[test]
fn with_one_data_shard_every_parity_shard_is_a_copy() {
    for kernel in Kernel::available() {
        assert_eq!(parity_of(kernel, &[b"mirror"], 5), vec![b"mirror".to_vec(); 5], "{}", kernel.name());
    }
}
