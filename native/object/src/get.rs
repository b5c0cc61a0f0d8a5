//! GET and HEAD: decide a version once, then stream it.

use crate::StoreError;
use crate::body::ObjectBody;
use crate::core::Core;
use crate::locate::{Located, Need, locate};
use crate::manifest::Manifest;
use crate::metadata::Metadata;
use crate::operation::Operation;
use crate::part_reader::PartReader;
use crate::store::{ObjectInfo, Range};
use crate::stripe::BLOCK_SHIFT;
use crate::stripe_reader::StripeReader;
use crate::version::{ReadError, Version};
use bytes::{Bytes, BytesMut};
use openlake_drive::{Head, Key, Kind};
use openlake_peer::Fence;
use std::rc::Rc;

/// How often a GET starts again because its version was overwritten before the first byte.
const RESTARTS: u32 = 8;
/// Blocks of each shard asked for with the head: the first stripe, and the one after it.
const FIRST_BLOCKS: u32 = 2;

/// A head as the API shows it.
pub(crate) fn info_of(head: &Head) -> ObjectInfo {
    ObjectInfo {
        size: head.size,
        etag: head.etag,
        etag_parts: head.etag_parts,
        last_modified_ms: head.origin.time_ms(),
        metadata: Metadata::decode(&head.metadata),
        version: head.origin,
    }
}

/// The head of a live object.
pub(crate) async fn head(operation: &Rc<Operation>) -> Result<Head, StoreError> {
    match locate(operation, Need::Head).await? {
        Some(located) if located.head.kind == Kind::Data => Ok(located.head),
        _ => Err(StoreError::NoSuchKey),
    }
}

/// Bytes `first` and length of `range` in an object of `size` bytes.
pub(crate) fn resolve(range: Option<Range>, size: u64) -> Result<(u64, u64), StoreError> {
    let (first, last) = match range {
        None => return Ok((0, size)),
        Some(Range::FromTo(first, last)) => (first, last.min(size.saturating_sub(1))),
        Some(Range::From(first)) => (first, size.saturating_sub(1)),
        Some(Range::Last(length)) if length > 0 => (size.saturating_sub(length), size.saturating_sub(1)),
        Some(Range::Last(_)) => return Err(StoreError::InvalidRange { size }),
    };
    if first >= size || last < first {
        return Err(StoreError::InvalidRange { size });
    }
    Ok((first, last - first + 1))
}

/// Head and body of a live object.
pub(crate) async fn get(
    core: &Rc<Core>,
    key: Key,
    fence: Option<Fence>,
    range: Option<Range>,
) -> Result<(Head, u64, u64, ObjectBody), StoreError> {
    for _ in 0..RESTARTS {
        let operation = Operation::new(core, key.clone(), fence)?;
        let need = first_blocks(&operation, range);
        let located = match locate(&operation, need).await? {
            Some(located) if located.head.kind == Kind::Data => located,
            _ => return Err(StoreError::NoSuchKey),
        };
        let head = located.head.clone();
        let (first, length) = resolve(range, head.size)?;
        if length == 0 {
            return Ok((head, first, length, ObjectBody::empty()));
        }
        let body = if head.coding.manifest {
            open_parts(&operation, located, first, length).await
        } else {
            StripeReader::open(Version::new(&operation, located), first, length)
                .await
                .map(ObjectBody::of_stripes)
        };
        match body {
            Ok(body) => return Ok((head, first, length, body)),
            Err(ReadError::Vanished) => {}
            Err(ReadError::Failed(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable(format!(
        "read: the object was overwritten {RESTARTS} times while it was being opened"
    )))
}

/// Head of a multipart object, and where part `number` lies in it: (first, length). `None` where the object has no such part.
pub(crate) async fn part_span(operation: &Rc<Operation>, number: u16) -> Result<(Head, Option<(u64, u64)>), StoreError> {
    for _ in 0..RESTARTS {
        let located = match locate(operation, first_blocks(operation, None)).await? {
            Some(located) if located.head.kind == Kind::Data => located,
            _ => return Err(StoreError::NoSuchKey),
        };
        let head = located.head.clone();
        if !head.coding.manifest {
            return Ok((head.clone(), (number == 1).then_some((0, head.size))));
        }
        match read_manifest(operation, located).await {
            Ok(manifest) => return Ok((head, manifest.span(number))),
            Err(ReadError::Vanished) => {}
            Err(ReadError::Failed(error)) => return Err(error),
        }
    }
    Err(StoreError::Unavailable(format!(
        "read: the object was overwritten {RESTARTS} times while its parts were being read"
    )))
}

/// The blocks of the range's first stripes, guessed before anything is known of the object.
fn first_blocks(operation: &Operation, range: Option<Range>) -> Need {
    let stripe = (operation.quorum.data() as u64) << BLOCK_SHIFT;
    let (first, last) = match range {
        None => (0, u64::MAX),
        Some(Range::FromTo(first, last)) => (first / stripe, last / stripe),
        Some(Range::From(first)) => (first / stripe, u64::MAX),
        // Where it starts is not known; small objects come whole anyway.
        Some(Range::Last(_)) => return Need::Data { first: 0, count: 0 },
    };
    let count = last.saturating_sub(first).saturating_add(1).min(u64::from(FIRST_BLOCKS)) as u32;
    Need::Data {
        first: u32::try_from(first).unwrap_or(u32::MAX),
        count,
    }
}

/// The manifest that is a version's payload.
pub(crate) async fn read_manifest(operation: &Rc<Operation>, located: Located) -> Result<Manifest, ReadError> {
    let payload = read_all(operation, located).await?;
    Manifest::decode(&payload).ok_or_else(|| {
        let text = format!("the manifest of {} bytes cannot be read", payload.len());
        ReadError::Failed(StoreError::Unavailable(text))
    })
}

/// Reads the manifest and opens the parts that hold the range.
async fn open_parts(operation: &Rc<Operation>, located: Located, first: u64, length: u64) -> Result<ObjectBody, ReadError> {
    let manifest = read_manifest(operation, located).await?;
    PartReader::open(operation, manifest, first, length).await.map(ObjectBody::of_parts)
}

/// The whole payload of a version as one piece.
pub(crate) async fn read_all(operation: &Rc<Operation>, located: Located) -> Result<Bytes, ReadError> {
    let size = located.head.payload_size;
    let mut reader = StripeReader::open(Version::new(operation, located), 0, size).await?;
    let mut payload = BytesMut::new();
    while let Some(bytes) = reader.next().await {
        payload.extend_from_slice(&bytes.map_err(ReadError::Failed)?);
    }
    Ok(payload.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_clipped_or_refused_as_http_says() {
        assert_eq!(resolve(None, 10), Ok((0, 10)));
        assert_eq!(resolve(None, 0), Ok((0, 0)));
        assert_eq!(resolve(Some(Range::FromTo(2, 4)), 10), Ok((2, 3)));
        assert_eq!(resolve(Some(Range::FromTo(2, 400)), 10), Ok((2, 8)));
        assert_eq!(resolve(Some(Range::From(9)), 10), Ok((9, 1)));
        assert_eq!(resolve(Some(Range::Last(3)), 10), Ok((7, 3)));
        assert_eq!(resolve(Some(Range::Last(30)), 10), Ok((0, 10)));
        for range in [Range::FromTo(10, 11), Range::FromTo(4, 3), Range::From(10), Range::Last(0)] {
            assert_eq!(resolve(Some(range), 10), Err(StoreError::InvalidRange { size: 10 }), "{range:?}");
        }
        assert_eq!(resolve(Some(Range::From(0)), 0), Err(StoreError::InvalidRange { size: 0 }));
    }
}
