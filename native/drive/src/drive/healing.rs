//! The drive as its healer sees it: what it lacks, filling it, and how much those who wait for it suffer from that.

use super::Drive;
use crate::core::Core;
use crate::fill::Filling;
use crate::{Answer, Ballot, HealProgress, Key, Record, WriteId};
use std::rc::Rc;

/// Work beside that of a drive's clients, as long as this lives.
pub struct WorkBeside(Rc<Core>);

impl Drop for WorkBeside {
    fn drop(&mut self) {
        self.0.strain.end_work();
    }
}

impl Drive {
    /// The floor of all keys; see [`Filling`].
    pub fn floor(&self) -> Ballot {
        self.handle.core.acceptor.get().drive_floor
    }
    /// Begins the service of a blank drive; in words, why not.
    pub async fn adopt(&self, floor: Ballot, generation: u32) -> Result<(), String> {
        self.refuse_unless_serving()?;
        self.handle.core.adopt(floor, generation).await
    }
    /// Forgets what was staged of a shard. Unlike after `Unstage`, it may be staged anew at once.
    pub fn discard_staged(&self, write_id: WriteId) {
        self.handle.core.staged.borrow_mut().remove(write_id);
    }
    /// A shard may be staged although it was unstaged just now.
    pub fn allow_staging(&self, write_id: WriteId) {
        self.handle.core.staged.borrow_mut().allow(write_id);
    }
    /// Ends the service of a drive whose slot was given to another one meanwhile. `reason`: whom.
    pub fn supersede(&self, reason: String) {
        self.handle.core.suspect(reason.clone());
        *self.handle.core.superseded.borrow_mut() = Some(reason);
    }
    /// Puts a complete version in its place; its bytes come with it, or were staged.
    pub async fn fill(&self, key: Key, record: Record, filling: Filling) -> Answer {
        match self.refuse_unless_serving() {
            Err(text) => Answer::Failed(text),
            Ok(()) => self.handle.core.fill(key, record, filling).await,
        }
    }
    /// How whole the drive is.
    pub fn heal_progress(&self) -> HealProgress {
        self.handle.core.heal_progress()
    }
    /// All keys of a dirty drive below `cursor` were filled. In words, why that could not be noted.
    pub async fn note_healed(&self, cursor: Key) -> Result<(), String> {
        self.refuse_unless_serving()?;
        let noted = self.handle.core.note_healed(cursor).await;
        noted.map_err(|answer| format!("{answer:?}"))
    }
    /// All keys of a dirty drive were filled.
    pub async fn end_healing(&self) -> Result<(), String> {
        self.refuse_unless_serving()?;
        let ended = self.handle.core.end_healing().await;
        ended.map_err(|answer| format!("{answer:?}"))
    }
    /// Takes up to `limit` keys that others say this drive missed.
    pub fn take_missed(&self, limit: usize) -> Vec<Key> {
        self.handle.core.ailments.take_missed(limit)
    }
    /// Takes up to `limit` keys of which a block was found damaged.
    pub fn take_damaged(&self, limit: usize) -> Vec<Key> {
        self.handle.core.ailments.take_damaged(limit)
    }
    /// Gives keys back that could not be healed yet.
    pub fn put_back(&self, missed: Vec<Key>, damaged: &[Key]) {
        let ailments = &self.handle.core.ailments;
        ailments.note_missed(missed, false);
        damaged.iter().for_each(|key| ailments.note_damaged(key));
    }
    /// Whether keys were missed that nobody remembers; asked once.
    pub fn take_lost(&self) -> bool {
        self.handle.core.ailments.take_lost()
    }
    /// Work beside that of clients begins, healing for one; it ends when the guard goes. Who waits for the drive meanwhile and who does not
    /// is compared, see [`Drive::is_strained`].
    pub fn work_beside(&self) -> WorkBeside {
        self.handle.core.strain.begin_work();
        WorkBeside(self.handle.core.clone())
    }
    /// Whether those who wait for the drive wait much longer for all that goes on beside them.
    pub fn is_strained(&self) -> bool {
        self.handle.core.strain.is_high()
    }
}
