//! Bodies in both directions, as streams of shared bytes.

use crate::StoreError;
use bytes::Bytes;
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

/// A body that goes out: verified, decoded bytes of one version.
pub struct ObjectBody {}

impl ObjectBody {
    /// The next bytes; `None` at the end. An error after the first bytes means: close the connection.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        todo!()
    }
}
