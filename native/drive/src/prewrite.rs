//! Writes zeros ahead into segments that the log will use: a durable write into written space is two to seven times cheaper than
//! one that must first convert unwritten extents of the filesystem.
//!
//! Never on the log's path: a segment that the log reaches first is used as it is.

use crate::core::Core;
use crate::medium::ZEROS_BYTES;
use std::rc::Rc;

impl Core {
    /// Works as long as the drive is open.
    pub async fn run_prewrite(self: Rc<Core>) {
        if self.medium.home().is_device() {
            // Without a filesystem no extent is ever unwritten.
            return;
        }
        loop {
            let target = self.provision.until(|| match self.failure() {
                Some(_) => Some(None),
                None => self.prewrite_target().map(Some),
            });
            let Some(segment) = target.await else { return };
            self.prewrite(segment).await;
        }
    }
    /// The next segment worth it. A drive that hardly writes prepares nothing.
    fn prewrite_target(&self) -> Option<u32> {
        let log = self.log.borrow();
        let busy = log.is_busy();
        let written = self.prewritten.borrow();
        log.segments_ahead().find(|segment| busy && !written.contains(segment))
    }
    async fn prewrite(self: &Rc<Core>, segment: u32) {
        // The first page last: it may say that the segment was given back, which holds for what lies behind it.
        let segment_bytes = self.medium.geometry().segment_bytes;
        let mut offsets: Vec<u32> = (0..segment_bytes).step_by(ZEROS_BYTES).collect();
        offsets.rotate_left(1);
        for offset in offsets {
            if self.failure().is_some() || !self.log.borrow_mut().begin_zeroing(segment) {
                break;
            }
            let written = self.medium.write_zeros(segment, offset).await;
            self.log.borrow_mut().end_zeroing();
            self.resolve_error();
            self.wake_pump();
            self.log_changed.notify();
            // The log will meet the error itself, if it lasts.
            if written.is_err() {
                break;
            }
            self.runtime.yield_now().await;
        }
        self.prewritten.borrow_mut().insert(segment);
    }
}
