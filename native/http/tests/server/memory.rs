//! Objects kept in memory: what stands behind the port in these tests. Conditions and ranges behave as `openlake_object` promises.

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use openlake_drive::Ballot;
use openlake_http::{ObjectReader, Objects};
use openlake_object::{Body, BucketView, Condition, Metadata, ObjectInfo, PutTarget, Range, StoreError};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// When every object here was written: a Tuesday in 2023, 0.5 s after the second.
pub const MODIFIED_MS: u64 = 1_700_000_000_500;

#[derive(Default)]
pub struct State {
    pub buckets: BTreeMap<String, u64>,
    pub objects: BTreeMap<(u64, Bytes), (ObjectInfo, Bytes)>,
    /// Answered instead of the next operation's result.
    pub failure: Option<StoreError>,
    /// Bodies break off after so many bytes.
    pub break_after: Option<u64>,
    /// The first read of a body is given up when it has to wait.
    pub gives_up: bool,
    /// Bodies go out in pieces of this size; 0: whole.
    pub piece_bytes: usize,
}

#[derive(Clone, Default)]
pub struct Memory(pub Rc<RefCell<State>>);

pub struct Reader {
    bytes: Bytes,
    piece_bytes: usize,
    break_after: Option<u64>,
    sent: u64,
}

impl ObjectReader for Reader {
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        if self.break_after.is_some_and(|limit| self.sent >= limit) {
            return Some(Err(StoreError::Unavailable("a drive broke".to_owned())));
        }
        let piece = self.bytes.split_to(if self.piece_bytes == 0 {
            self.bytes.len()
        } else {
            self.bytes.len().min(self.piece_bytes)
        });
        self.sent += piece.len() as u64;
        (!piece.is_empty()).then_some(Ok(piece))
    }
}

impl Memory {
    fn check(&self) -> Result<(), StoreError> {
        self.0.borrow_mut().failure.take().map_or(Ok(()), Err)
    }
    fn find(&self, bucket: BucketView, key: &Bytes) -> Result<(ObjectInfo, Bytes), StoreError> {
        self.check()?;
        self.0
            .borrow()
            .objects
            .get(&(bucket.id, key.clone()))
            .cloned()
            .ok_or(StoreError::NoSuchKey)
    }
    fn judge(&self, target: &PutTarget) -> Result<(), StoreError> {
        let found = self.find(target.bucket, &target.key);
        match (&target.condition, found) {
            (Condition::None, _) | (Condition::Absent, Err(_)) => Ok(()),
            (Condition::Absent, Ok(_)) => Err(StoreError::PreconditionFailed),
            // As the store does: it judges without telling what it found.
            (Condition::Matches { .. } | Condition::Exists, Err(StoreError::NoSuchKey)) => Err(StoreError::PreconditionFailed),
            (Condition::Matches { .. } | Condition::Exists, Err(error)) => Err(error),
            (Condition::Exists, Ok(_)) => Ok(()),
            (Condition::Matches { etag, parts }, Ok((info, _))) if (info.etag, info.etag_parts) == (*etag, *parts) => Ok(()),
            (Condition::Matches { .. }, Ok(_)) => Err(StoreError::PreconditionFailed),
        }
    }
    async fn take(&self, body: &mut dyn Body) -> Result<(ObjectInfo, Bytes), StoreError> {
        let mut bytes = BytesMut::new();
        if self.0.borrow().gives_up {
            assert!(body.next().now_or_never().is_none(), "the body is not there yet");
        }
        while let Some(piece) = body.next().await.map_err(StoreError::Body)? {
            bytes.extend_from_slice(&piece);
        }
        assert_eq!(bytes.len() as u64, body.length(), "a body ends only at its length");
        let finish = body.finish();
        let metadata = Metadata::decode(&finish.metadata);
        let info = ObjectInfo {
            size: bytes.len() as u64,
            etag: finish.etag,
            etag_parts: 0,
            last_modified_ms: MODIFIED_MS,
            metadata,
            version: Ballot::ZERO,
        };
        Ok((info, bytes.freeze()))
    }
}

impl Objects for Memory {
    type Reader = Reader;
    async fn bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        let id = self.0.borrow().buckets.get(name).copied().ok_or(StoreError::NoSuchBucket)?;
        Ok(BucketView {
            id,
            revision: Ballot::ZERO,
        })
    }
    async fn get(&self, bucket: BucketView, key: &Bytes, range: Option<Range>) -> Result<(ObjectInfo, u64, u64, Reader), StoreError> {
        let (info, bytes) = self.find(bucket, key)?;
        let size = info.size;
        let (first, end) = match range {
            None => (0, size),
            Some(Range::FromTo(first, last)) => (first, last.saturating_add(1).min(size)),
            Some(Range::From(first)) => (first, size),
            Some(Range::Last(length)) => (size.saturating_sub(length), size),
        };
        if range.is_some() && first >= end {
            return Err(StoreError::InvalidRange { size });
        }
        let state = self.0.borrow();
        let reader = Reader {
            bytes: bytes.slice(first as usize..end as usize),
            piece_bytes: state.piece_bytes,
            break_after: state.break_after,
            sent: 0,
        };
        Ok((info, first, end - first, reader))
    }
    async fn head(&self, bucket: BucketView, key: &Bytes) -> Result<ObjectInfo, StoreError> {
        Ok(self.find(bucket, key)?.0)
    }
    async fn part_span(&self, bucket: BucketView, key: &Bytes, number: u16) -> Result<(ObjectInfo, Option<(u64, u64)>), StoreError> {
        let (info, _) = self.find(bucket, key)?;
        let size = info.size;
        Ok((info, (number == 1).then_some((0, size))))
    }
    async fn put(&self, target: PutTarget, body: &mut dyn Body) -> Result<ObjectInfo, StoreError> {
        self.check()?;
        let (info, bytes) = self.take(body).await?;
        self.judge(&target)?;
        self.0
            .borrow_mut()
            .objects
            .insert((target.bucket.id, target.key), (info.clone(), bytes));
        Ok(info)
    }
    async fn delete(&self, target: PutTarget) -> Result<(), StoreError> {
        self.check()?;
        self.judge(&target)?;
        self.0.borrow_mut().objects.remove(&(target.bucket.id, target.key));
        Ok(())
    }
    async fn put_part(
        &self,
        bucket: BucketView,
        key: &Bytes,
        upload: [u8; 16],
        number: u16,
        body: &mut dyn Body,
    ) -> Result<ObjectInfo, StoreError> {
        self.check()?;
        if upload != [0xab; 16] {
            return Err(StoreError::NoSuchUpload);
        }
        let (info, bytes) = self.take(body).await?;
        let name = Bytes::from([key, format!("#part{number}").as_bytes()].concat());
        self.0.borrow_mut().objects.insert((bucket.id, name), (info.clone(), bytes));
        Ok(info)
    }
}
