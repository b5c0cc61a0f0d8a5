//! Objects over erasure sets: the coordinator's side of the per-key protocol, and what S3 needs of it.
//!
//! It cannot tell a local slot from a remote one and knows neither HTTP nor XML.

#![forbid(unsafe_code)]

mod body;
mod body_budget;
mod bucket;
mod bucket_reads;
mod bucket_table;
mod complete;
mod conditional;
mod core;
mod decide;
mod departed_buckets;
mod error;
mod get;
mod heal;
mod join;
mod key_queue;
mod list;
mod list_uploads;
mod locate;
mod manifest;
mod metadata;
mod multipart;
mod node_state;
mod operation;
mod outcome;
mod part_checksum;
mod part_reader;
mod placement;
mod proposal;
mod proposer;
mod put;
mod quorum;
mod round;
mod scan;
mod set_cursor;
mod settle;
mod settle_loop;
mod shared_write;
mod slots;
mod span;
mod stage;
mod store;
mod stripe;
mod stripe_reader;
mod supply;
mod sweep;
mod turn;
mod upload;
mod version;
mod write;

pub use body::{Body, BodyError, Finish, ObjectBody};
pub use error::StoreError;
pub use heal::{HealOptions, HealStatus};
pub use metadata::Metadata;
pub use multipart::{CompletePart, PartInfo};
pub use node_state::NodeState;
pub use part_checksum::PartChecksum;
pub use placement::place;
pub use slots::{Slots, TouchedListener};
pub use store::{
    BucketState, BucketView, Condition, ListPage, ListRow, LocalSlot, ObjectInfo, PutTarget, RESERVED_BUCKET, Range, Store, StoreOptions,
};
