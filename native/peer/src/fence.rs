//! What a node knows of bucket revisions, to refuse requests made under an older one (protocol.md section 14).

use openlake_drive::Ballot;
use std::collections::HashMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Under which bucket and revision of it a request was made for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    pub bucket: u64,
    pub revision: Ballot,
}

/// The newest revision known per bucket id. Shared by all cores of a node.
#[derive(Debug, Default)]
pub struct Fences {
    loaded: AtomicBool,
    revisions: RwLock<HashMap<u64, Ballot>>,
}

impl Fences {
    /// Learns a revision; older ones than known change nothing.
    pub fn learn(&self, bucket: u64, revision: Ballot) {
        let mut revisions = self.revisions.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let known = revisions.entry(bucket).or_insert(revision);
        *known = (*known).max(revision);
    }
    /// All bucket records were read since the start: from now on requests can be judged.
    pub fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }
    /// Whether `set_loaded` was called.
    pub fn is_loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }
    /// Whether a request under `fence` may be served: not before loading, not under a revision older than known.
    pub fn admits(&self, fence: Fence) -> bool {
        let revisions = self.revisions.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.is_loaded() && revisions.get(&fence.bucket).is_none_or(|known| *known <= fence.revision)
    }
}
