//! What the port needs of the object layer, as a trait, so that it can be tested without drives.

use bytes::Bytes;
use openlake_object::{Body, BucketView, ObjectBody, ObjectInfo, PutTarget, Range, Store, StoreError};
use std::future::Future;

/// Bytes of one object on their way out.
pub trait ObjectReader {
    /// The next bytes; `None` at the end. An error after the first bytes ends the connection.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, StoreError>>>;
    /// Bytes behind those that are at hand already, if any.
    fn next_ready(&mut self) -> Option<Bytes> {
        None
    }
}

/// The hot operations; see [`Store`] for what each promises. A cheap handle.
pub trait Objects: Clone + 'static {
    /// A body on its way out.
    type Reader: ObjectReader;
    /// Resolves a bucket's name.
    fn bucket(&self, name: &str) -> impl Future<Output = Result<BucketView, StoreError>>;
    /// Head and body; the served range as (first, length).
    fn get(
        &self,
        bucket: BucketView,
        key: &Bytes,
        range: Option<Range>,
    ) -> impl Future<Output = Result<(ObjectInfo, u64, u64, Self::Reader), StoreError>>;
    /// Head alone.
    fn head(&self, bucket: BucketView, key: &Bytes) -> impl Future<Output = Result<ObjectInfo, StoreError>>;
    /// Head, and where a part lies: (first, length).
    fn part_span(
        &self,
        bucket: BucketView,
        key: &Bytes,
        number: u16,
    ) -> impl Future<Output = Result<(ObjectInfo, Option<(u64, u64)>), StoreError>>;
    /// Stores a body.
    fn put(&self, target: PutTarget, body: &mut dyn Body) -> impl Future<Output = Result<ObjectInfo, StoreError>>;
    /// Deletes a key.
    fn delete(&self, target: PutTarget) -> impl Future<Output = Result<(), StoreError>>;
    /// Stores a part of an upload.
    fn put_part(
        &self,
        bucket: BucketView,
        key: &Bytes,
        upload: [u8; 16],
        number: u16,
        body: &mut dyn Body,
    ) -> impl Future<Output = Result<ObjectInfo, StoreError>>;
}

impl ObjectReader for ObjectBody {
    async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        ObjectBody::next(self).await
    }
    fn next_ready(&mut self) -> Option<Bytes> {
        ObjectBody::next_ready(self)
    }
}

impl Objects for Store {
    type Reader = ObjectBody;
    async fn bucket(&self, name: &str) -> Result<BucketView, StoreError> {
        Store::bucket(self, name).await
    }
    async fn get(&self, bucket: BucketView, key: &Bytes, range: Option<Range>) -> Result<(ObjectInfo, u64, u64, ObjectBody), StoreError> {
        Store::get(self, bucket, key, range).await
    }
    async fn head(&self, bucket: BucketView, key: &Bytes) -> Result<ObjectInfo, StoreError> {
        Store::head(self, bucket, key).await
    }
    async fn part_span(&self, bucket: BucketView, key: &Bytes, number: u16) -> Result<(ObjectInfo, Option<(u64, u64)>), StoreError> {
        Store::part_span(self, bucket, key, number).await
    }
    async fn put(&self, target: PutTarget, body: &mut dyn Body) -> Result<ObjectInfo, StoreError> {
        Store::put(self, target, body).await
    }
    async fn delete(&self, target: PutTarget) -> Result<(), StoreError> {
        Store::delete(self, target).await
    }
    async fn put_part(
        &self,
        bucket: BucketView,
        key: &Bytes,
        upload: [u8; 16],
        number: u16,
        body: &mut dyn Body,
    ) -> Result<ObjectInfo, StoreError> {
        Store::put_part(self, bucket, key, upload, number, body).await
    }
}
