//! DeleteObject.

use crate::attributes;
use crate::conditions;
use crate::core::Core;
use crate::errors::Failure;
use crate::objects::Objects;
use crate::put::never_met;
use crate::reply::Reply;
use crate::request::Request;
use openlake_object::PutTarget;

/// DeleteObject, with If-Match. A key that never was is deleted all the same: 204.
pub(crate) async fn delete_object<O: Objects>(core: &Core<O>, request: &Request<'_>) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    let condition = conditions::of_write(&request.fields, true)?;
    let (bucket, key) = request.object(core).await?;
    let Some(condition) = condition else {
        return Err(never_met(core, bucket, &key).await);
    };
    core.objects.delete(PutTarget { bucket, key, condition }).await?;
    Ok(Reply::new(204))
}
