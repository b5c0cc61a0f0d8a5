//! GetObject and HeadObject.

use crate::attributes;
use crate::conditions::{self, Verdict};
use crate::core::Core;
use crate::errors::{Failure, code};
use crate::objects::{ObjectReader, Objects};
use crate::part_read::{get_part, head_part};
use crate::range;
use crate::reply::{Content, Reply};
use crate::request::Request;
use crate::route::RESPONSE_OVERRIDES;
use bytes::Bytes;
use openlake_object::{BucketView, ObjectInfo, Range, StoreError};

/// What S3 says of objects that were stored without a type.
const DEFAULT_TYPE: &str = "binary/octet-stream";

/// GetObject: the object or one range of it, under the conditions of RFC 9110.
pub(crate) async fn get_object<O: Objects>(core: &Core<O>, request: &Request<'_>, part: Option<u16>) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    let (bucket, key) = request.object(core).await?;
    if let Some(number) = part {
        return get_part(core, request, bucket, &key, number).await;
    }
    let mut range = asked_range(request);
    let mut answer = fetch(core, request, bucket, &key, range).await?;
    if range.is_some() && !conditions::range_counts(&request.fields, &conditions::etag(&answer.0), modified_seconds(&answer.0)) {
        range = None;
        answer = fetch(core, request, bucket, &key, range).await?;
    }
    let (info, first, length, reader) = answer;
    if let Some(reply) = refused_by_conditions(request, &info)? {
        return Ok(reply);
    }
    let reply = described(request, &info, range.map(|_| (first, length)))?;
    streamed(reply, reader, length).await
}

/// The reply with the bytes of `reader` as its content.
pub(crate) async fn streamed<R: ObjectReader>(mut reply: Reply<R>, mut reader: R, length: u64) -> Result<Reply<R>, Failure> {
    if length == 0 {
        return Ok(reply.with(Content::Bytes(Bytes::new())));
    }
    // The first bytes are fetched before the status is sent: an error can still be told.
    let first = match reader.next().await {
        Some(bytes) => bytes?,
        None => {
            return Err(Failure::new(
                code::InternalError,
                format!("The object ended after 0 of {length} bytes."),
            ));
        }
    };
    reply.content = Content::Stream { first, reader, length };
    Ok(reply)
}

/// HeadObject: as GetObject, without the bytes.
pub(crate) async fn head_object<O: Objects>(core: &Core<O>, request: &Request<'_>, part: Option<u16>) -> Result<Reply<O::Reader>, Failure> {
    attributes::refuse_unknown(&request.fields)?;
    let (bucket, key) = request.object(core).await?;
    if let Some(number) = part {
        return head_part(core, request, bucket, &key, number).await;
    }
    let info = core.objects.head(bucket, &key).await?;
    if let Some(reply) = refused_by_conditions(request, &info)? {
        return Ok(reply);
    }
    let counts = conditions::range_counts(&request.fields, &conditions::etag(&info), modified_seconds(&info));
    let range = match asked_range(request).filter(|_| counts) {
        None => None,
        Some(range) => Some(range::resolve(range, info.size).ok_or(StoreError::InvalidRange { size: info.size })?),
    };
    let length = range.map_or(info.size, |(_, length)| length);
    Ok(described(request, &info, range)?.with(Content::Described(length)))
}

/// Reads from the store; where it finds the range impossible, the conditions are judged first (RFC 9110 section 13.2.2).
async fn fetch<O: Objects>(
    core: &Core<O>,
    request: &Request<'_>,
    bucket: BucketView,
    key: &Bytes,
    range: Option<Range>,
) -> Result<(ObjectInfo, u64, u64, O::Reader), Failure> {
    match core.objects.get(bucket, key, range).await {
        Err(StoreError::InvalidRange { size }) => {
            let info = core.objects.head(bucket, key).await?;
            let etag = conditions::etag(&info);
            let modified = modified_seconds(&info);
            match conditions::judge(&request.fields, &etag, modified) {
                Verdict::Serve if conditions::range_counts(&request.fields, &etag, modified) => {
                    Err(StoreError::InvalidRange { size }.into())
                }
                _ => Ok(core.objects.get(bucket, key, None).await?),
            }
        }
        other => Ok(other?),
    }
}

fn asked_range(request: &Request<'_>) -> Option<Range> {
    request.fields.get("range").and_then(range::parse)
}

/// 304, or 412 as a failure.
pub(crate) fn refused_by_conditions<R>(request: &Request<'_>, info: &ObjectInfo) -> Result<Option<Reply<R>>, Failure> {
    if !conditions::are_there(&request.fields) {
        return Ok(None);
    }
    match conditions::judge(&request.fields, &conditions::etag(info), modified_seconds(info)) {
        Verdict::Serve => Ok(None),
        Verdict::Failed => Err(Failure::plain(code::PreconditionFailed)),
        Verdict::NotModified => {
            let mut reply = Reply::new(304);
            push_validators(&mut reply, info);
            for (name, value) in
                attributes::returned(&info.metadata, false).filter(|(name, _)| *name == "cache-control" || *name == "expires")
            {
                reply.header(name, value);
            }
            Ok(Some(reply))
        }
    }
}

/// The head of a successful reply.
pub(crate) fn described<R>(request: &Request<'_>, info: &ObjectInfo, range: Option<(u64, u64)>) -> Result<Reply<R>, Failure> {
    let partial = range.is_some();
    let (first, length) = range.unwrap_or((0, info.size));
    let mut reply = Reply::new(if partial { 206 } else { 200 });
    push_validators(&mut reply, info);
    reply.header("accept-ranges", "bytes");
    if partial {
        reply.header(
            "content-range",
            &format!("bytes {first}-{}/{}", (first + length).saturating_sub(1), info.size),
        );
    }
    let overriding = |name: &str| {
        let (parameter, _) = RESPONSE_OVERRIDES.iter().find(|(_, header)| *header == name)?;
        request.query.get(parameter)
    };
    let whole = length == info.size;
    let with_checksums = whole
        && request
            .fields
            .get("x-amz-checksum-mode")
            .is_some_and(|mode| mode.eq_ignore_ascii_case("enabled"));
    let (mut has_type, mut has_checksum, mut has_checksum_type) = (false, false, false);
    for (name, value) in attributes::returned(&info.metadata, with_checksums) {
        if overriding(name).is_none() {
            reply.header(name, value);
        }
        has_type |= name == "content-type";
        has_checksum |= name.starts_with(attributes::CHECKSUM_PREFIX);
        has_checksum_type |= name == "x-amz-checksum-type";
    }
    if has_checksum && !has_checksum_type {
        reply.header("x-amz-checksum-type", "FULL_OBJECT");
    }
    for (parameter, header) in RESPONSE_OVERRIDES {
        if let Some(value) = request.query.get(parameter) {
            if value.contains(char::is_control) {
                return Err(Failure::new(
                    code::InvalidArgument,
                    format!("The value of {parameter} holds a control character."),
                ));
            }
            reply.header(header, value);
        }
    }
    if !has_type && overriding("content-type").is_none() {
        reply.header("content-type", DEFAULT_TYPE);
    }
    Ok(reply)
}

fn push_validators<R>(reply: &mut Reply<R>, info: &ObjectInfo) {
    reply.header("etag", &conditions::quoted_etag(info));
    reply.header("last-modified", &crate::date::http_date(modified_seconds(info)));
}

fn modified_seconds(info: &ObjectInfo) -> u64 {
    info.last_modified_ms / 1000
}
