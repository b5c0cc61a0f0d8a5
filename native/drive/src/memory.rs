//! What a drive takes of memory, and the wait of writers where too much of it cannot be let go.
//!
//! The index and the cache each have a budget. Whatever is on the device as well goes when its budget is used up; rows that changed
//! stay until a checkpoint has written them. A quarter of the index's budget full of those asks for a checkpoint; as much again may
//! change while it is written; then whoever would change further rows waits for it. Checkpoint and marks never wait for memory, and
//! the cleaner does not where it makes the space that a checkpoint needs, so the wait ends as soon as the device works.

use crate::Answer;
use crate::cleaner::PATIENCE;
use crate::core::Core;
use futures_util::future::select;
use std::pin::pin;
use std::time::Duration;

/// Of the index's memory, the share that rows may take before they are written out.
const ROWS_SHARE: usize = 4;
/// However small that memory is.
const LEAST_ROWS_BYTES: usize = 64 << 10;
/// Counted for whatever waits: key or version, place in its queue.
const ITEM_BYTES: usize = 256;
/// Whatever happens, those who wait look again.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Memory of a drive in bytes, estimated where it is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriveMemory {
    /// Budget of the index: rows, filters, fences and blocks.
    pub index_limit: u64,
    /// Budget of the record cache.
    pub cache_limit: u64,
    /// All rows in memory; those unwritten are among them.
    pub rows: u64,
    /// Rows that changed and are in no run yet.
    pub unwritten: u64,
    pub filters: u64,
    pub fences: u64,
    /// Cached blocks of runs.
    pub blocks: u64,
    /// Cached records.
    pub cache: u64,
    /// Batches of the log, open or on their way.
    pub log: u64,
    /// What is known of shards that are being staged.
    pub staging: u64,
    /// What waits: marks, promises, versions to be settled, dropped ones in their grace, traces.
    pub backlog: u64,
}

impl DriveMemory {
    /// What counts against the index's budget.
    pub fn index_used(&self) -> u64 {
        self.rows + self.filters + self.fences + self.blocks
    }
}

impl Core {
    /// What it holds now.
    pub fn memory(&self) -> DriveMemory {
        let (index, cache) = (self.index.borrow(), self.cache.borrow());
        let parts = index.parts();
        DriveMemory {
            index_limit: index.limit_bytes() as u64,
            cache_limit: cache.limit_bytes() as u64,
            rows: parts.rows as u64,
            unwritten: index.unwritten_bytes() as u64,
            filters: parts.filters as u64,
            fences: parts.fences as u64,
            blocks: parts.blocks as u64,
            cache: cache.held_bytes() as u64,
            log: self.log.borrow().memory_bytes() as u64,
            staging: self.staged.borrow().memory_bytes() as u64,
            backlog: (self.waiting_items() * ITEM_BYTES) as u64,
        }
    }
    fn waiting_items(&self) -> usize {
        let marks = self.marks.borrow();
        let marks = marks.queue.len() + marks.deferred.len();
        marks
            + self.promises.borrow().len()
            + self.unsettled.borrow().len()
            + self.departed.borrow().len()
            + self.cleaner.traces.borrow().len()
    }
    /// Rows that changed may take so much before a checkpoint is due.
    fn rows_limit_bytes(&self) -> usize {
        (self.index.borrow().limit_bytes() / ROWS_SHARE).max(LEAST_ROWS_BYTES)
    }
    /// Whether the rows that changed take more than their share of the index's memory.
    pub fn rows_overflow(&self) -> bool {
        self.index.borrow().dirty_bytes() > self.rows_limit_bytes()
    }
    /// Whether writers are about to wait.
    pub fn is_memory_short(&self) -> bool {
        self.index.borrow().unwritten_bytes() > self.rows_limit_bytes() * 3 / 2
    }
    /// Whether rows may be changed. What removes something may use a bit more: on a full drive it makes the room that the checkpoint
    /// needs.
    pub fn has_memory(&self, removes: bool) -> bool {
        let shares = if removes { 3 } else { 2 };
        self.index.borrow().unwritten_bytes() <= self.rows_limit_bytes() * shares
    }
    /// Waits until rows may be changed. `Full` where checkpoints fail for a while: nothing can be written out.
    pub async fn await_memory(&self, removes: bool) -> Result<(), Answer> {
        let (began, failed) = (self.runtime.now(), self.counters.failed_checkpoints.get());
        self.counters.memory_waits.add(1);
        self.checkpoints.wake();
        loop {
            let check = || (self.has_memory(removes) || self.failure().is_some()).then_some(());
            select(pin!(self.memory_changed.until(check)), pin!(self.runtime.sleep(LOOK_AGAIN))).await;
            if let Some(text) = self.failure() {
                return Err(Answer::Failed(text));
            }
            if self.has_memory(removes) {
                return Ok(());
            }
            let late = self.runtime.now().since(began) >= PATIENCE;
            if late && self.counters.failed_checkpoints.get() > failed {
                return Err(Answer::Full);
            }
        }
    }
}
