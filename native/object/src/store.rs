//! The operations of a coordinator, one core's handle to them.

use crate::{Body, CompletePart, Metadata, ObjectBody, PartInfo, StoreError};
use bytes::Bytes;
use openlake_drive::Ballot;
use openlake_io::Runtime;
use openlake_peer::Mesh;
use std::time::Duration;

/// Bucket id of the reserved bucket `.openlake`: cluster record, slot registrations, bucket records.
pub const RESERVED_BUCKET: u64 = 0;

/// What a coordinator is made of.
#[derive(Clone)]
pub struct StoreOptions {
    pub node: u32,
    pub boot: u32,
    /// How long one operation may take in all (its body's time not counted).
    pub deadline: Duration,
}

/// When a write may take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    None,
    /// If-None-Match: *
    Absent,
    /// If-Match: an ETag with its part count (0: plain).
    Matches { etag: [u8; 16], parts: u16 },
}

/// A bucket as an operation meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketView {
    pub id: u64,
    pub revision: Ballot,
}

/// A bucket's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BucketState {
    Live,
    Deleting,
}

/// What is to be written.
#[derive(Clone, Debug)]
pub struct PutTarget {
    pub bucket: BucketView,
    pub key: Bytes,
    pub condition: Condition,
}

/// A byte range as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// first..=last
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

/// An object's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    pub size: u64,
    pub etag: [u8; 16],
    pub etag_parts: u16,
    pub last_modified_ms: u64,
    pub metadata: Metadata,
    pub version: Ballot,
}

/// A row of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListRow {
    pub key: Bytes,
    pub size: u64,
    pub etag: [u8; 16],
    pub etag_parts: u16,
    pub last_modified_ms: u64,
}

/// A page of a list, in byte order over all sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListPage {
    pub rows: Vec<ListRow>,
    pub prefixes: Vec<Bytes>,
    /// Where the next page starts (exclusive), if there is one.
    pub next: Option<Bytes>,
}

/// One core's coordinator. A cheap handle.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// A coordinator over a mesh.
    pub fn new(runtime: &Runtime, mesh: &Mesh, options: StoreOptions) -> Store {
        let _ = (runtime, mesh, options);
        todo!()
    }
    /// Resolves a bucket's name: from the table, or, where the table has no live and fresh row, by a quorum read.
    pub async fn bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        let _ = name;
        todo!()
    }
    /// Head and (for a non-empty range) body. `range` `None`: all of it. Returns the range served as (first, length).
    pub async fn get(&self, bucket: BucketView, key: &Bytes, range: Option<Range>) -> Result<(ObjectInfo, u64, u64, ObjectBody), StoreError> {
        let _ = (bucket, key, range);
        todo!()
    }
    /// Head alone.
    pub async fn head(&self, bucket: BucketView, key: &Bytes) -> Result<ObjectInfo, StoreError> {
        let _ = (bucket, key);
        todo!()
    }
    /// Stores a body. Returns the new version's head once it is complete on W drives.
    pub async fn put(&self, target: PutTarget, body: &mut dyn Body) -> Result<ObjectInfo, StoreError> {
        let _ = (target, body.length());
        todo!()
    }
    /// Deletes; success when the tombstone is complete (also for keys that never were). With a condition: as section 7.
    pub async fn delete(&self, target: PutTarget) -> Result<(), StoreError> {
        let _ = target;
        todo!()
    }
    /// A page of keys. `after` is exclusive; `delimiter` groups common prefixes; `limit` counts rows and prefixes together.
    pub async fn list(&self, bucket: BucketView, prefix: &Bytes, delimiter: &[u8], after: &Bytes, limit: usize) -> Result<ListPage, StoreError> {
        let _ = (bucket, prefix, delimiter, after, limit);
        todo!()
    }
    /// Creates a bucket's record (conditional); `AlreadyExists` is `PreconditionFailed`.
    pub async fn create_bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        let _ = name;
        todo!()
    }
    /// All live buckets: name, view, created (ms).
    pub async fn list_buckets(&self) -> Result<Vec<(String, BucketView, u64)>, StoreError> {
        todo!()
    }
    /// Section 14 rule 4 whole: deleting, fence, list, tombstone or live again. `Ok(false)`: not empty.
    pub async fn delete_bucket(&self, name: &str) -> Result<bool, StoreError> {
        let _ = name;
        todo!()
    }
    /// Creates an upload; returns its id. `metadata` is what the completed object will carry.
    pub async fn create_upload(&self, bucket: BucketView, key: &Bytes, metadata: Metadata) -> Result<[u8; 16], StoreError> {
        let _ = (bucket, key, metadata);
        todo!()
    }
    /// Stores a part (the last one sent for a number counts).
    pub async fn put_part(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16], number: u16, body: &mut dyn Body) -> Result<ObjectInfo, StoreError> {
        let _ = (bucket, key, upload, number, body.length());
        todo!()
    }
    /// Parts of an open upload in order of number.
    pub async fn list_parts(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16]) -> Result<Vec<PartInfo>, StoreError> {
        let _ = (bucket, key, upload);
        todo!()
    }
    /// Completes: one manifest, one publish. Repeating a finished Complete answers the same.
    pub async fn complete_upload(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16], parts: &[CompletePart], condition: Condition) -> Result<ObjectInfo, StoreError> {
        let _ = (bucket, key, upload, parts, condition);
        todo!()
    }
    /// Aborts; races with Complete by a conditional write on the upload's record.
    pub async fn abort_upload(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16]) -> Result<(), StoreError> {
        let _ = (bucket, key, upload);
        todo!()
    }
    /// Startup duties: register local slots, create or check the cluster record, load the bucket table. Retries until done.
    pub async fn join(&self, cluster: [u8; 16], bootstrap: bool) -> Result<(), StoreError> {
        let _ = (cluster, bootstrap);
        todo!()
    }
    /// Settles what local drives hold unmarked for over a second (protocol.md section 2); runs for ever.
    pub async fn settle_loop(&self) {
        todo!()
    }
}
