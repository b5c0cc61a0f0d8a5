//! What crosses to JavaScript in a batch, and the conversions there and back.

use crate::queue::{Asked, Batch, Completed, Payload};
use crate::status::StatusObject;
use napi::bindgen_prelude::Buffer;
use napi_derive::napi;
use openlake_checksum::base64;
use openlake_http::ControlReply;
use openlake_object::{Condition, Metadata, ObjectInfo};

/// All that gathered since the last `take`.
#[napi(object)]
pub struct BatchObject {
    pub requests: Vec<RequestObject>,
    pub completions: Vec<CompletionObject>,
    pub notices: Vec<NoticeObject>,
}

/// A control request.
#[napi(object)]
pub struct RequestObject {
    pub id: f64,
    pub request_id: String,
    pub method: String,
    pub bucket: Option<String>,
    pub key: Option<String>,
    /// Name, value, name, value, ...
    pub query: Vec<String>,
    /// Name, value, name, value, ...
    pub headers: Vec<String>,
    pub body: Buffer,
    pub access_key: String,
}

/// The end of a call. `code` is there when it failed; otherwise at most one of the others.
#[napi(object)]
#[derive(Default)]
pub struct CompletionObject {
    pub id: u32,
    pub code: Option<String>,
    pub message: Option<String>,
    pub flag: Option<bool>,
    pub page: Option<Buffer>,
    pub head: Option<HeadObject>,
    /// 32 hex digits.
    pub upload: Option<String>,
    pub buckets: Option<Vec<BucketObject>>,
    pub parts: Option<Vec<PartObject>>,
    pub status: Option<StatusObject>,
}

/// Something that happened unasked.
#[napi(object)]
pub struct NoticeObject {
    pub fatal: bool,
    pub message: String,
}

/// An object's head.
#[napi(object)]
pub struct HeadObject {
    pub size: f64,
    /// Hex, with `-N` behind it for multipart objects; without quotes.
    pub etag: String,
    pub last_modified_ms: f64,
    /// Name, value, name, value, ...
    pub metadata: Vec<String>,
}

/// A bucket.
#[napi(object)]
pub struct BucketObject {
    pub name: String,
    pub created_ms: f64,
}

/// A part, as stored or (without size and time) as a client names it.
#[napi(object)]
pub struct PartObject {
    pub number: u32,
    /// 32 hex digits.
    pub etag: String,
    pub size: Option<f64>,
    pub last_modified_ms: Option<f64>,
    /// Header name and base64 value of the checksum it was sent with.
    pub checksum: Option<Vec<String>>,
}

/// When a Complete or a deletion may take effect: at most one of the first three, and the checksum.
#[napi(object)]
pub struct ConditionObject {
    pub absent: bool,
    /// Whatever the object is, it must be there.
    pub exists: Option<bool>,
    /// An ETag without quotes.
    pub matches: Option<String>,
    /// Header name and base64 value of the checksum that the new object must have.
    pub checksum: Option<Vec<String>>,
}

/// A batch as JavaScript sees it.
pub fn batch_object(batch: Batch) -> BatchObject {
    BatchObject {
        requests: batch.requests.into_iter().map(request_object).collect(),
        completions: batch.completions.into_iter().map(completion_object).collect(),
        notices: batch
            .notices
            .into_iter()
            .map(|notice| NoticeObject {
                fatal: notice.fatal,
                message: notice.message,
            })
            .collect(),
    }
}

fn request_object(asked: Asked) -> RequestObject {
    let request = asked.request;
    RequestObject {
        id: asked.id as f64,
        request_id: request.request_id,
        method: request.method,
        bucket: request.bucket,
        key: request.key,
        query: flatten(request.query),
        headers: flatten(request.headers),
        body: Vec::from(request.body).into(),
        access_key: request.access_key,
    }
}

fn completion_object(completed: Completed) -> CompletionObject {
    let empty = CompletionObject {
        id: completed.id,
        ..CompletionObject::default()
    };
    match completed.outcome {
        Err(failure) => CompletionObject {
            code: Some(failure.code.to_owned()),
            message: Some(failure.message),
            ..empty
        },
        Ok(Payload::Nothing) => empty,
        Ok(Payload::Flag(flag)) => CompletionObject { flag: Some(flag), ..empty },
        Ok(Payload::Page(page)) => CompletionObject {
            page: Some(page.into()),
            ..empty
        },
        Ok(Payload::Head(info)) => CompletionObject {
            head: Some(head_object(info)),
            ..empty
        },
        Ok(Payload::Upload(id)) => CompletionObject {
            upload: Some(to_hex(&id)),
            ..empty
        },
        Ok(Payload::Buckets(buckets)) => {
            let convert = |(name, created_ms)| BucketObject {
                name,
                created_ms: created_ms as f64,
            };
            CompletionObject {
                buckets: Some(buckets.into_iter().map(convert).collect()),
                ..empty
            }
        }
        Ok(Payload::Parts(parts)) => {
            let parts = parts.into_iter().map(|part| PartObject {
                number: part.number.into(),
                etag: to_hex(&part.etag),
                size: Some(part.size as f64),
                last_modified_ms: Some(part.origin.time_ms() as f64),
                checksum: part
                    .checksum
                    .map(|(algorithm, value)| vec![algorithm.header_name().to_owned(), base64::encode(&value)]),
            });
            CompletionObject {
                parts: Some(parts.collect()),
                ..empty
            }
        }
        Ok(Payload::Status(status)) => CompletionObject {
            status: Some(*status),
            ..empty
        },
    }
}

fn head_object(info: ObjectInfo) -> HeadObject {
    let suffix = if info.etag_parts == 0 {
        String::new()
    } else {
        format!("-{}", info.etag_parts)
    };
    HeadObject {
        size: info.size as f64,
        etag: to_hex(&info.etag) + &suffix,
        last_modified_ms: info.last_modified_ms as f64,
        metadata: flatten(info.metadata.pairs),
    }
}

/// The reply that JavaScript gave.
pub fn control_reply(status: u32, headers: Vec<String>, body: Vec<u8>) -> ControlReply {
    ControlReply {
        status: u16::try_from(status).unwrap_or(500),
        headers: pairs(headers),
        body: body.into(),
    }
}

/// Metadata from name, value, name, value, ...
pub fn metadata(texts: Vec<String>) -> Metadata {
    Metadata { pairs: pairs(texts) }
}

/// A condition; an ETag that no object can have is kept as one that none has, so that it fails as 412.
pub fn condition(object: &ConditionObject) -> Condition {
    match (&object.matches, object.absent) {
        (Some(etag), _) => {
            let (hex, parts) = etag.split_once('-').unwrap_or((etag, "0"));
            let etag = crate::config::hex16("etag", hex).unwrap_or([0; 16]);
            Condition::Matches {
                etag,
                parts: parts.parse().unwrap_or(u16::MAX),
            }
        }
        (None, true) => Condition::Absent,
        (None, false) if object.exists == Some(true) => Condition::Exists,
        (None, false) => Condition::None,
    }
}

/// Lower-case hex digits.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn flatten(pairs: Vec<(String, String)>) -> Vec<String> {
    pairs.into_iter().flat_map(|(name, value)| [name, value]).collect()
}

fn pairs(texts: Vec<String>) -> Vec<(String, String)> {
    let mut texts = texts.into_iter();
    std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect()
}
