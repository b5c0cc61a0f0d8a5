//! Requests that the control plane answers: their body is read whole and verified, then they go up.

use crate::core::{Core, Settings};
use crate::errors::{Failure, code};
use crate::input::Input;
use crate::objects::Objects;
use crate::reply::{Content, Reply};
use crate::request::Request;
use crate::{ControlReply, ControlRequest};
use bytes::{Bytes, BytesMut};
use openlake_object::{Body, StoreError};

/// Headers of a reply that belong to the connection.
const OWN_HEADERS: [&str; 7] = [
    "content-length",
    "transfer-encoding",
    "connection",
    "date",
    "server",
    "x-amz-request-id",
    "keep-alive",
];

/// Asks the control plane.
pub(crate) async fn forward<O: Objects>(
    core: &Core<O>,
    settings: &Settings,
    request: &Request<'_>,
    input: &mut Input,
) -> Result<Reply<O::Reader>, Failure> {
    let body = read_whole(settings, request, input).await?;
    let pair = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let question = ControlRequest {
        request_id: request.id.to_owned(),
        method: request.method.to_owned(),
        bucket: request.address.bucket.clone(),
        key: request.address.key.as_ref().map(|key| String::from_utf8_lossy(key).into_owned()),
        query: request.query.pairs.clone(),
        headers: request.fields.iter().map(pair).collect(),
        body,
        access_key: request.access_key.clone(),
    };
    let ControlReply { status, headers, body } = core.control.ask(question).await;
    let mut reply = Reply::new(if (200..=599).contains(&status) { status } else { 500 });
    let mut described = None;
    for (name, value) in &headers {
        let lower = name.to_ascii_lowercase();
        if !OWN_HEADERS.contains(&lower.as_str()) {
            reply.header(&lower, value);
        } else if lower == "content-length" {
            described = value.parse().ok();
        }
    }
    let content = match (request.method, status) {
        (_, 204 | 304) => Content::None,
        ("HEAD", _) => Content::Described(described.unwrap_or(body.len() as u64)),
        _ => Content::Bytes(body),
    };
    Ok(reply.with(content))
}

async fn read_whole(settings: &Settings, request: &Request<'_>, input: &mut Input) -> Result<Bytes, Failure> {
    let limit = settings.tables.limits.control_body_bytes as usize;
    let mut payload = request.message(input)?;
    let too_large = || {
        Failure::new(
            code::MaxMessageLengthExceeded,
            format!("The body of this request may have at most {limit} bytes."),
        )
    };
    if payload.length() > limit as u64 {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await.map_err(StoreError::Body)? {
        if body.len() + piece.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
