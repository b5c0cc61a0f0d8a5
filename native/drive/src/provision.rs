//! Keeps the log supplied: containers on demand, free segments to roll into, zeros written ahead into them.

use crate::Answer;
use crate::core::Core;
use crate::space::KEPT_FOR_INDEX;
use std::rc::Rc;

/// Segments that wait to be rolled into, beside the one already named as next.
const READY_SEGMENTS: usize = 2;

impl Core {
    /// Works as long as the drive is open.
    pub async fn run_provision(self: Rc<Core>) {
        loop {
            self.provision
                .until(|| (self.closed.get() || self.wants_segments()).then_some(()))
                .await;
            if self.failure().is_some() {
                return;
            }
            if !self.add_ready(KEPT_FOR_INDEX).await {
                // Freed bulk segments may serve the log later: look again when something was written.
                self.exhausted.set(true);
                self.log_changed.notify();
                self.provision
                    .until(|| (self.closed.get() || self.space.borrow().free_segments() > KEPT_FOR_INDEX).then_some(()))
                    .await;
            }
        }
    }
    fn wants_segments(&self) -> bool {
        self.log.borrow().ready_segments() < READY_SEGMENTS
    }
    /// Gives the log one more segment; false when no more than `kept` are free.
    pub async fn add_ready(self: &Rc<Core>, kept: u32) -> bool {
        loop {
            let taken = self.space.borrow_mut().take_log(kept);
            if let Some(segment) = taken {
                self.log.borrow_mut().add_ready(segment);
                self.exhausted.set(false);
                self.log_changed.notify();
                return true;
            }
            if self.grow().await.is_err() {
                return false;
            }
        }
    }
    /// Makes the next container, or waits until somebody else has. `Full` when none can be made.
    pub async fn grow(self: &Rc<Core>) -> Result<(), Answer> {
        if self.growing.get() {
            self.log_changed.until(|| (!self.growing.get()).then_some(())).await;
            return Ok(());
        }
        if let Some(text) = self.failure() {
            return Err(Answer::Failed(text));
        }
        if !self.medium.may_grow() {
            return Err(Answer::Full);
        }
        self.growing.set(true);
        let core = self.clone();
        // A task of its own: the one who asked may go away in the middle.
        self.runtime.spawn(async move {
            match core.medium.make_container().await {
                Ok(()) => core.space.borrow_mut().set_made(core.medium.made_segments()),
                Err(error) => {
                    core.counters.errors.add(1);
                    core.suspect(format!("the drive cannot grow to its capacity: {error}"));
                    core.medium.stop_growing();
                    core.space.borrow_mut().forget_unmade();
                }
            }
            core.growing.set(false);
            core.log_changed.notify();
        });
        self.log_changed.until(|| (!self.growing.get()).then_some(())).await;
        Ok(())
    }
}
