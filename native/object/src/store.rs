//! The operations of a coordinator, one core's handle to them.

use crate::core::Core;
use crate::heal::{self, HealOptions, HealStatus};
use crate::list::Listing;
use crate::multipart::UploadId;
use crate::node_state::NodeState;
use crate::operation::Operation;
use crate::put::Label;
use crate::slots::Slots;
use crate::{Body, CompletePart, Metadata, ObjectBody, PartInfo, StoreError};
use crate::{bucket, departed_buckets, get, join, list, list_uploads, put, settle, settle_loop, sweep};
use bytes::Bytes;
use openlake_drive::{Ballot, Drive, Key, Space};
use openlake_io::Runtime;
use openlake_peer::{Fence, Mesh, SlotId};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// Longest object key, in bytes.
const MOST_KEY_BYTES: usize = 1024;
/// Bucket id of the reserved bucket `.openlake`: cluster record, slot registrations, bucket records.
pub const RESERVED_BUCKET: u64 = 0;

/// A slot of this node, as it registers itself in the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalSlot {
    pub slot: SlotId,
    /// The drive's identity.
    pub drive: [u8; 16],
    pub generation: u32,
}

/// What a coordinator is made of.
#[derive(Clone)]
pub struct StoreOptions {
    pub node: u32,
    pub boot: u32,
    /// How long one operation may take in all (its body's time not counted).
    pub deadline: Duration,
    /// Memory for bodies on their way, beyond what each needs to go on at all.
    pub body_bytes: usize,
    /// Shared by all cores of the node.
    pub state: Arc<NodeState>,
    /// All slots of this node; registered by `join`.
    pub slots: Vec<LocalSlot>,
    /// The drives that this core owns; `settle_loop` looks after them.
    pub drives: Vec<Drive>,
}

/// When a write may take effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    None,
    /// If-None-Match: *
    Absent,
    /// If-Match: *
    Exists,
    /// If-Match: an ETag with its part count (0: plain).
    Matches {
        etag: [u8; 16],
        parts: u16,
    },
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
pub struct Store {
    core: Rc<Core>,
}

impl Store {
    /// A coordinator over a mesh.
    pub fn new(runtime: &Runtime, mesh: &Mesh, options: StoreOptions) -> Store {
        Store::over(runtime, Rc::new(mesh.clone()), options)
    }
    /// A coordinator over any way to the slots (tests and the simulation bring their own).
    pub fn over(runtime: &Runtime, slots: Rc<dyn Slots>, options: StoreOptions) -> Store {
        let state = options.state.clone();
        slots.on_touched(Box::new(move |name, id, revision| {
            state.fences.learn(id, revision);
            state.buckets.touch(name, BucketView { id, revision });
        }));
        Store {
            core: Core::new(runtime, slots, options),
        }
    }
    fn operation(&self, bucket: BucketView, key: &Bytes) -> Result<Rc<Operation>, StoreError> {
        Operation::new(&self.core, object_key(bucket, key), Some(fence_of(bucket)))
    }
    fn upload<'request>(&'request self, bucket: BucketView, object: &'request Bytes, upload: [u8; 16]) -> UploadId<'request> {
        UploadId {
            core: &self.core,
            bucket: bucket.id,
            fence: Some(fence_of(bucket)),
            object,
            upload,
        }
    }
    /// Resolves a bucket's name: from the table, or, where the table has no live and fresh row, by a quorum read.
    pub async fn bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        self.core.bucket(name).await
    }
    /// Head and (for a non-empty range) body. `range` `None`: all of it. Returns the range served as (first, length).
    pub async fn get(
        &self,
        bucket: BucketView,
        key: &Bytes,
        range: Option<Range>,
    ) -> Result<(ObjectInfo, u64, u64, ObjectBody), StoreError> {
        self.core.note_client();
        let (head, first, length, body) = get::get(&self.core, object_key(bucket, key), Some(fence_of(bucket)), range).await?;
        Ok((get::info_of(&head), first, length, body))
    }
    /// Head alone.
    pub async fn head(&self, bucket: BucketView, key: &Bytes) -> Result<ObjectInfo, StoreError> {
        Ok(get::info_of(&get::head(&self.operation(bucket, key)?).await?))
    }
    /// Head, and where part `number` of the object lies: (first, length). A plain object is its own part 1.
    pub async fn part_span(&self, bucket: BucketView, key: &Bytes, number: u16) -> Result<(ObjectInfo, Option<(u64, u64)>), StoreError> {
        let (head, span) = get::part_span(&self.operation(bucket, key)?, number).await?;
        Ok((get::info_of(&head), span))
    }
    /// Stores a body. Returns the new version's head once it is complete on W drives.
    pub async fn put(&self, target: PutTarget, body: &mut dyn Body) -> Result<ObjectInfo, StoreError> {
        check_key(&target.key)?;
        self.core.note_client();
        let size = body.length();
        let operation = self.operation(target.bucket, &target.key)?;
        let (origin, label) = put::put_body(&operation, self.core.new_write_id(), body, &target.condition).await?;
        Ok(info_of_label(&label, size, origin))
    }
    /// Deletes; success when the tombstone is complete (also for keys that never were). With a condition: as section 7.
    pub async fn delete(&self, target: PutTarget) -> Result<(), StoreError> {
        check_key(&target.key)?;
        put::put_tombstone(&self.operation(target.bucket, &target.key)?, &target.condition)
            .await
            .map(drop)
    }
    /// A page of keys. `after` is exclusive; `delimiter` groups common prefixes; `limit` counts rows and prefixes together.
    pub async fn list(
        &self,
        bucket: BucketView,
        prefix: &Bytes,
        delimiter: &[u8],
        after: &Bytes,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        list::list(
            &self.core,
            bucket,
            &Listing {
                prefix,
                delimiter,
                after,
                limit,
            },
        )
        .await
    }
    /// Creates a bucket's record (conditional); `AlreadyExists` is `PreconditionFailed`.
    pub async fn create_bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        bucket::create(&self.core, name).await
    }
    /// All live buckets: name, view, created (ms).
    pub async fn list_buckets(&self) -> Result<Vec<(String, BucketView, u64)>, StoreError> {
        let records = bucket::list_records(&self.core).await?;
        let live = records.into_iter().filter(|(_, record)| record.state == BucketState::Live);
        Ok(live.map(|(name, record)| (name, record.view, record.created_ms)).collect())
    }
    /// Section 14 rule 4 whole: deleting, fence, list, tombstone or live again. `Ok(false)`: not empty.
    pub async fn delete_bucket(&self, name: &str) -> Result<bool, StoreError> {
        bucket::delete(&self.core, name).await
    }
    /// Creates an upload; returns its id. `metadata` is what the completed object will carry.
    pub async fn create_upload(&self, bucket: BucketView, key: &Bytes, metadata: Metadata) -> Result<[u8; 16], StoreError> {
        check_key(key)?;
        let upload = self.core.new_write_id().0;
        self.upload(bucket, key, upload).create(metadata).await?;
        Ok(upload)
    }
    /// Stores a part. Of several of one number the newest is listed; which of them counts is said by the ETag in Complete.
    pub async fn put_part(
        &self,
        bucket: BucketView,
        key: &Bytes,
        upload: [u8; 16],
        number: u16,
        body: &mut dyn Body,
    ) -> Result<ObjectInfo, StoreError> {
        self.core.note_client();
        let size = body.length();
        let (origin, label) = self.upload(bucket, key, upload).put_part(number, body).await?;
        Ok(info_of_label(&label, size, origin))
    }
    /// Parts of an open upload in order of number.
    pub async fn list_parts(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16]) -> Result<Vec<PartInfo>, StoreError> {
        self.upload(bucket, key, upload).list_parts().await
    }
    /// A page of the uploads of a bucket that are under way. Rows bear the upload's id as ETag and the time when it began. `after` (exclusive)
    /// is a key or common prefix, a zero byte, and 16 bytes: an upload's id, or zeros to stand for all of them. So is the page's `next`.
    pub async fn list_uploads(
        &self,
        bucket: BucketView,
        prefix: &Bytes,
        delimiter: &[u8],
        after: &Bytes,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let listing = Listing {
            prefix,
            delimiter,
            after,
            limit,
        };
        list_uploads::list_uploads(&self.core, bucket, &listing).await
    }
    /// Completes: one manifest, one publish. Repeating a finished Complete answers the same.
    pub async fn complete_upload(
        &self,
        bucket: BucketView,
        key: &Bytes,
        upload: [u8; 16],
        parts: &[CompletePart],
        condition: Condition,
    ) -> Result<ObjectInfo, StoreError> {
        self.upload(bucket, key, upload).complete(parts, &condition, None).await
    }
    /// The same, if the whole has the checksum `expected` (header name and base64 value); else `Body` with BadDigest.
    pub async fn complete_upload_expecting(
        &self,
        target: PutTarget,
        upload: [u8; 16],
        parts: &[CompletePart],
        expected: Option<(&str, &str)>,
    ) -> Result<ObjectInfo, StoreError> {
        let id = self.upload(target.bucket, &target.key, upload);
        id.complete(parts, &target.condition, expected).await
    }
    /// Aborts; races with Complete by a conditional write on the upload's record.
    pub async fn abort_upload(&self, bucket: BucketView, key: &Bytes, upload: [u8; 16]) -> Result<(), StoreError> {
        self.upload(bucket, key, upload).abort().await
    }
    /// Startup duties: register local slots, create or check the cluster record, load the bucket table. Retries until done.
    pub async fn join(&self, cluster: [u8; 16], bootstrap: bool) -> Result<(), StoreError> {
        join::join(&self.core, cluster, bootstrap).await
    }
    /// How far `join` has come, and what it waits for.
    pub fn join_status(&self) -> String {
        self.core.options.state.join_status()
    }
    /// Brings a key's newest version to completion, or shows that there is none (protocol.md section 6 steps 4 to 6).
    pub async fn settle(&self, key: Key) -> Result<(), StoreError> {
        settle::settle(&Operation::new(&self.core, key, None)?).await.map(drop)
    }
    /// Removes what multipart uploads left behind in a bucket that nothing refers to any more; how many uploads were removed. Covers the
    /// sets of which this core owns the first slot; `settle_loop` calls it for all buckets now and then.
    pub async fn sweep_uploads(&self, bucket: BucketView, least_age: Duration) -> Result<usize, StoreError> {
        sweep::sweep(&self.core, bucket.id, &|_| true, least_age).await
    }
    /// The same of all buckets deleted lately, of which nothing is of use.
    pub async fn sweep_departed_buckets(&self, least_age: Duration) -> Result<usize, StoreError> {
        let mut removed = 0;
        for (id, _) in departed_buckets::list(&self.core).await? {
            removed += sweep::sweep_departed(&self.core, id, &|_| true, least_age).await?;
        }
        Ok(removed)
    }
    /// Settles what local drives hold unmarked for over a second (protocol.md section 2); runs for ever.
    pub async fn settle_loop(&self) {
        settle_loop::run(&self.core).await;
    }
    /// Heals the drives of this core, adopts blank ones among them, and tells others' drives what they missed; runs for ever.
    pub async fn heal_loop(&self, options: HealOptions) {
        heal::run(&self.core, options).await;
    }
    /// How the healing of this core's drives stands.
    pub fn heal_status(&self) -> BTreeMap<SlotId, HealStatus> {
        self.core.heal_book.all()
    }
    /// Hints that this core holds for slots that were away.
    pub fn hints_held(&self) -> usize {
        self.core.hints.held()
    }
}

fn object_key(bucket: BucketView, key: &Bytes) -> Key {
    Key {
        bucket: bucket.id,
        space: Space::Object,
        name: key.clone(),
    }
}

fn fence_of(bucket: BucketView) -> Fence {
    Fence {
        bucket: bucket.id,
        revision: bucket.revision,
    }
}

fn check_key(key: &Bytes) -> Result<(), StoreError> {
    if (1..=MOST_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    Err(StoreError::Invalid(format!(
        "key of {} bytes: must have 1 to {MOST_KEY_BYTES}",
        key.len()
    )))
}

fn info_of_label(label: &Label, size: u64, origin: Ballot) -> ObjectInfo {
    ObjectInfo {
        size,
        etag: label.etag,
        etag_parts: label.etag_parts,
        last_modified_ms: origin.time_ms(),
        metadata: Metadata::decode(&label.metadata),
        version: origin,
    }
}
