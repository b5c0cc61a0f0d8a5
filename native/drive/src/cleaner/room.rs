//! Waiting for space that the cleaner can make, and the refusal where it cannot.

use crate::Answer;
use crate::core::Core;
use crate::space::Claim;
use std::rc::Rc;
use std::time::Duration;

/// A writer waits this long for the cleaner before it is told that the drive is full.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);
/// So many segments of dead bytes are worth waiting for.
const WORTH_SEGMENTS: u64 = 1;

impl Core {
    /// Whether a claim may be met now; lets go of what is no longer needed first.
    pub fn has_room_for(&self, claim: Claim) -> bool {
        if self.space.borrow().has_room_for(claim) {
            return true;
        }
        self.take_back_space(true);
        self.space.borrow().has_room_for(claim)
    }
    /// Whether cleaning can make room for a claim.
    pub fn may_gain_room(&self, claim: Claim) -> bool {
        let current = self.log.borrow().durable_head().generation;
        let space = self.space.borrow();
        let packed = space.is_full() && claim == Claim::Data;
        let worth = WORTH_SEGMENTS * u64::from(space.geometry().segment_bytes);
        !packed && (space.has_retired() || space.dead_log_bytes(current) >= worth)
    }
    /// Waits until a claim may be met; `Full` where cleaning does not help, or not soon enough.
    pub async fn await_room_for(self: &Rc<Core>, claim: Claim) -> Result<(), Answer> {
        let began = self.runtime.now();
        let _waiting = Waiting::new(self);
        loop {
            if let Some(text) = self.failure() {
                return Err(Answer::Failed(text));
            }
            if self.has_room_for(claim) {
                return Ok(());
            }
            let waited = self.runtime.now().0.saturating_sub(began.0);
            if !self.may_gain_room(claim) || u128::from(waited) > PATIENCE.as_nanos() {
                return Err(Answer::Full);
            }
            self.runtime.sleep(LOOK_AGAIN).await;
        }
    }
}

impl Core {
    /// The same for bulk bytes.
    pub async fn await_bulk(self: &Rc<Core>, bytes: u64) -> Result<(), Answer> {
        // With room, yet not given any: too fragmented.
        if self.space.borrow().is_full_with(bytes) || self.has_room_for(Claim::Data) {
            return Err(Answer::Full);
        }
        self.await_room_for(Claim::Data).await
    }
}

/// Tells the cleaner that somebody waits.
struct Waiting<'core>(&'core Core);

impl<'core> Waiting<'core> {
    fn new(core: &'core Core) -> Waiting<'core> {
        core.cleaner.waiting.set(core.cleaner.waiting.get() + 1);
        core.provision.notify();
        Waiting(core)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.cleaner.waiting.set(self.0.cleaner.waiting.get() - 1);
    }
}
