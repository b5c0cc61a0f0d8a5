//! Objects over erasure sets: the coordinator's side of the per-key protocol, and what S3 needs of it.
//!
//! It cannot tell a local slot from a remote one and knows neither HTTP nor XML.

#![forbid(unsafe_code)]

mod body;
mod error;
mod metadata;
mod multipart;
mod store;

pub use body::{Body, BodyError, Finish, ObjectBody};
pub use error::StoreError;
pub use metadata::Metadata;
pub use multipart::{CompletePart, PartInfo};
pub use store::{
    BucketState, BucketView, Condition, ListPage, ListRow, ObjectInfo, PutTarget, Range, Store, StoreOptions, RESERVED_BUCKET,
};
