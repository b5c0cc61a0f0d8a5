//! Keys as the runs sort them: byte order is the order of keys.
//!
//! ```text
//!  bytes field
//!      8 bucket               big-endian
//!      1 space
//!        name
//! ```
//! Behind all keys of objects lie the special ones, of bucket u64::MAX, which no bucket bears. Their "space" says what they are:
//!
//! ```text
//!  bytes field
//!      8 u64::MAX
//!      1 kind                 1 bitmap of a bulk segment, 2 unsettled key
//!        1: segment number    4 bytes, big-endian
//!        2: the key           as above
//! ```

use crate::{Key, Space};
use bytes::Bytes;

const SPECIAL: [u8; 8] = [0xff; 8];
const BITMAP: u8 = 1;
const UNSETTLED: u8 = 2;

/// A key that is no object's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SpecialKey {
    /// Its value: the image of this bulk segment's bitmap.
    Bitmap(u32),
    /// This key's newest record was unmarked at a checkpoint; an empty value takes that back.
    Unsettled(Key),
}

/// The bytes of a key.
pub(crate) fn encode_key(key: &Key) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(9 + key.name.len());
    put_key(&mut bytes, key);
    bytes
}

/// Appends the bytes of a key.
pub(crate) fn put_key(bytes: &mut Vec<u8>, key: &Key) {
    bytes.extend_from_slice(&key.bucket.to_be_bytes());
    bytes.push(key.space as u8);
    bytes.extend_from_slice(&key.name);
}

/// The key of an object, upload or part; `None` for a special one and for bytes that are no key. The name is a copy.
pub(crate) fn decode_key(bytes: &[u8]) -> Option<Key> {
    if bytes.starts_with(&SPECIAL) {
        return None;
    }
    let (bucket, rest) = bytes.split_first_chunk::<8>()?;
    let (space, name) = rest.split_first()?;
    Some(Key {
        bucket: u64::from_be_bytes(*bucket),
        space: Space::from_byte(*space)?,
        name: Bytes::copy_from_slice(name),
    })
}

/// The name in a run key, if it is one of this bucket and space.
pub(crate) fn name_in(bytes: &[u8], bucket: u64, space: Space) -> Option<&[u8]> {
    bytes.strip_prefix(&bucket.to_be_bytes())?.strip_prefix(&[space as u8])
}

/// Whether a key is no object's; it lies behind all that are.
pub(crate) fn is_special(bytes: &[u8]) -> bool {
    bytes.starts_with(&SPECIAL)
}

/// Where the keys of this bucket and space that begin with `prefix` end.
pub(crate) fn range_end(bucket: u64, space: Space, prefix: &[u8]) -> Vec<u8> {
    let mut end = Vec::with_capacity(9 + prefix.len());
    end.extend_from_slice(&bucket.to_be_bytes());
    end.push(space as u8);
    end.extend_from_slice(prefix);
    // The space's byte is none of the highest, so this ends there at the latest.
    while end.pop_if(|last| *last == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// Where the special keys begin.
pub(crate) fn special_range_start() -> Vec<u8> {
    SPECIAL.to_vec()
}

/// The key of a bulk segment's bitmap.
pub(crate) fn bitmap_key(segment: u32) -> Vec<u8> {
    let mut bytes = special_range_start();
    bytes.push(BITMAP);
    bytes.extend_from_slice(&segment.to_be_bytes());
    bytes
}

/// The key that marks `key` as unsettled.
pub(crate) fn unsettled_key(key: &Key) -> Vec<u8> {
    let mut bytes = special_range_start();
    bytes.push(UNSETTLED);
    put_key(&mut bytes, key);
    bytes
}

/// What a special key means; `None` for any other.
pub(crate) fn decode_special_key(bytes: &[u8]) -> Option<SpecialKey> {
    let (kind, rest) = bytes.strip_prefix(&SPECIAL)?.split_first()?;
    match *kind {
        BITMAP => Some(SpecialKey::Bitmap(u32::from_be_bytes(rest.try_into().ok()?))),
        UNSETTLED => decode_key(rest).map(SpecialKey::Unsettled),
        _ => None,
    }
}
