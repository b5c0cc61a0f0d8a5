//! PutObject.

use crate::attributes;
use crate::conditions;
use crate::core::{Core, Settings};
use crate::errors::{Failure, code};
use crate::input::Input;
use crate::objects::Objects;
use crate::reply::{Content, Reply};
use crate::request::Request;
use bytes::Bytes;
use openlake_object::{Body, BucketView, Condition, ObjectInfo, PutTarget, StoreError};

/// A conditional PUT of more than this is checked before its body is asked for: one more quorum read is cheaper then.
const PRECHECK_BYTES: u64 = 1024 * 1024;

/// PutObject, with If-None-Match: * or If-Match. The body is asked for only once everything else was found right.
pub(crate) async fn put_object<O: Objects>(
    core: &Core<O>,
    settings: &Settings,
    request: &Request<'_>,
    input: &mut Input,
) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    let metadata = attributes::read(&request.fields)?;
    let condition = conditions::of_write(&request.fields, false)?;
    let mut payload = request.upload(input, settings.tables.limits.object_bytes, metadata, &core.digest_lanes)?;
    let (bucket, key) = request.object(core).await?;
    let Some(condition) = condition else {
        return Err(never_met(core, bucket, &key).await);
    };
    if condition != Condition::None && payload.length() > PRECHECK_BYTES {
        // Such a body would be sent in vain if the condition fails already; the store judges it again, atomically.
        precheck(core, bucket, &key, &condition).await?;
    }
    let matches = matches!(condition, Condition::Matches { .. });
    let target = PutTarget {
        bucket,
        key: key.clone(),
        condition,
    };
    match core.objects.put(target, &mut payload).await {
        Ok(info) => Ok(stored(&info, payload.checksum())),
        // S3 tells a key that is not there (404) from one that holds something else (412).
        Err(StoreError::PreconditionFailed) if matches => Err(never_met(core, bucket, &key).await),
        Err(error) => Err(error.into()),
    }
}

/// The reply to a stored body: its ETag and the checksum it was sent with.
pub(crate) fn stored<R>(info: &ObjectInfo, checksum: Option<(&'static str, &str)>) -> Reply<R> {
    let mut reply = Reply::new(200);
    reply.header("etag", &conditions::quoted_etag(info));
    if let Some((name, value)) = checksum {
        reply.header(name, value);
        reply.header("x-amz-checksum-type", "FULL_OBJECT");
    }
    reply.with(Content::Bytes(Bytes::new()))
}

/// Why an If-Match that names no possible ETag fails: the key is absent, or holds something else.
pub(crate) async fn never_met<O: Objects>(core: &Core<O>, bucket: BucketView, key: &Bytes) -> Failure {
    match core.objects.head(bucket, key).await {
        Ok(_) => Failure::plain(code::PreconditionFailed),
        Err(error) => error.into(),
    }
}

async fn precheck<O: Objects>(core: &Core<O>, bucket: BucketView, key: &Bytes, condition: &Condition) -> Result<(), Failure> {
    match (condition, core.objects.head(bucket, key).await) {
        (Condition::Absent, Ok(_)) => Err(Failure::plain(code::PreconditionFailed)),
        (Condition::Matches { .. }, Err(StoreError::NoSuchKey)) => Err(Failure::plain(code::NoSuchKey)),
        (Condition::Matches { etag, parts }, Ok(info)) if (info.etag, info.etag_parts) != (*etag, *parts) => {
            Err(Failure::plain(code::PreconditionFailed))
        }
        _ => Ok(()),
    }
}
