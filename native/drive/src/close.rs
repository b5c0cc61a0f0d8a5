//! Closing in peace: everything known is written, and a root says so; the next start has no doubt about the last batch.

use crate::core::Core;
use crate::format::{Root, STATE_RECORD_BYTES};
use std::io;
use std::rc::Rc;

/// No mark is longer.
const MARK_ROOM_BYTES: usize = 4096;

impl Core {
    /// Writes a root that names the log as it is durable now.
    pub async fn write_root(&self, clean: bool) -> io::Result<()> {
        let end = *self.log.borrow().durable_head();
        let (log_start, log_start_generation) = self.log_start;
        let (generation, last_sequence) = (end.generation, end.sequence);
        let state = self.acceptor.get();
        self.roots
            .write(Root {
                sequence: 0,
                clean,
                log_start,
                log_start_generation,
                generation,
                last_sequence,
                state,
            })
            .await
    }
    /// Writes pending marks, the bound as low as promises allow, and a clean root.
    pub async fn close(self: &Rc<Core>) {
        if self.closed.get() || self.closing.replace(true) {
            return;
        }
        if self.write_last_records().await.is_ok() && self.write_root(true).await.is_err() {
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
    }
    async fn write_last_records(self: &Rc<Core>) -> Result<(), crate::Answer> {
        self.all_durable().await?;
        loop {
            if let Some(text) = self.failure() {
                return Err(crate::Answer::Failed(text));
            }
            self.room(MARK_ROOM_BYTES).await?;
            self.append_marks();
            if self.marks.borrow().queue.is_empty() {
                break;
            }
            // The batch is full: another one for the rest.
            self.wake_pump();
            self.all_durable().await?;
        }
        self.room(STATE_RECORD_BYTES).await?;
        let promised = self.highest_promise.get().max(self.acceptor.get().drive_floor);
        let ordinal = self.append_bound(promised.clock).map_err(|_| crate::Answer::Full)?;
        self.wake_pump();
        self.durable(ordinal).await
    }
}
