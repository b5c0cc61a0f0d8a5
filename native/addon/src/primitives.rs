//! The engine's primitives as JavaScript calls them: each resolves its bucket by name and is a single operation of the store.

use crate::data_core::Serving;
use crate::list_page::pack_page;
use crate::queue::{Failure, Payload};
use bytes::Bytes;
use openlake_object::{CompletePart, Condition, Metadata, PutTarget, StoreError};

type Outcome = Result<Payload, Failure>;

/// What to list; see [`openlake_object::Store::list`] and `list_uploads`.
pub struct ListQuery {
    pub bucket: String,
    pub prefix: Bytes,
    pub delimiter: Vec<u8>,
    pub after: Bytes,
    pub limit: usize,
}

/// Which upload of which key.
pub struct UploadPlace {
    pub bucket: String,
    pub key: Bytes,
    pub upload: [u8; 16],
}

/// The startup duties of the node; what they learn is shared by all cores.
pub async fn join(serving: Serving, cluster: [u8; 16], bootstrap: bool) -> Outcome {
    serving
        .store
        .join(cluster, bootstrap)
        .await
        .map(|()| Payload::Nothing)
        .map_err(failure)
}

/// One packed page of keys.
pub async fn list_objects(serving: Serving, query: ListQuery) -> Outcome {
    let bucket = serving.store.bucket(&query.bucket).await.map_err(failure)?;
    let page = serving
        .store
        .list(bucket, &query.prefix, &query.delimiter, &query.after, query.limit)
        .await
        .map_err(failure)?;
    Ok(Payload::Page(pack_page(&page)))
}

/// Head of an object.
pub async fn head_object(serving: Serving, bucket: String, key: Bytes) -> Outcome {
    let bucket = serving.store.bucket(&bucket).await.map_err(failure)?;
    serving.store.head(bucket, &key).await.map(Payload::Head).map_err(failure)
}

/// Deletes an object; without a condition this also succeeds where there was none.
pub async fn delete_object(serving: Serving, bucket: String, key: Bytes, condition: Condition) -> Outcome {
    let bucket = serving.store.bucket(&bucket).await.map_err(failure)?;
    let target = PutTarget { bucket, key, condition };
    serving.store.delete(target).await.map(|()| Payload::Nothing).map_err(failure)
}

/// Succeeds where the bucket exists.
pub async fn head_bucket(serving: Serving, bucket: String) -> Outcome {
    serving.store.bucket(&bucket).await.map(|_view| Payload::Nothing).map_err(failure)
}

/// Creates a bucket; `PreconditionFailed` where it exists.
pub async fn create_bucket(serving: Serving, bucket: String) -> Outcome {
    serving
        .store
        .create_bucket(&bucket)
        .await
        .map(|_view| Payload::Nothing)
        .map_err(failure)
}

/// Deletes a bucket; false where it is not empty.
pub async fn delete_bucket(serving: Serving, bucket: String) -> Outcome {
    serving.store.delete_bucket(&bucket).await.map(Payload::Flag).map_err(failure)
}

/// All live buckets.
pub async fn list_buckets(serving: Serving) -> Outcome {
    let buckets = serving.store.list_buckets().await.map_err(failure)?;
    Ok(Payload::Buckets(
        buckets.into_iter().map(|(name, _view, created_ms)| (name, created_ms)).collect(),
    ))
}

/// Begins a multipart upload.
pub async fn create_upload(serving: Serving, bucket: String, key: Bytes, metadata: Metadata) -> Outcome {
    let bucket = serving.store.bucket(&bucket).await.map_err(failure)?;
    serving
        .store
        .create_upload(bucket, &key, metadata)
        .await
        .map(Payload::Upload)
        .map_err(failure)
}

/// One packed page of uploads under way.
pub async fn list_uploads(serving: Serving, query: ListQuery) -> Outcome {
    let bucket = serving.store.bucket(&query.bucket).await.map_err(failure)?;
    let page = serving
        .store
        .list_uploads(bucket, &query.prefix, &query.delimiter, &query.after, query.limit)
        .await
        .map_err(failure)?;
    Ok(Payload::Page(pack_page(&page)))
}

/// Parts of an open upload.
pub async fn list_parts(serving: Serving, place: UploadPlace) -> Outcome {
    let bucket = serving.store.bucket(&place.bucket).await.map_err(failure)?;
    serving
        .store
        .list_parts(bucket, &place.key, place.upload)
        .await
        .map(Payload::Parts)
        .map_err(failure)
}

/// What must hold for a Complete: the object that is there, and the checksum (header name, base64 value) that the new one must have.
pub struct CompleteTerms {
    pub condition: Condition,
    pub checksum: Option<(String, String)>,
}

/// Makes an upload the object.
pub async fn complete_upload(serving: Serving, place: UploadPlace, parts: Vec<CompletePart>, terms: CompleteTerms) -> Outcome {
    let target = PutTarget {
        bucket: serving.store.bucket(&place.bucket).await.map_err(failure)?,
        key: place.key,
        condition: terms.condition,
    };
    let expected = terms.checksum.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
    let done = serving
        .store
        .complete_upload_expecting(target, place.upload, &parts, expected)
        .await;
    done.map(Payload::Head).map_err(failure)
}

/// Gives an upload up.
pub async fn abort_upload(serving: Serving, place: UploadPlace) -> Outcome {
    let bucket = serving.store.bucket(&place.bucket).await.map_err(failure)?;
    serving
        .store
        .abort_upload(bucket, &place.key, place.upload)
        .await
        .map(|()| Payload::Nothing)
        .map_err(failure)
}

/// A store's error as a code of `node/engine/errors.ts` and its text.
pub fn failure(error: StoreError) -> Failure {
    let (code, message) = match error {
        StoreError::NoSuchBucket => ("NoSuchBucket", String::new()),
        StoreError::NoSuchKey => ("NoSuchKey", String::new()),
        StoreError::NoSuchUpload => ("NoSuchUpload", String::new()),
        StoreError::PreconditionFailed => ("PreconditionFailed", String::new()),
        StoreError::ConditionalConflict => ("ConditionalConflict", String::new()),
        StoreError::InvalidRange { size } => ("InvalidRange", format!("the object has {size} bytes")),
        StoreError::Unavailable(text) => ("Unavailable", text),
        StoreError::Unknown(text) => ("Unknown", text),
        StoreError::Full => ("Full", String::new()),
        StoreError::Body(error) if error.code == "BadDigest" => ("BadDigest", error.message),
        StoreError::Body(error) => ("Body", format!("{}: {}", error.code, error.message)),
        StoreError::InvalidPart(text) => ("InvalidPart", text),
        StoreError::InvalidPartOrder => ("InvalidPartOrder", String::new()),
        StoreError::EntityTooSmall => ("EntityTooSmall", String::new()),
        StoreError::Invalid(text) => ("Invalid", text),
    };
    Failure { code, message }
}
