//! The body of a request as the object layer reads it: decoded, counted, hashed, and at its end either kept to every promise or refused.
//!
//! Bytes go on to the drives as they come; a chunk's signature or a checksum may turn out wrong after that, but the end of the body is
//! only reported once all of them were right, and nothing is published before.

use crate::chunk_signature::ChunkSigner;
use crate::chunked::{ChunkDecoder, Event};
use crate::errors::code;
use crate::input::{BodyEnd, Input};
use crate::integrity::{Digests, Integrity, PayloadHash, Promises};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use openlake_checksum::DigestLanes;
use openlake_checksum::sha256::{self, Sha256};
use openlake_object::{Body, BodyError, Finish, Metadata};

/// How the body is coded beneath HTTP's own framing.
enum Coding {
    Plain,
    Chunks(Box<AwsChunks>),
}

/// aws-chunked under way.
struct AwsChunks {
    decoder: ChunkDecoder,
    /// Received, not yet decoded.
    input: Bytes,
    signer: Option<ChunkSigner>,
    /// The current chunk's bytes, where chunks are signed.
    hash: Sha256,
    signature: String,
    /// `name:value\n` of each trailer but the signature, as it is signed.
    trailer: String,
    trailer_signature: String,
    trailer_value: Option<String>,
}

/// A request's body.
pub(crate) struct Payload<'c> {
    input: &'c mut Input,
    /// Decoded length; `None` where a control request did not say it.
    length: Option<u64>,
    received: u64,
    coding: Coding,
    integrity: Integrity,
    metadata: Metadata,
    digests: Option<Digests>,
}

impl<'c> Payload<'c> {
    /// `length` is the decoded length, `etag` asks for the MD5 and says where large ones are computed, `metadata` is what the object will carry besides its checksum.
    pub(crate) fn new(
        input: &'c mut Input,
        length: Option<u64>,
        promises: Promises,
        signer: Option<ChunkSigner>,
        etag: Option<&DigestLanes>,
        metadata: Metadata,
    ) -> Payload<'c> {
        let coding = match promises.payload_hash {
            PayloadHash::Streaming { .. } => Coding::Chunks(Box::new(AwsChunks::new(signer))),
            PayloadHash::Whole(_) | PayloadHash::Unsigned => Coding::Plain,
        };
        Payload {
            input,
            length,
            received: 0,
            coding,
            integrity: Integrity::new(promises, etag, length),
            metadata,
            digests: None,
        }
    }

    /// The checksum that the body was found to have; after its end.
    pub(crate) fn checksum(&self) -> Option<(&'static str, &str)> {
        self.digests
            .as_ref()?
            .checksum
            .as_ref()
            .map(|(name, value)| (*name, value.as_str()))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyError> {
        if self.digests.is_some() {
            return Ok(None);
        }
        let trailer_name = self.integrity.promises().trailer_name();
        let piece = match &mut self.coding {
            Coding::Plain => self.input.next().await.map_err(body_error)?,
            Coding::Chunks(chunks) => chunks.next(self.input, trailer_name).await?,
        };
        if let Some(piece) = piece {
            self.received += piece.len() as u64;
            if self.length.is_some_and(|length| self.received > length) {
                return Err(refusal(
                    code::IncompleteBody,
                    format!("The body is longer than the {} bytes that were announced.", self.length()),
                ));
            }
            self.integrity.update(&piece);
            return Ok(Some(piece));
        }
        if self.length.is_some_and(|length| self.received != length) {
            let message = format!("The body ended after {} of {} bytes.", self.received, self.length());
            return Err(refusal(code::IncompleteBody, message));
        }
        let trailer = match &self.coding {
            Coding::Plain => None,
            Coding::Chunks(chunks) => chunks.trailer_value.as_deref(),
        };
        let digests = self.integrity.finish(trailer)?;
        if let Some((name, value)) = &digests.checksum {
            self.metadata.pairs.push(((*name).to_owned(), value.clone()));
        }
        self.digests = Some(digests);
        Ok(None)
    }
}

impl Body for Payload<'_> {
    fn length(&self) -> u64 {
        self.length.unwrap_or_default()
    }
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        self.next_piece().boxed_local()
    }
    fn finish(&mut self) -> Finish {
        let etag = self.digests.as_ref().map(|digests| digests.md5).unwrap_or_default();
        Finish {
            etag,
            metadata: self.metadata.encode(),
        }
    }
}

impl AwsChunks {
    fn new(signer: Option<ChunkSigner>) -> AwsChunks {
        AwsChunks {
            decoder: ChunkDecoder::new(),
            input: Bytes::new(),
            signer,
            hash: Sha256::new(),
            signature: String::new(),
            trailer: String::new(),
            trailer_signature: String::new(),
            trailer_value: None,
        }
    }

    /// The next decoded bytes; `None` once the last chunk and the trailer were there and signed.
    async fn next(&mut self, source: &mut Input, trailer_name: Option<&str>) -> Result<Option<Bytes>, BodyError> {
        loop {
            match self
                .decoder
                .next(&mut self.input)
                .map_err(|malformed| refusal(code::InvalidRequest, malformed.0.to_owned()))?
            {
                Event::Chunk { size, extension } => {
                    if self.signer.is_some() {
                        self.signature = chunk_signature(&extension)?;
                        self.hash = Sha256::new();
                    }
                    if size == 0 {
                        self.check_chunk()?;
                    }
                }
                Event::Data(data) => {
                    if self.signer.is_some() {
                        self.hash.update(&data);
                    }
                    return Ok(Some(data));
                }
                Event::ChunkEnd => self.check_chunk()?,
                Event::Trailer(line) => self.take_trailer(&line, trailer_name)?,
                Event::End => return self.end(source, trailer_name).await,
                Event::Starved => match source.next().await.map_err(body_error)? {
                    Some(piece) => self.input = piece,
                    None => return Err(refusal(code::IncompleteBody, "The body ended before its last chunk.".to_owned())),
                },
            }
        }
    }

    fn check_chunk(&mut self) -> Result<(), BodyError> {
        let hash = std::mem::take(&mut self.hash).finish();
        match self
            .signer
            .as_mut()
            .is_none_or(|signer| signer.accepts_chunk(&hash, &self.signature))
        {
            true => Ok(()),
            false => Err(refusal(
                code::SignatureDoesNotMatch,
                "The signature of a chunk does not match.".to_owned(),
            )),
        }
    }

    fn take_trailer(&mut self, line: &str, expected: Option<&str>) -> Result<(), BodyError> {
        let malformed = |message: String| refusal(code::MalformedTrailerError, message);
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| malformed("A trailer line is not NAME:VALUE.".to_owned()))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name == "x-amz-trailer-signature" {
            self.trailer_signature = value.to_owned();
        } else if Some(name.as_str()) == expected && self.trailer_value.is_none() {
            self.trailer.push_str(&format!("{name}:{value}\n"));
            self.trailer_value = Some(value.to_owned());
        } else {
            return Err(malformed(format!(
                "The trailer {name} was not announced by x-amz-trailer, or comes twice."
            )));
        }
        Ok(())
    }

    /// Behind the last chunk: the trailer's signature, and nothing more.
    async fn end(&mut self, source: &mut Input, trailer_name: Option<&str>) -> Result<Option<Bytes>, BodyError> {
        if !self.input.is_empty() || source.next().await.map_err(body_error)?.is_some() {
            return Err(refusal(code::InvalidRequest, "Bytes follow the last chunk.".to_owned()));
        }
        if let (Some(signer), Some(_)) = (&mut self.signer, trailer_name)
            && !signer.accepts_trailer(&sha256::digest(self.trailer.as_bytes()), &self.trailer_signature)
        {
            return Err(refusal(
                code::SignatureDoesNotMatch,
                "The signature of the trailer does not match.".to_owned(),
            ));
        }
        Ok(None)
    }
}

/// The value of `chunk-signature=`.
fn chunk_signature(extension: &str) -> Result<String, BodyError> {
    let signature = extension.trim().strip_prefix("chunk-signature=");
    signature
        .map(str::to_owned)
        .ok_or_else(|| refusal(code::InvalidRequest, "A chunk of a signed body has no chunk-signature.".to_owned()))
}

fn refusal(code: &'static str, message: String) -> BodyError {
    BodyError { code, message }
}

fn body_error(end: BodyEnd) -> BodyError {
    match end {
        BodyEnd::Broken => refusal(code::IncompleteBody, "The connection ended before the body.".to_owned()),
        BodyEnd::Stalled => refusal(code::RequestTimeout, "The body made no progress for 60 seconds.".to_owned()),
        BodyEnd::Malformed(malformed) => refusal(code::BadRequest, malformed.0.to_owned()),
    }
}
