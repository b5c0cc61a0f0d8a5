//! One request after its signature was found right: what it names, what it carries, and the way to its body.

use crate::chunk_signature::ChunkSigner;
use crate::core::{Core, Settings};
use crate::errors::{Failure, code};
use crate::fields::Fields;
use crate::head::{Framing, Head};
use crate::input::Input;
use crate::integrity::{PayloadHash, Promises};
use crate::objects::Objects;
use crate::payload::Payload;
use crate::sigv4::{self, Verified};
use crate::uri::{Address, Query, split_target};
use bytes::Bytes;
use openlake_checksum::DigestLanes;
use openlake_object::{BucketView, Metadata};

/// A signed request.
pub(crate) struct Request<'r> {
    pub id: &'r str,
    pub method: &'r str,
    pub address: Address,
    /// Without the parameters of a signature.
    pub query: Query,
    pub fields: Fields<'r>,
    pub access_key: String,
    framing: Framing,
    payload_hash: PayloadHash,
    chunk_signer: Option<ChunkSigner>,
}

impl<'r> Request<'r> {
    /// Reads the target and verifies the signature.
    pub(crate) fn authenticate(head: &'r Head<'r>, id: &'r str, settings: &Settings, now_seconds: u64) -> Result<Request<'r>, Failure> {
        let (path, query_text) = split_target(head.target)?;
        let mut query = Query::parse(query_text)?;
        let address = Address::parse(head.header("host"), path, &[])?;
        let Verified {
            access_key,
            payload_hash,
            chunk_signer,
            presigned,
        } = sigv4::verify(head, path, query_text, &query, &settings.keys, now_seconds)?;
        let fields = if presigned {
            Fields::presigned(&head.headers, &mut query)
        } else {
            Fields::new(&head.headers)
        };
        Ok(Request {
            id,
            method: head.method,
            address,
            query,
            fields,
            access_key,
            framing: head.framing,
            payload_hash,
            chunk_signer,
        })
    }

    /// Bucket and key of an object operation; the bucket must exist.
    pub(crate) async fn object<O: Objects>(&self, core: &Core<O>) -> Result<(BucketView, Bytes), Failure> {
        let (Some(bucket), Some(key)) = (&self.address.bucket, &self.address.key) else {
            return Err(Failure::plain(code::InvalidURI));
        };
        Ok((core.objects.bucket(bucket).await?, key.clone()))
    }

    /// The decoded length of the body, if the request says it.
    pub(crate) fn body_length(&self) -> Result<Option<u64>, Failure> {
        let decoded = match self.fields.get("x-amz-decoded-content-length") {
            None => None,
            Some(text) => {
                let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
                Some(number.ok_or_else(|| {
                    Failure::new(
                        code::InvalidArgument,
                        format!("x-amz-decoded-content-length is {text:?}; it must be a number."),
                    )
                })?)
            }
        };
        Ok(match (self.payload_hash, self.framing) {
            (PayloadHash::Streaming { .. }, _) | (_, Framing::Chunked) => decoded,
            (_, Framing::Length(length)) => Some(length),
            (_, Framing::None) => None,
        })
    }

    /// The body of an upload of known length, within `limit` bytes.
    pub(crate) fn upload<'c>(
        &self,
        input: &'c mut Input,
        limit: u64,
        metadata: Metadata,
        lanes: &DigestLanes,
    ) -> Result<Payload<'c>, Failure> {
        let length = self.body_length()?.ok_or_else(|| Failure::plain(code::MissingContentLength))?;
        if length > limit {
            return Err(Failure::new(
                code::EntityTooLarge,
                format!("Your proposed upload has {length} bytes; at most {limit} are allowed."),
            ));
        }
        let promises = Promises::read(&self.fields, self.payload_hash)?;
        Ok(Payload::new(
            input,
            Some(length),
            promises,
            self.chunk_signer.clone(),
            Some(lanes),
            metadata,
        ))
    }

    /// CompleteMultipartUpload: its checksum headers speak of the object, not of the body.
    fn completes_upload(&self) -> bool {
        self.method == "POST" && self.address.key.is_some() && self.query.get("uploadId").is_some()
    }

    /// The body of a control request, of any length that its reader accepts.
    pub(crate) fn message<'c>(&self, input: &'c mut Input) -> Result<Payload<'c>, Failure> {
        let promises = if self.completes_upload() {
            Promises::of_message(&self.fields, self.payload_hash)?
        } else {
            Promises::read(&self.fields, self.payload_hash)?
        };
        let length = match self.framing {
            Framing::None => None,
            Framing::Length(_) | Framing::Chunked => self.body_length()?,
        };
        Ok(Payload::new(
            input,
            length,
            promises,
            self.chunk_signer.clone(),
            None,
            Metadata::default(),
        ))
    }
}
