//! Stable marks: known at once, logged lazily (protocol.md section 2), as `settled` records that ride along with other traffic.

use crate::core::{Core, Effect, Mark};
use crate::entry::Entry;
use crate::format::{RecordParts, RecordType};
use crate::space::Extent;
use crate::{Ballot, Coding, Head, Key, Kind, WriteId};
use bytes::Bytes;
use std::rc::{Rc, Weak};
use std::time::Duration;

/// Without other traffic, marks are written this late; protocol.md allows a second.
const IDLE_DELAY: Duration = Duration::from_millis(500);
/// A `settled` record names at most so many extents; beyond, a replay finds them by the records that held them.
const NAMED_EXTENTS_LIMIT: usize = 256;

/// A queue of unsettled records shorter than this is not worth sweeping through.
pub(crate) const SWEEP_LENGTH: usize = 1024;

impl Core {
    /// `stable(ballot)`: marks the record if it is held, and drops all below it.
    pub fn mark_stable(&self, key: &Key, ballot: Ballot) {
        let mut index = self.index.borrow_mut();
        let Some(row) = index.get_mut(key) else { return };
        let Some(dropped) = row.settle(ballot) else { return };
        let (floor, own_key) = (row.floor(), row.entries().first().map(|entry| entry.key.clone()));
        drop(index);
        for entry in dropped.iter() {
            if let Some(place) = entry.place() {
                self.space.borrow_mut().remove_live(place.segment(), u64::from(entry.total));
                self.cache.borrow_mut().remove(place);
            }
        }
        // Readers find them there from now on; the mark keeps their space until the log has it, however short the grace.
        self.departed.borrow_mut().add(&dropped, self.runtime.now());
        let key = own_key.unwrap_or_else(|| key.clone());
        self.marks.borrow_mut().queue.push_back(Mark {
            key,
            stable: ballot,
            floor,
            dropped,
        });
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
    fn append_mark(&self, mark: Mark) -> Result<(), Mark> {
        let extents = self.freed_by(&mark);
        let head = settled_head(&mark);
        let parts = RecordParts {
            key: &mark.key,
            kind: RecordType::Settled,
            head: &head,
            shard_length: 0,
            extents: &extents,
            checksums: &[],
            payload: &[],
        };
        let bytes = parts.encoded_bytes();
        let mut log = self.log.borrow_mut();
        if !log.fits_beside(bytes) {
            return Err(mark);
        }
        let salt = self.seed.salt;
        let appended = log.append(bytes, |target| parts.encode(target, salt));
        if appended.is_err() {
            return Err(mark);
        }
        log.set_last_effect(bytes, Effect::Settled(mark.dropped));
        Ok(())
    }
    /// Extents that only the dropped records held.
    fn freed_by(&self, mark: &Mark) -> Vec<Extent> {
        let index = self.index.borrow();
        let still_held = |entry: &Rc<Entry>| {
            index
                .get(&mark.key)
                .is_some_and(|row| row.of_write_id(entry.head.write_id).is_some())
        };
        let freed = mark
            .dropped
            .iter()
            .filter(|entry| !still_held(entry))
            .filter_map(|entry| entry.extents.as_ref());
        freed.flat_map(|extents| extents.to_vec()).take(NAMED_EXTENTS_LIMIT).collect()
    }
    /// Keys whose newest record is durable here for longer than `age` and not known complete, oldest first.
    pub fn unsettled_since(&self, age: Duration, limit: usize) -> Vec<(Key, Ballot)> {
        let now = self.runtime.now();
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
            if newest == Some(entry.head.ballot) {
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

fn settled_head(mark: &Mark) -> Head {
    Head {
        ballot: mark.stable,
        write_id: WriteId::default(),
        origin: mark.floor,
        base: None,
        kind: Kind::Data,
        unconditional: false,
        size: 0,
        etag: [0; 16],
        etag_parts: 0,
        metadata: Bytes::new(),
        coding: Coding::default(),
        slot: 0,
        payload_size: 0,
        inline: true,
    }
}
