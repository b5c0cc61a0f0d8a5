//! Keeps the log supplied: containers on demand, free segments to roll into, zeros written ahead into them.

use crate::Answer;
use crate::core::Core;
use crate::space::KEPT_FROM_LOG;
use std::rc::Rc;

/// Segments that wait to be rolled into, beside the one already named as next.
const READY_SEGMENTS: usize = 2;

impl Core {
    /// Works as long as the drive is open.
    pub async fn run_provision(self: Rc<Core>) {
        loop {
            self.provision
                .until(|| (self.closed.get() || self.wants_segments() || self.wants_growth()).then_some(()))
                .await;
            if self.failure().is_some() {
                return;
            }
            if self.wants_growth() {
                self.grow().await.ok();
                continue;
            }
            if !self.add_ready(KEPT_FROM_LOG).await {
                // Freed bulk segments may serve the log later: look again when something was written.
                self.log_changed.notify();
                let may_go_on = || self.space.borrow().free_segments() > KEPT_FROM_LOG || self.wants_growth();
                self.provision.until(|| (self.closed.get() || may_go_on()).then_some(())).await;
            }
        }
    }
    /// Whether the next data would have to wait for a container: what is kept from data must exist before.
    fn wants_growth(&self) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        space.free_segments() <= space.kept_from_bulk(supply) && !space.is_full(supply) && self.medium.may_grow()
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
                    core.space.borrow_mut().set_grows(false);
                }
            }
            core.growing.set(false);
            core.log_changed.notify();
        });
        self.log_changed.until(|| (!self.growing.get()).then_some(())).await;
        Ok(())
    }
}
