//! Stable marks: known at once, logged lazily (protocol.md section 2), as `settled` records that ride along with other traffic.

use crate::core::{Core, Effect, Mark};
use crate::entry::Entry;
use crate::format::{MarkKind, MarkParts, mark_bytes};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Claim, Place};
use crate::{Answer, Ballot, Key, LOCAL_BUCKET};
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Without other traffic, marks are written this late; protocol.md allows a second.
const IDLE_DELAY: Duration = Duration::from_millis(500);

/// No mark is longer.
const MARK_ROOM_BYTES: usize = 4096;
/// A queue of unsettled records shorter than this is not worth sweeping through.
pub(crate) const SWEEP_LENGTH: usize = 1024;

impl Core {
    /// `stable(ballot)`: marks the record if it is held, and drops all below it.
    pub fn mark_stable(&self, key: &Key, ballot: Ballot) {
        {
            let mut marks = self.marks.borrow_mut();
            if marks.held > 0 {
                // Held, so that its row stays in memory.
                let index = self.index.borrow();
                let entries = index.get(key).into_iter().flat_map(|row| row.entries());
                let told = entries.filter(|entry| entry.head.ballot == ballot && !entry.settled.get());
                marks.deferred.extend(told.cloned());
                return;
            }
        }
        let mut index = self.index.borrow_mut();
        let Some(row) = index.change(key) else { return };
        let Some(dropped) = row.settle(ballot) else { return };
        let Some(entry) = row.stable_entry().cloned() else { return };
        let (floor, superseded) = (row.floor(), row.set_mark(None));
        drop(index);
        if let Some(mark) = superseded {
            self.space.borrow_mut().remove_live(mark.segment(), mark_bytes(key) as u64);
        }
        for entry in dropped.iter() {
            if let Some(place) = entry.place() {
                self.space.borrow_mut().remove_live(place.segment(), u64::from(entry.total));
                self.cache.borrow_mut().remove(self.cache_key(place));
            }
        }
        let dropped = if is_planted(Sabotage::EarlyRelease) { Vec::new() } else { dropped };
        // Readers find them there from now on; the mark keeps their space until the log has it, however short the grace.
        self.departed.borrow_mut().add(&dropped, &self.leases, self.runtime.now());
        self.marks.borrow_mut().queue.push_back(Mark { entry, floor, dropped });
    }
    /// Makes sure that marks do not wait for traffic that never comes.
    pub fn start_mark_timer(self: &Rc<Core>) {
        let mut marks = self.marks.borrow_mut();
        if marks.queue.is_empty() || std::mem::replace(&mut marks.timer, true) {
            return;
        }
        let core = self.clone();
        self.runtime.spawn(async move {
            loop {
                core.runtime.sleep(IDLE_DELAY).await;
                if core.failure().is_some() || core.marks.borrow().queue.is_empty() {
                    break;
                }
                core.append_marks();
                core.wake_pump();
            }
            core.marks.borrow_mut().timer = false;
        });
    }
    /// Appends waiting marks to the open batch as long as they fit into it.
    pub fn append_marks(&self) {
        loop {
            let Some(mark) = self.marks.borrow_mut().queue.pop_front() else {
                return;
            };
            if let Err(mark) = self.append_mark(mark) {
                self.marks.borrow_mut().queue.push_front(mark);
                return;
            }
        }
    }
    /// Writes all waiting marks, durably.
    pub async fn flush_marks(self: &Rc<Core>) -> Result<(), Answer> {
        loop {
            if let Some(text) = self.failure() {
                return Err(Answer::Failed(text));
            }
            // Without any waiting there is no room to wait for: the cleaner, which makes it, may itself wait for a checkpoint.
            if !self.marks.borrow().queue.is_empty() {
                self.room(MARK_ROOM_BYTES, Claim::Mark).await?;
                self.append_marks();
            }
            self.wake_pump();
            self.all_durable().await?;
            if self.marks.borrow().queue.is_empty() {
                return Ok(());
            }
        }
    }
    /// Lets marks be known again that were held back.
    pub fn release_marks(self: &Rc<Core>) {
        let deferred = {
            let mut marks = self.marks.borrow_mut();
            marks.held -= 1;
            if marks.held > 0 {
                return;
            }
            std::mem::take(&mut marks.deferred)
        };
        for entry in deferred {
            self.mark_stable(&entry.key, entry.head.ballot);
        }
        self.start_mark_timer();
    }
    fn append_mark(&self, mark: Mark) -> Result<(), Mark> {
        let entry = mark.entry.clone();
        let parts = MarkParts {
            kind: MarkKind::Settled,
            key: &entry.key,
            ballot: entry.head.ballot,
            floor: mark.floor,
            moved: false,
        };
        let bytes = parts.encoded_bytes();
        let may_roll = self.may_roll(Claim::Mark);
        let mut log = self.log.borrow_mut();
        if !log.fits_beside(bytes, may_roll) {
            return Err(mark);
        }
        let salt = self.seed.salt;
        let appended = log.append(bytes, |target| parts.encode(target, salt));
        if appended.is_err() {
            return Err(mark);
        }
        log.set_last_effect(bytes, Effect::Settled(mark));
        Ok(())
    }
    /// A mark is durable at `place`: it lives as long as its row stands at the same version and nothing else says so.
    pub fn note_mark(&self, entry: &Entry, place: Place, sequence: u64) {
        let bytes = mark_bytes(&entry.key) as u64;
        let mut index = self.index.borrow_mut();
        let Some(row) = index.change(&entry.key) else { return };
        if row.stable() != Some(entry.head.ballot) {
            return;
        }
        let mut space = self.space.borrow_mut();
        space.add_live(place.segment(), bytes, sequence);
        if let Some(before) = row.set_mark(Some(place)) {
            space.remove_live(before.segment(), bytes);
        }
    }
    /// Keys whose newest record is durable here for longer than `age` and not known complete, oldest first.
    pub fn unsettled_since(&self, age: Duration, limit: usize) -> Vec<(Key, Ballot)> {
        let now = self.runtime.now();
        self.want_backlog();
        let mut queue = self.unsettled.borrow_mut();
        let mut found = Vec::new();
        let mut waiting = 0;
        while found.len() < limit {
            let Some(weak) = queue.get(waiting) else { break };
            let Some(entry) = weak.upgrade().filter(|entry| !entry.settled.get()) else {
                // Settled in the meantime: from the front it goes for good, inside it is swept when it gets there.
                if waiting == 0 {
                    queue.pop_front();
                } else {
                    waiting += 1;
                }
                continue;
            };
            if u128::from(now.0.saturating_sub(entry.since.get().0)) < age.as_nanos() {
                break;
            }
            let newest = self
                .index
                .borrow()
                .get(&entry.key)
                .and_then(|row| row.newest().map(|newest| newest.head.ballot));
            if newest == Some(entry.head.ballot) && entry.key.bucket < LOCAL_BUCKET {
                found.push((entry.key.clone(), entry.head.ballot));
            }
            waiting += 1;
        }
        found
    }
    /// Sweeps settled records out of the queue, so that it stays about as short as what is unsettled.
    pub fn sweep_unsettled(&self) {
        let mut queue = self.unsettled.borrow_mut();
        let is_unsettled = |weak: &Weak<Entry>| weak.upgrade().is_some_and(|entry| !entry.settled.get());
        while queue.front().is_some_and(|weak| !is_unsettled(weak)) {
            queue.pop_front();
        }
        if queue.len() > self.sweep_at.get() {
            queue.retain(is_unsettled);
            self.sweep_at.set((queue.len() * 2).max(SWEEP_LENGTH));
        }
    }
}
