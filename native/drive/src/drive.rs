//! The drive's public face: open, ask, watch, close.

use crate::{Answer, Ballot, Key, Request};
use openlake_io::Runtime;
use std::path::PathBuf;
use std::time::Duration;

/// Who a drive is; stored in its superblock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    pub cluster: [u8; 16],
    pub drive: [u8; 16],
    pub set: u32,
    pub slot: u32,
    pub generation: u32,
    pub set_epoch: u32,
}

/// Whether the path must be a mount of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountCheck {
    Strict,
    Directory,
}

/// What to do with a blank drive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Adoption {
    /// Refuse it: the slot was filled before, and nobody said that this one is to be replaced.
    Refuse,
    /// Format it as generation 1, clean: the cluster is being bootstrapped.
    FormatNew,
}

/// How to open a drive.
#[derive(Clone, Debug)]
pub struct DriveOptions {
    /// A directory on XFS or ext4.
    pub path: PathBuf,
    pub cluster: [u8; 16],
    pub set: u32,
    pub slot: u32,
    pub set_epoch: u32,
    pub mount_check: MountCheck,
    pub adoption: Adoption,
    /// Bytes the drive may use; `None`: free space less max(5 %, 1 GiB).
    pub capacity_bytes: Option<u64>,
    /// Budget of the cache of inline payloads.
    pub cache_bytes: u64,
    /// The node's boot number is max(stored + 1, this).
    pub boot_at_least: u32,
}

/// Why a drive could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The path is missing or unreadable.
    Unavailable(String),
    /// Blank, but may not be adopted.
    Blank(String),
    /// Belongs to another cluster, set or slot; the text names both.
    Foreign(String),
    /// Another process holds it.
    Busy(String),
    /// Its contents cannot be used; the text says what was expected.
    Damaged(String),
}

/// Healthy, or why not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DriveState {
    Healthy,
    Suspect(String),
    Failed(String),
}

/// Counters and state for status and metrics.
#[derive(Clone, Debug)]
pub struct DriveStatus {
    pub identity: Identity,
    pub state: DriveState,
    pub durability_class: &'static str,
    pub boot: u32,
    pub keys: u64,
    pub capacity_bytes: u64,
    pub used_bytes: u64,
    pub reads: u64,
    pub read_bytes: u64,
    pub writes: u64,
    pub written_bytes: u64,
    pub flushes: u64,
    pub batches: u64,
    pub records: u64,
    pub errors: u64,
    pub corrupt_blocks: u64,
    pub cache_hits: u64,
    pub cache_misses: u64,
}

/// An open drive. A cheap handle; all clones are the same drive.
#[derive(Clone)]
pub struct Drive {}

impl Drive {
    /// Opens (or, where allowed, formats) a drive and recovers its log: every acknowledged record is there afterwards.
    pub async fn open(runtime: &Runtime, options: DriveOptions) -> Result<Drive, OpenError> {
        let _ = (runtime, options);
        todo!()
    }
    /// Decides one request (atomically per key) and answers when the answer is durable where it must be.
    pub async fn handle(&self, request: Request) -> Answer {
        let _ = request;
        todo!()
    }
    /// Who it is.
    pub fn identity(&self) -> Identity {
        todo!()
    }
    /// The node's boot number as persisted on this drive.
    pub fn boot(&self) -> u32 {
        todo!()
    }
    /// Keys whose newest record is unmarked for longer than `age`, at most `limit`: to be settled with the set.
    pub fn unsettled(&self, age: Duration, limit: usize) -> Vec<(Key, Ballot)> {
        let _ = (age, limit);
        todo!()
    }
    /// State and counters.
    pub fn status(&self) -> DriveStatus {
        todo!()
    }
    /// Writes pending marks and a clean-shutdown root; the drive answers `Failed` afterwards.
    pub async fn close(&self) {
        todo!()
    }
}
