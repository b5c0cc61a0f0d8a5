//! Bodies in both directions, as streams of shared bytes.

use crate::StoreError;
use crate::part_reader::PartReader;
use crate::stripe_reader::StripeReader;
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

/// Why a request's body was not what the client promised. `code` is S3's error code, e.g. `BadDigest`, `IncompleteBody`,
/// `XAmzContentSHA256Mismatch`, `SignatureDoesNotMatch`, `RequestTimeout`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyError {
    pub code: &'static str,
    pub message: String,
}

/// What is known of a body once all of it was read and found right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    pub etag: [u8; 16],
    /// Encoded [`crate::Metadata`] of the object (checksums of trailers included).
    pub metadata: Bytes,
}

/// A body that comes in. Its length is known.
pub trait Body {
    /// Decoded length in bytes.
    fn length(&self) -> u64;
    /// The next bytes, of any size; `None` at the end. The end is only reported after signatures and checksums were verified.
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>>;
    /// After `None`: what was learned on the way.
    fn finish(&mut self) -> Finish;
}

/// Bytes at hand, as a body.
pub(crate) struct HeldBody {
    length: u64,
    bytes: Option<Bytes>,
}

impl HeldBody {
    pub fn new(bytes: Bytes) -> HeldBody {
        HeldBody {
            length: bytes.len() as u64,
            bytes: Some(bytes),
        }
    }
}

impl Body for HeldBody {
    fn length(&self) -> u64 {
        self.length
    }
    fn next(&mut self) -> LocalBoxFuture<'_, Result<Option<Bytes>, BodyError>> {
        let bytes = self.bytes.take().filter(|bytes| !bytes.is_empty());
        async move { Ok(bytes) }.boxed_local()
    }
    fn finish(&mut self) -> Finish {
        Finish {
            etag: [0; 16],
            metadata: Bytes::new(),
        }
    }
}

/// A body that goes out: verified, decoded bytes of one version.
pub struct ObjectBody {
    source: Source,
}

enum Source {
    Empty,
    Stripes(Box<StripeReader>),
    Parts(Box<PartReader>),
}

impl ObjectBody {
    pub(crate) fn empty() -> ObjectBody {
        ObjectBody { source: Source::Empty }
    }
    pub(crate) fn of_stripes(reader: StripeReader) -> ObjectBody {
        ObjectBody {
            source: Source::Stripes(Box::new(reader)),
        }
    }
    pub(crate) fn of_parts(reader: PartReader) -> ObjectBody {
        ObjectBody {
            source: Source::Parts(Box::new(reader)),
        }
    }
    /// The next bytes; `None` at the end. An error after the first bytes means: close the connection.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        match &mut self.source {
            Source::Empty => None,
            Source::Stripes(reader) => reader.next().await,
            Source::Parts(reader) => reader.next().await,
        }
    }
    /// More bytes, if they are at hand already: they may go out together with those before them.
    pub fn next_ready(&mut self) -> Option<Bytes> {
        match &mut self.source {
            Source::Stripes(reader) => reader.next_ready(),
            Source::Parts(reader) => reader.next_ready(),
            Source::Empty => None,
        }
    }
}
