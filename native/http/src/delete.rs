//! DeleteObject.

use crate::attributes;
use crate::conditions;
use crate::core::Core;
use crate::errors::Failure;
use crate::objects::Objects;
use crate::put::never_met;
use crate::reply::Reply;
use crate::request::Request;
use openlake_object::{Condition, PutTarget, StoreError};

/// DeleteObject, with If-Match: an ETag, or * for any. Without it a key that never was is deleted all the same: 204.
pub(crate) async fn delete_object<O: Objects>(core: &Core<O>, request: &Request<'_>) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    let condition = conditions::of_write(&request.fields, true)?;
    let (bucket, key) = request.object(core).await?;
    let Some(condition) = condition else {
        return Err(never_met(core, bucket, &key).await);
    };
    let conditional = condition != Condition::None;
    let target = PutTarget {
        bucket,
        key: key.clone(),
        condition,
    };
    match core.objects.delete(target).await {
        Ok(()) => Ok(Reply::new(204)),
        // S3 tells a key that is not there (404) from one that holds something else (412).
        Err(StoreError::PreconditionFailed) if conditional => Err(never_met(core, bucket, &key).await),
        Err(error) => Err(error.into()),
    }
}
