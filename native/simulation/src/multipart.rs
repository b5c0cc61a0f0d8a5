//! A multipart upload as one write: parts first, then a Complete that is the put, or an Abort that is nothing.

use crate::client::{Client, Upload};
use crate::completion::Completion;
use crate::linearizability::{Action, Value, When};
use crate::value::{ValueBody, content, metadata};
use md5::{Digest, Md5};
use openlake_object::{BucketView, CompletePart, StoreError};

/// The last part may have any size; one part keeps bodies small, and its number may be any.
const PART_NUMBER: u16 = 3;

impl Client {
    /// Uploads a value as one part and completes or aborts. `again`: sends the part twice. `tries`: a random number for each time that
    /// Complete is repeated while its outcome is unknown.
    pub async fn multipart(&self, key: usize, when: When, upload: Upload, abort: bool, again: bool, tries: &[u64]) {
        let Some(bucket) = self.bucket().await else { return };
        // The ETag follows from the bytes: a few of them would not name the value.
        let upload = Upload {
            size: upload.size.max(16),
            ..upload
        };
        let name = self.key(key);
        let value = self.values.create(upload.size);
        let now = || self.runtime.now();
        self.history
            .event(now(), &format!("{} starts an upload of value {value} to key {key}", self.name));
        let created = self.store.create_upload(bucket, &name, metadata(value)).await;
        let Some(id) = self.expect(created, "creating an upload") else {
            return;
        };
        for round in 0..=usize::from(again) {
            // The first of two parts of one number has other bytes: the last one sent counts.
            let sent = if again && round == 0 {
                self.values.create(upload.size)
            } else {
                value
            };
            let mut body = PartBody::new(sent, upload);
            let part = self.store.put_part(bucket, &name, id, PART_NUMBER, &mut body).await;
            let Some(part) = self.expect(part, "putting a part") else { return };
            if part.size != upload.size {
                self.problem(format!("a part of {} bytes answered {part:?}", upload.size));
            }
        }
        if abort {
            self.abort(bucket, key, id).await;
            return;
        }
        let etag = part_etag(value, upload.size);
        self.values.set(value, upload.size, (Md5::digest(etag).into(), 1));
        let part = CompletePart { number: PART_NUMBER, etag };
        let ticket = self
            .history
            .begin(now(), key, &self.name, Action::Put { value, when }, "complete upload");
        let completion = self.values.completions.begin(Completion::new(bucket, key, when, id, part, ticket));
        self.complete(&completion).await;
        self.complete_again(&completion, tries).await;
    }

    async fn abort(&self, bucket: BucketView, key: usize, id: [u8; 16]) {
        let name = self.key(key);
        let aborted = self.store.abort_upload(bucket, &name, id).await;
        if self.expect(aborted, "aborting an upload").is_some() {
            match self.store.list_parts(bucket, &name, id).await {
                Err(StoreError::NoSuchUpload | StoreError::Unavailable(_) | StoreError::Unknown(_)) => {}
                Err(StoreError::NoSuchBucket) if self.values.is_bucket_deleted() => {}
                other => self.problem(format!("the parts of an aborted upload: {other:?}")),
            }
        }
    }

    /// The result, unless the store was unavailable; any other error is a problem.
    fn expect<T>(&self, result: Result<T, StoreError>, what: &str) -> Option<T> {
        match result {
            Ok(result) => Some(result),
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::ConditionalConflict | StoreError::Full) => {
                self.history.count("upload unavailable");
                None
            }
            Err(StoreError::NoSuchBucket) if self.values.is_bucket_deleted() => None,
            Err(error) => {
                self.problem(format!("{what} ended with {error:?}"));
                None
            }
        }
    }
}

/// The MD5 of a value's body: what a part's ETag is.
fn part_etag(value: Value, size: u64) -> [u8; 16] {
    Md5::digest(content(value, 0, size as usize)).into()
}

/// A body whose ETag is its MD5.
struct PartBody {
    body: ValueBody,
    etag: [u8; 16],
}

impl PartBody {
    fn new(value: Value, upload: Upload) -> PartBody {
        PartBody {
            body: ValueBody::new(value, upload.size, upload.piece_bytes),
            etag: part_etag(value, upload.size),
        }
    }
}

impl openlake_object::Body for PartBody {
    fn length(&self) -> u64 {
        self.body.length()
    }
    fn next(&mut self) -> futures_util::future::LocalBoxFuture<'_, Result<Option<bytes::Bytes>, openlake_object::BodyError>> {
        self.body.next()
    }
    fn finish(&mut self) -> openlake_object::Finish {
        openlake_object::Finish {
            etag: self.etag,
            metadata: bytes::Bytes::from_static(&[1]),
        }
    }
}
