//! GetObject and HeadObject with `partNumber`: one part of an object that was uploaded in parts. Clients learn from the answer how many
//! parts there are, and read them side by side. A plain object is its own part 1.

use crate::core::Core;
use crate::errors::{Failure, code};
use crate::get::{described, refused_by_conditions, streamed};
use crate::objects::Objects;
use crate::reply::{Content, Reply};
use crate::request::Request;
use bytes::Bytes;
use openlake_object::{BucketView, ObjectInfo, Range, StoreError};

/// How often a part is looked up again because the object was overwritten before it could be opened.
const TRIES: u32 = 4;

/// The bytes of part `number`.
pub(crate) async fn get_part<O: Objects>(
    core: &Core<O>,
    request: &Request<'_>,
    bucket: BucketView,
    key: &Bytes,
    number: u16,
) -> Result<Reply<O::Reader>, Failure> {
    refuse_range(request)?;
    for _ in 0..TRIES {
        let (info, span) = core.objects.part_span(bucket, key, number).await?;
        if let Some(reply) = refused_by_conditions(request, &info)? {
            return Ok(reply);
        }
        let (first, length) = span.ok_or_else(|| no_such_part(number, &info))?;
        if length == 0 {
            return Ok(part_head(request, &info, (first, length))?.with(Content::Bytes(Bytes::new())));
        }
        let range = Range::FromTo(first, first.saturating_add(length - 1));
        match core.objects.get(bucket, key, Some(range)).await {
            Ok((found, _, length, reader)) if found.version == info.version => {
                return streamed(part_head(request, &info, (first, length))?, reader, length).await;
            }
            Ok(_) | Err(StoreError::InvalidRange { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Failure::plain(code::SlowDown))
}

/// The head of part `number`.
pub(crate) async fn head_part<O: Objects>(
    core: &Core<O>,
    request: &Request<'_>,
    bucket: BucketView,
    key: &Bytes,
    number: u16,
) -> Result<Reply<O::Reader>, Failure> {
    refuse_range(request)?;
    let (info, span) = core.objects.part_span(bucket, key, number).await?;
    if let Some(reply) = refused_by_conditions(request, &info)? {
        return Ok(reply);
    }
    let span = span.ok_or_else(|| no_such_part(number, &info))?;
    Ok(part_head(request, &info, span)?.with(Content::Described(span.1)))
}

fn part_head<R>(request: &Request<'_>, info: &ObjectInfo, span: (u64, u64)) -> Result<Reply<R>, Failure> {
    // No Content-Range can name zero bytes.
    let mut reply = described(request, info, (span.1 > 0).then_some(span))?;
    if info.etag_parts > 0 {
        reply.header("x-amz-mp-parts-count", &info.etag_parts.to_string());
    }
    Ok(reply)
}

fn refuse_range(request: &Request<'_>) -> Result<(), Failure> {
    match request.fields.get("range") {
        None => Ok(()),
        Some(_) => Err(Failure::new(
            code::InvalidRequest,
            "Cannot specify both Range header and partNumber query parameter.",
        )),
    }
}

fn no_such_part(number: u16, info: &ObjectInfo) -> Failure {
    let parts = info.etag_parts.max(1);
    Failure::new(
        code::InvalidPartNumber,
        format!("The object has {parts} parts; there is none of number {number}."),
    )
}
