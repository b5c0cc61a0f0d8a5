//! Waiting for space that the cleaner can make, and the refusal where it cannot.

use crate::core::Core;
use crate::space::{Claim, Supply};
use crate::{Answer, Key};
use std::rc::Rc;
use std::time::Duration;

/// A writer waits this long for the cleaner before it is told that the drive is full.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// How often it looks.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

impl Core {
    /// What there is beside the free segments.
    pub fn supply(&self) -> Supply {
        Supply {
            ready: self.log.borrow().ready_segments() as u32,
            index_bytes: self.index_bytes.get() + self.index.borrow().unwritten_bytes() as u64,
        }
    }
    /// Whether a claim may be met now; lets go of what is no longer needed first.
    pub fn has_room_for(&self, claim: Claim) -> bool {
        let supply = self.supply();
        let has_room = || !self.owes_checkpoint() && self.space.borrow().has_room_for(claim, supply);
        if has_room() {
            return true;
        }
        let may_grow = self.medium.may_grow();
        self.space.borrow_mut().set_grows(may_grow);
        self.take_back_space(!may_grow);
        has_room()
    }
    /// Whether so many rows changed that they might take more space than is kept for a checkpoint.
    fn owes_checkpoint(&self) -> bool {
        self.index.borrow().dirty_bytes() > 0 && !self.fits_checkpoint(0)
    }
    /// Whether the rows that changed, and `more` bytes of others, surely find the space for the next checkpoint.
    fn fits_checkpoint(&self, more: usize) -> bool {
        let changed = self.index.borrow().dirty_bytes() + self.cleaner.moving_bytes.get() + more;
        changed as u64 <= self.space.borrow().sure_index_bytes()
    }
    /// Whether the row of `key`, which is in memory, may change by a move without making the next checkpoint too large.
    pub fn fits_moved_row(&self, key: &Key) -> bool {
        let row = self.index.borrow().bytes_to_write(key);
        row == 0 || self.fits_checkpoint(row)
    }
    /// A copy that will change the row of `key` is on its way.
    pub fn count_moving(&self, key: &Key) {
        let row = self.index.borrow().bytes_to_write(key);
        self.cleaner.moving_bytes.set(self.cleaner.moving_bytes.get() + row);
    }
    /// Lets rows that changed be written, so that a further one may. False: it may not for now.
    pub async fn await_moved_rows(self: &Rc<Core>) -> bool {
        self.wake_pump();
        if self.all_durable().await.is_err() {
            return false;
        }
        self.cleaner.moving_bytes.set(0);
        let failed = self.counters.failed_checkpoints.get();
        let installed = self.index.borrow().generation();
        let is_written = || self.index.borrow().dirty_bytes() == 0 || self.index.borrow().generation() > installed;
        self.request_checkpoint();
        while self.may_clean() && !is_written() {
            if self.counters.failed_checkpoints.get() > failed {
                return false;
            }
            self.runtime.sleep(LOOK_AGAIN).await;
        }
        self.may_clean() && self.space.borrow().sure_index_bytes() > 0
    }
    /// Whether the log may go on in another segment for a claim.
    pub fn may_roll(&self, claim: Claim) -> bool {
        let supply = self.supply();
        self.space.borrow().may_roll(claim, supply)
    }
    /// Whether it may not, and no container can be made.
    pub fn lacks_segments(&self, claim: Claim) -> bool {
        !self.log.borrow().is_backed_up() && !self.may_roll(claim) && !self.medium.may_grow()
    }
    /// Whether cleaning can make room for a claim.
    pub fn may_gain_room(&self, claim: Claim) -> bool {
        let supply = self.supply();
        let packed = claim == Claim::Data && self.space.borrow().is_full(supply);
        !packed && self.may_gain_space()
    }
    /// Whether another container would help.
    fn may_gain_by_growing(&self, claim: Claim) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        let full = claim == Claim::Data && space.is_full(supply);
        !full && !space.may_roll(claim, supply) && self.medium.may_grow()
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
            if self.may_gain_by_growing(claim) {
                self.grow().await.ok();
                continue;
            }
            let waited = self.runtime.now().0.saturating_sub(began.0);
            if self.owes_checkpoint() {
                self.request_checkpoint();
            } else if !self.may_gain_room(claim) {
                return Err(Answer::Full);
            }
            if u128::from(waited) > PATIENCE.as_nanos() {
                return Err(Answer::Full);
            }
            self.runtime.sleep(LOOK_AGAIN).await;
        }
    }
}

impl Core {
    /// Whether another container would help bulk bytes that found no space.
    pub fn may_gain_bulk_by_growing(&self, bytes: u64) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        self.medium.may_grow() && !space.is_full_with(bytes, supply) && !space.is_full(supply)
    }
    /// Waits until bulk bytes may find space.
    pub async fn await_bulk(self: &Rc<Core>, bytes: u64) -> Result<(), Answer> {
        // With room, yet not given any: too fragmented.
        let supply = self.supply();
        if self.space.borrow().is_full_with(bytes, supply) || self.has_room_for(Claim::Data) {
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
