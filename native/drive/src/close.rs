//! Closing in peace: everything known is written and in a checkpoint, and a root says so; the next start reads no log at all.

use crate::core::Core;
use crate::format::STATE_RECORD_BYTES;
use crate::space::Claim;
use std::rc::Rc;

impl Core {
    /// Writes pending marks, the bound as low as promises allow, a checkpoint, and a clean root.
    pub async fn close(self: &Rc<Core>) {
        if self.closed.get() || self.closing.replace(true) {
            return;
        }
        if self.write_last_records().await.is_ok() && (self.checkpoint().await.is_err() || self.write_root(true).await.is_err()) {
            self.counters.errors.add(1);
        }
        self.closed.set(true);
        self.stop();
    }
    /// Lets the drive's tasks end.
    pub fn stop(&self) {
        self.closed.set(true);
        self.log_changed.notify();
        self.provision.notify();
        self.runs_changed.notify();
        self.pump.notify();
        self.memory_changed.notify();
        self.end_backlog();
        self.checkpoints.wake();
    }
    async fn write_last_records(self: &Rc<Core>) -> Result<(), crate::Answer> {
        self.all_durable().await?;
        self.flush_marks().await?;
        self.room(STATE_RECORD_BYTES, Claim::Mark).await?;
        let promised = self.highest_promise.get().max(self.acceptor.get().drive_floor);
        let ordinal = self.append_bound(promised.clock).map_err(|_| crate::Answer::Full)?;
        self.wake_pump();
        self.durable(ordinal).await
    }
}
