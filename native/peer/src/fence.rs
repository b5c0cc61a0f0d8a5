//! What a node knows of bucket revisions, to refuse requests made under an older one (protocol.md section 14).

use openlake_drive::Ballot;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

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
    /// Writes under way, by the fence they passed.
    passing: Mutex<HashMap<(u64, Ballot), usize>>,
}

/// A write that passed the fence and is not answered yet.
#[derive(Debug)]
pub struct Passage {
    fences: Arc<Fences>,
    fence: Fence,
}

impl Drop for Passage {
    fn drop(&mut self) {
        let key = (self.fence.bucket, self.fence.revision);
        let mut passing = self.fences.passing();
        if let Some(count) = passing.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                passing.remove(&key);
            }
        }
    }
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
    fn passing(&self) -> MutexGuard<'_, HashMap<(u64, Ballot), usize>> {
        self.passing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
    /// Lets a write pass, as [`Fences::admits`] says; it counts as under way until the passage is dropped.
    pub fn pass(self: &Arc<Self>, fence: Fence) -> Option<Passage> {
        // Counted first: whoever learns a newer revision and then looks for older writes either sees this one or has it refused.
        *self.passing().entry((fence.bucket, fence.revision)).or_default() += 1;
        let passage = Passage {
            fences: self.clone(),
            fence,
        };
        self.admits(fence).then_some(passage)
    }
    /// Whether a write that passed under an older revision is still under way: it may be durable, and seen, only later.
    pub fn is_passed_by_older(&self, bucket: u64, revision: Ballot) -> bool {
        self.passing().keys().any(|(other, under)| *other == bucket && *under < revision)
    }
    /// Whether a request under `fence` may be served: not before loading, not under a revision older than known.
    pub fn admits(&self, fence: Fence) -> bool {
        let revisions = self.revisions.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.is_loaded() && revisions.get(&fence.bucket).is_none_or(|known| *known <= fence.revision)
    }
}
