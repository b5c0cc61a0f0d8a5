//! UploadPart.

use crate::attributes;
use crate::core::{Core, Settings};
use crate::errors::Failure;
use crate::input::Input;
use crate::objects::Objects;
use crate::put::stored;
use crate::reply::Reply;
use crate::request::Request;
use openlake_object::Metadata;

/// UploadPart: stores a part under its number; the last one sent for a number counts.
pub(crate) async fn upload_part<O: Objects>(
    core: &Core<O>,
    settings: &Settings,
    request: &Request<'_>,
    input: &mut Input,
    upload: [u8; 16],
    number: u16,
) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    // A part carries nothing but its checksum; the object's headers were given when the upload was created.
    let limit = settings.tables.limits.object_bytes;
    let mut payload = request.upload(input, limit, Metadata::default(), &core.digest_lanes)?;
    let (bucket, key) = request.object(core).await?;
    let info = core.objects.put_part(bucket, &key, upload, number, &mut payload).await?;
    Ok(stored(&info, payload.checksum()))
}
