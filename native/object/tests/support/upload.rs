//! An upload under way.

use super::body::TestBody;
use super::world::World;
use bytes::Bytes;
use openlake_object::{BucketView, CompletePart, Metadata, Store, StoreError};
use std::rc::Rc;

pub static KEY: Bytes = Bytes::from_static(b"videos/long.mp4");

/// What the upload's object is to carry.
pub fn metadata() -> Metadata {
    Metadata {
        pairs: vec![("content-type".to_owned(), "video/mp4".to_owned())],
    }
}

/// Begins an upload of [`KEY`] in a new bucket.
pub async fn start(world: &Rc<World>) -> (Store, BucketView, [u8; 16]) {
    let store = world.store(0);
    let bucket = store.create_bucket("bucket").await.expect("create");
    let upload = store.create_upload(bucket, &KEY, metadata()).await.expect("upload");
    (store, bucket, upload)
}

/// Sends a part of it.
pub async fn part(store: &Store, bucket: BucketView, upload: [u8; 16], number: u16, bytes: &[u8]) -> Result<CompletePart, StoreError> {
    let etag = openlake_checksum::md5::digest(bytes);
    store
        .put_part(bucket, &KEY, upload, number, &mut TestBody::new(bytes, 200_000, etag))
        .await?;
    Ok(CompletePart { number, etag })
}
