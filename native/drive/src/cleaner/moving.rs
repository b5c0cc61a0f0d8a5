//! Moving one record: a copy at the log's end, and, when that is durable and nothing has changed meanwhile, the index points there.

use crate::core::{Core, Effect};
use crate::entry::Entry;
use crate::format::{MarkKind, MarkParts, StoredMark, StoredRecord, mark_bytes};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Claim, Place};
use crate::{Answer, Key, Kind};
use std::rc::Rc;

/// A copy on its way.
pub(crate) struct Move {
    /// The version that was copied, or that the copied mark is about. Held, so that its row stays in memory.
    pub entry: Rc<Entry>,
    /// The copy of a version says itself that it is complete.
    pub stable: bool,
}

/// A copy of the trace of a collected tombstone on its way; its row stays in memory.
pub(crate) struct TraceMove {
    pub key: Key,
}

/// What became of a try to move a record.
pub(crate) enum Moving {
    /// It does not live any more, or not here.
    Dead,
    Appended,
    /// So many bytes need room first.
    NeedsRoom(usize),
}

impl Core {
    /// Copies a version that lies at `from`, if it lives there. `source` is the record's bytes. In one step: decided and appended.
    pub fn move_version(&self, entry: &Rc<Entry>, from: Place, record: &StoredRecord<'_>, source: &[u8]) -> Moving {
        let index = self.index.borrow();
        let held = |row: &&crate::row::Row| row.entries().iter().any(|held| Rc::ptr_eq(held, entry));
        let Some(row) = index
            .get(&entry.key)
            .filter(held)
            .filter(|_| entry.place() == Some(from) && !entry.replacing.get())
        else {
            return Moving::Dead;
        };
        if entry.going.get() {
            // It lives until its `drop` mark is durable. A copy would come behind that mark in the log.
            return Moving::Dead;
        }
        if is_planted(Sabotage::TombstoneNotMoved) && entry.head.kind == Kind::Tombstone {
            self.space.borrow_mut().remove_live(from.segment(), u64::from(entry.total));
            return Moving::Dead;
        }
        let stable = row.stable() == Some(entry.head.ballot);
        let entry = entry.clone();
        let encode = |target: &mut [u8], salt| record.copy_moved(source, stable, target, salt);
        self.append_moved(source.len(), Effect::Moved(Move { entry, stable }), encode)
    }
    /// Copies the mark about `entry` that lies at `from`, if its row needs it there.
    pub fn move_mark(&self, entry: &Rc<Entry>, from: Place) -> Moving {
        let index = self.index.borrow();
        let needed = |row: &&crate::row::Row| row.mark() == Some(from) && !entry.going.get();
        let Some(row) = index.get(&entry.key).filter(needed) else {
            return Moving::Dead;
        };
        let parts = MarkParts {
            kind: MarkKind::Settled,
            key: &entry.key,
            ballot: entry.head.ballot,
            floor: row.floor(),
            moved: true,
        };
        let (entry, stable) = (entry.clone(), true);
        let encode = |target: &mut [u8], salt| parts.encode(target, salt);
        self.append_moved(parts.encoded_bytes(), Effect::MarkMoved(Move { entry, stable }), encode)
    }
    /// Copies the trace of a collected tombstone that lies at `from`, if it is needed there.
    pub fn move_trace(&self, key: &Key, mark: &StoredMark<'_>, from: Place) -> Moving {
        let index = self.index.borrow();
        if index.get(key).is_none_or(|row| row.mark() != Some(from) || row.trace().is_none()) {
            return Moving::Dead;
        }
        let parts = MarkParts {
            kind: MarkKind::Drop,
            key,
            ballot: mark.ballot,
            floor: mark.floor,
            moved: true,
        };
        let key = index.own_key(key);
        let encode = |target: &mut [u8], salt| parts.encode(target, salt);
        let moving = self.append_moved(parts.encoded_bytes(), Effect::TraceMoved(TraceMove { key: key.clone() }), encode);
        drop(index);
        if matches!(moving, Moving::Appended) {
            self.index.borrow_mut().begin_trace_move(&key);
        }
        moving
    }
    /// Appends a copy of `bytes`, written by `encode` with the drive's salt; `effect` is what it does once durable.
    fn append_moved(&self, bytes: usize, effect: Effect, encode: impl FnOnce(&mut [u8], u64)) -> Moving {
        if !self.has_log_room(bytes, Claim::Move) {
            return Moving::NeedsRoom(bytes);
        }
        let mut log = self.log.borrow_mut();
        let salt = self.seed.salt;
        if log.append_patiently(bytes, |target| encode(target, salt)).is_err() {
            return Moving::NeedsRoom(bytes);
        }
        log.set_last_effect(bytes, effect);
        self.count_move(bytes);
        Moving::Appended
    }
    /// Waits for room for a move, which may use all of the reserve; `Full` when only the cleaner itself could make some.
    pub async fn room_to_move(&self, bytes: usize) -> Result<(), Answer> {
        self.wake_pump();
        let check = || match self.has_log_room(bytes, Claim::Move) {
            true => Some(Ok(())),
            false if self.lacks_segments(Claim::Move) && !self.space.borrow().has_retired() => Some(Err(Answer::Full)),
            false => None,
        };
        self.log_changed.until(check).await
    }
    fn count_move(&self, bytes: usize) {
        self.cleaner.moved_records.add(1);
        self.cleaner.moved_bytes.add(bytes as u64);
    }

    /// The copy of a version is durable at `to`.
    pub fn note_moved(&self, moved: &Move, to: Place, sequence: u64) {
        let entry = &moved.entry;
        let mut index = self.index.borrow_mut();
        let Some(row) = index.change(&entry.key) else { return };
        let held = row.entries().iter().any(|held| Rc::ptr_eq(held, entry));
        let Some(from) = entry.place().filter(|_| held) else {
            // Superseded meanwhile: the copy is dead from birth.
            if is_planted(Sabotage::MoveOverNewer)
                && let Some(newest) = row.newest()
            {
                newest.move_to(to);
            }
            return;
        };
        // Of several copies the last one counts, as it does for a start that reads them all.
        let (old_key, new_key) = (self.cache_key(from), self.cache_key(to));
        let mut space = self.space.borrow_mut();
        let bytes = u64::from(entry.total);
        space.add_live(to.segment(), bytes, sequence);
        space.remove_live(from.segment(), bytes);
        entry.move_to(to);
        if moved.stable
            && row.stable() == Some(entry.head.ballot)
            && let Some(mark) = row.set_mark(None)
        {
            space.remove_live(mark.segment(), mark_bytes(&entry.key) as u64);
        }
        self.cache.borrow_mut().rename(old_key, new_key);
    }
    /// The copy of a mark is durable at `to`.
    pub fn note_mark_moved(&self, moved: &Move, to: Place, sequence: u64) {
        self.note_mark(&moved.entry, to, sequence);
    }
    /// The copy of a trace is durable at `to`.
    pub fn note_trace_moved(&self, moved: &TraceMove, to: Place, sequence: u64) {
        let key = &moved.key;
        let mut index = self.index.borrow_mut();
        index.end_trace_move(key);
        let Some(row) = index.change(key).filter(|row| row.trace().is_some()) else {
            return;
        };
        let Some(from) = row.mark() else { return };
        let bytes = mark_bytes(key) as u64;
        let mut space = self.space.borrow_mut();
        space.add_live(to.segment(), bytes, sequence);
        space.remove_live(from.segment(), bytes);
        row.move_mark(to);
    }
}
