//! Values that describe themselves: every byte of a body follows from the value's number and the byte's position, so that any
//! range of any body can be judged alone. The number also travels in the metadata, thus a head names its value too.

use crate::linearizability::Value;
use crate::random::mix;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_object::{Body, BodyError, Finish, Metadata};

/// The metadata pair that names the value.
const VALUE_HEADER: &str = "x-amz-meta-value";

/// Bytes `offset..offset + length` of a value's body.
pub fn content(value: Value, offset: u64, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 16);
    let mut word = offset / 8;
    let skip = (offset % 8) as usize;
    while bytes.len() < length + skip {
        bytes.extend_from_slice(&mix(mix(value).wrapping_add(word)).to_le_bytes());
        word += 1;
    }
    bytes.drain(..skip);
    bytes.truncate(length);
    bytes
}

/// The position of the first byte of `bytes` (which stand at `offset`) that is not the value's.
pub fn first_wrong_byte(value: Value, offset: u64, bytes: &[u8]) -> Option<u64> {
    let expected = content(value, offset, bytes.len());
    let wrong = expected.iter().zip(bytes).position(|(expected, found)| expected != found)?;
    Some(offset + wrong as u64)
}

/// The ETag that a value is written under: as unique as the value.
pub fn etag(value: Value) -> [u8; 16] {
    let mut etag = [0; 16];
    etag[..8].copy_from_slice(&value.to_be_bytes());
    etag[8..].copy_from_slice(&mix(value).to_be_bytes());
    etag
}

/// The metadata that a value is written with.
pub fn metadata(value: Value) -> Metadata {
    Metadata {
        pairs: vec![
            ("content-type".into(), "application/x-value".into()),
            (VALUE_HEADER.into(), value.to_string()),
        ],
    }
}

/// The value that metadata names.
pub fn value_of(metadata: &Metadata) -> Option<Value> {
    metadata.get(VALUE_HEADER)?.parse().ok()
}

/// A body that arrives in pieces; it may break off or turn out wrong at its end.
pub struct ValueBody {
    value: Value,
    length: u64,
    position: u64,
    piece_bytes: u64,
    /// At this position the client fails instead of going on.
    breaks_at: Option<u64>,
}

impl ValueBody {
    /// The whole body of a value, in pieces of `piece_bytes`.
    pub fn new(value: Value, length: u64, piece_bytes: u64) -> ValueBody {
        ValueBody {
            value,
            length,
            position: 0,
            piece_bytes: piece_bytes.max(1),
            breaks_at: None,
        }
    }
    /// The same, but the client fails once `position` is reached (its end included: a wrong digest).
    pub fn breaking_at(mut self, position: u64) -> ValueBody {
        self.breaks_at = Some(position.min(self.length));
        self
    }
}

impl Body for ValueBody {
    fn length(&self) -> u64 {
        self.length
    }

    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        let result = if self.breaks_at.is_some_and(|position| self.position >= position) {
            Err(BodyError {
                code: "IncompleteBody",
                message: format!("the simulated client stops at byte {}", self.position),
            })
        } else {
            let limit = self.breaks_at.unwrap_or(self.length);
            let length = self.piece_bytes.min(limit - self.position);
            let bytes = content(self.value, self.position, length as usize);
            self.position += length;
            Ok((length > 0).then(|| Bytes::from(bytes)))
        };
        async move { result }.boxed_local()
    }

    fn finish(&mut self) -> Finish {
        Finish {
            etag: etag(self.value),
            metadata: metadata(self.value).encode(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_range_of_a_body_equals_that_range_of_the_whole() {
        let whole = content(7, 0, 1000);
        for (offset, length) in [(0, 0), (1, 7), (8, 16), (13, 500), (999, 1)] {
            assert_eq!(content(7, offset as u64, length), whole[offset..offset + length]);
        }
        assert_eq!(first_wrong_byte(7, 100, &whole[100..200]), None);
        let mut wrong = whole[100..200].to_vec();
        wrong[30] ^= 1;
        assert_eq!(first_wrong_byte(7, 100, &wrong), Some(130));
        assert!(first_wrong_byte(8, 0, &whole).is_some());
    }

    #[test]
    fn metadata_names_its_value() {
        assert_eq!(value_of(&Metadata::decode(&metadata(42).encode())), Some(42));
        assert_eq!(value_of(&Metadata::default()), None);
    }
}
