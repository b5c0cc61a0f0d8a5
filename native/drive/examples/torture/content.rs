//! What a version of a key holds: everything follows from the two numbers.

use bytes::Bytes;
use openlake_drive::{Coding, Key, Space};

/// Keys in use: few, so that they are overwritten all the time; TORTURE_KEYS asks for more, to fill a drive.
pub fn keys() -> u64 {
    std::env::var("TORTURE_KEYS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(3_000)
}
pub const BLOCK_SHIFT: u8 = 16;
/// Above this a shard is staged in bulk space.
pub const INLINE_LIMIT_BYTES: usize = 64 << 10;

/// A mixed 64-bit number (the finalizer of SplitMix64).
pub fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}

pub fn key(number: u64) -> Key {
    Key {
        bucket: 1,
        space: Space::Object,
        name: format!("key-{number:05}").into(),
    }
}

/// The number in a key's name.
pub fn number_of(name: &[u8]) -> Option<u64> {
    std::str::from_utf8(name).ok()?.strip_prefix("key-")?.parse().ok()
}

pub fn coding() -> Coding {
    Coding {
        data: 1,
        parity: 0,
        block_shift: BLOCK_SHIFT,
        whole: true,
        manifest: false,
    }
}

/// The payload of a version: mostly small ones, some that fill a log record, some bulk.
pub fn payload(key: u64, version: u64) -> Bytes {
    let seed = mix(key << 40 ^ version);
    let length = match seed % 20 {
        0 => 70_000 + seed as usize / 64 % 400_000,
        1..=3 => 4_000 + seed as usize / 64 % 60_000,
        _ => 1 + seed as usize / 64 % 3_000,
    };
    let mut bytes = Vec::with_capacity(length + 8);
    let mut word = seed;
    while bytes.len() < length {
        word = word.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        bytes.extend_from_slice(&mix(word).to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}
