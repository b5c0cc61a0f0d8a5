//! Bodies that prove themselves: the bytes follow from (seed, key number, version), so a reader can tell the right body of a
//! version from any other without having kept it.
//!
//! ```text
//! bytes 0..8    version, little-endian (bodies of 16 bytes and more)
//! rest          64-bit words w(i) = mix(start + i * GOLDEN), little-endian, start = mix(seed ^ mix(key) ^ version)
//! ```
//! `mix` is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's finaliser.
pub fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(GOLDEN);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// Where a body's words start.
fn start(seed: u64, key: u64, version: u64) -> u64 {
    mix(seed ^ mix(key) ^ version.rotate_left(32))
}

/// The body of a version of a key.
pub fn body(seed: u64, key: u64, version: u64, size_bytes: u64) -> Vec<u8> {
    let size = size_bytes as usize;
    let mut bytes = Vec::with_capacity(size + 8);
    let start = start(seed, key, version);
    let mut index = 0u64;
    while bytes.len() < size {
        let word = if index == 0 && size >= 16 {
            version
        } else {
            mix(start.wrapping_add(index.wrapping_mul(GOLDEN)))
        };
        bytes.extend_from_slice(&word.to_le_bytes());
        index += 1;
    }
    bytes.truncate(size);
    bytes
}

/// Checks a whole body: the version it carries (bodies under 16 bytes carry none: `versions` are tried), or what is wrong with it.
pub fn verify(seed: u64, key: u64, bytes: &[u8], size_bytes: u64, versions: std::ops::RangeInclusive<u64>) -> Result<u64, String> {
    if bytes.len() as u64 != size_bytes {
        return Err(format!("key {key}: {} bytes came back, expected {size_bytes}", bytes.len()));
    }
    if size_bytes < 16 {
        return versions
            .clone()
            .rev()
            .find(|version| body(seed, key, *version, size_bytes) == bytes)
            .ok_or_else(|| format!("key {key}: its {size_bytes} bytes are those of no version in {versions:?}"));
    }
    let version = bytes.first_chunk::<8>().map_or(0, |word| u64::from_le_bytes(*word));
    if !versions.contains(&version) {
        return Err(format!("key {key}: version {version} came back, expected one of {versions:?}"));
    }
    let expected = body(seed, key, version, size_bytes);
    match expected.iter().zip(bytes).position(|(left, right)| left != right) {
        None => Ok(version),
        Some(offset) => Err(format!(
            "key {key} version {version}: byte {offset} is {}, expected {}",
            bytes[offset], expected[offset]
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_body_verifies_and_any_flipped_byte_does_not(seed: u64, key: u64, version in 1u64..100, size in 16u64..5000, at: prop::sample::Index) {
            let mut bytes = body(seed, key, version, size);
            prop_assert_eq!(bytes.len() as u64, size);
            prop_assert_eq!(verify(seed, key, &bytes, size, 1..=100), Ok(version));
            let at = at.index(bytes.len());
            bytes[at] ^= 0x40;
            prop_assert!(verify(seed, key, &bytes, size, 1..=100).is_err());
        }
    }

    #[test]
    fn a_stale_version_is_told() {
        let bytes = body(1, 2, 3, 4096);
        assert!(verify(1, 2, &bytes, 4096, 4..=5).unwrap_err().contains("version 3"));
    }
}
