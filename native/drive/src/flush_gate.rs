//! Flush tickets: one flush of bulk space at a time, shared by all who wait.
//!
//! A flush makes durable what completed before it *started*; so whoever comes while one runs waits for the next.

use crate::core::Core;
use crate::signal::Signal;
use std::cell::Cell;
use std::rc::Rc;

/// Rounds of flushes.
#[derive(Default)]
pub(crate) struct FlushGate {
    started: Cell<u64>,
    finished: Cell<u64>,
    running: Cell<bool>,
    changed: Signal,
}

impl Core {
    /// Returns when every bulk write that completed before this call is durable. After a failed flush no later one is believed: the
    /// drive has failed.
    pub async fn flush_bulk(self: &Rc<Core>) -> Result<(), String> {
        let gate = &self.flush_gate;
        let ticket = gate.started.get() + 1;
        loop {
            if let Some(failure) = self.failure() {
                return Err(failure);
            }
            if gate.finished.get() >= ticket {
                return Ok(());
            }
            if !gate.running.replace(true) {
                gate.started.set(gate.started.get() + 1);
                let core = self.clone();
                // A task of its own: the one who asked may go away.
                self.runtime.spawn(async move {
                    if let Err(error) = core.medium.flush().await {
                        core.fail(format!("a flush of bulk space failed: {error}"));
                    }
                    core.flush_gate.finished.set(core.flush_gate.started.get());
                    core.flush_gate.running.set(false);
                    core.flush_gate.changed.notify();
                });
            }
            gate.changed.until(|| (!gate.running.get()).then_some(())).await;
        }
    }
}
