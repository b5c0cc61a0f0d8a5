//! Checkpoints: from time to time everything that is in memory and not in a run is written, so that a start needs no older log.

use crate::core::Core;
use std::cell::Cell;

/// What is known of checkpoints.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Sequence of the log's last batch in the last checkpoint whose root is durable.
    durable: Cell<u64>,
    wanted: Cell<bool>,
}

impl Core {
    /// Asks for a checkpoint soon. Space of retired log segments comes back after it (and a second one, made as well).
    pub fn request_checkpoint(&self) {
        self.checkpoints.wanted.set(true);
    }
    /// Sequence of the last batch that the newest durable checkpoint holds; 0: none.
    pub fn checkpointed(&self) -> u64 {
        self.checkpoints.durable.get()
    }
    /// A log segment of which nothing is needed any more: all that lived in it was moved, durably, and nobody reads it. It is used
    /// again when no checkpoint that a start could go back to needs it.
    pub fn retire_log(&self, segment: u32) {
        self.space.borrow_mut().retire_log(segment);
        self.request_checkpoint();
    }
}
