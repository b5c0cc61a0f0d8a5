//! What a store operation can end with, besides success.

use crate::BodyError;

/// Outcomes as protocol.md section 11 defines them, and faults of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// 404 NoSuchBucket.
    NoSuchBucket,
    /// 404 NoSuchKey, judged on a complete version (or a tombstone).
    NoSuchKey,
    NoSuchUpload,
    /// 412, judged on a complete version.
    PreconditionFailed,
    /// 409 ConditionalRequestConflict: lost its races, provably no effect.
    ConditionalConflict,
    /// 416; the object's size.
    InvalidRange {
        size: u64,
    },
    /// 503, no effect: too few drives answered. The text says how many of how many, and why.
    Unavailable(String),
    /// 503, outcome unknown.
    Unknown(String),
    /// 507-like: drives are full.
    Full,
    /// The body did not hold what was promised; nothing was stored.
    Body(BodyError),
    /// A part named by Complete is missing or has another ETag.
    InvalidPart(String),
    InvalidPartOrder,
    EntityTooSmall,
    /// The request itself is not acceptable; the text names field, value and expectation.
    Invalid(String),
}
