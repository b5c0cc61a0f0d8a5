//! One drive: the acceptor of the per-key protocol over a crash-safe log.
//!
//! The log is the truth, the index a cache of it. All calls are made on the runtime (core) that owns the drive; each is decided
//! atomically per key, and acknowledged only when a power cut can no longer undo it.

#![forbid(unsafe_code)]

mod adopt;
mod ailments;
mod backlog;
mod ballot;
mod barrier;
mod blank;
mod blob;
mod cache;
mod checkpoint;
mod cleaner;
mod close;
mod collect;
mod core;
mod counters;
mod departed;
mod digest;
mod drive;
mod entry;
mod fill;
mod flush_gate;
mod format;
mod home;
mod index;
mod key;
mod latency;
mod lease;
mod load;
mod local_record;
mod log;
mod medium;
mod memory;
mod merges;
mod message;
pub mod offline;
mod open;
mod prepare;
mod prewrite;
mod provision;
mod publish;
mod pump;
mod read;
mod rebuild;
mod rebuilding;
mod record;
mod recovery;
mod replay;
mod roots;
mod row;
pub mod sabotage;
mod scan;
mod scan_rows;
mod settle;
mod signal;
mod space;
mod stage;
mod strain;
mod succession;
mod table;
pub mod told;
mod turns;
mod verify;

pub use ailments::{HealProgress, LOCAL_BUCKET};
pub use ballot::{Ballot, WriteId};
pub use drive::{Adoption, Drive, DriveOptions, DriveState, DriveStatus, Identity, MountCheck, OpenError, WorkBeside};
pub use fill::Filling;
pub use key::{Key, Space};
pub use latency::{LATENCY_BUCKETS, LatencySnapshot, latency_bound_us};
pub use memory::DriveMemory;
pub use message::{Answer, Block, Covers, Head, KeyState, Request, ScanRow, ShardBytes, Want};
pub use open::Tuning;
pub use rebuilding::RebuildProgress;
pub use record::{Coding, Kind, Record, Shard};
pub use scan_rows::{RowView, ScanRows};
pub use succession::{Heir, Standing, Step};
pub use verify::Verification;

#[cfg(test)]
mod tests;
