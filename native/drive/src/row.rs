//! What a drive holds of one key, and the acceptor's rules over it (protocol.md sections 2, 3 and 15). Pure: no clock, no I/O.

use crate::entry::Entry;
use crate::sabotage::{Sabotage, is_planted};
use crate::space::Place;
use crate::{Ballot, KeyState, WriteId, told};
use std::ops::RangeInclusive;
use std::rc::Rc;

/// Unstable records that a key may gather before it must be settled.
pub(crate) const UNSTABLE_LIMIT: usize = 8;
/// Records that follow a prepare (they name a base) are taken beyond that, as completing one of them is what settles the key.
pub(crate) const PREPARED_LIMIT: usize = 64;
/// A ballot further ahead of the drive's clock than this is not taken, milliseconds.
pub(crate) const CLOCK_LIMIT_MS: u64 = 5_000;

/// Memory of a version beside its metadata, and of a set of extents beside these.
const VERSION_BYTES: usize = size_of::<Entry>() + 32;
const EXTENTS_BYTES: usize = 128;

/// State of one key.
#[derive(Default)]
pub(crate) struct Row {
    /// Ascending by ballot.
    entries: Vec<Rc<Entry>>,
    stable: Option<Ballot>,
    floor: Ballot,
    /// The record of the log that keeps `stable` known to a rebuild; `None` where the version's own record says it, or none does yet.
    mark: Option<Place>,
    /// No log segment of a lower generation holds a record of this key; 0: not known.
    oldest: u64,
    /// Not 0: `mark` is the trace of a collected tombstone, needed while segments of generations `oldest` to this one are left.
    collected: u64,
}

/// What a drive does with a record to be published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accept,
    /// Held already.
    Duplicate,
    Refuse,
    SettleFirst,
}

impl Row {
    /// A row as a run has it: durable entries, ascending by ballot.
    pub fn restored(
        entries: Vec<Rc<Entry>>,
        stable: Option<Ballot>,
        floor: Ballot,
        mark: Option<Place>,
        (oldest, collected): (u64, u64),
    ) -> Row {
        for entry in entries.iter().filter(|entry| Some(entry.head.ballot) <= stable) {
            entry.settled.set(true);
        }
        Row {
            entries,
            stable,
            floor,
            mark,
            oldest,
            collected,
        }
    }
    /// Whether it says nothing: as good as no row.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.floor == Ballot::ZERO && self.collected == 0
    }
    /// Memory of its versions, estimated.
    pub fn memory_bytes(&self) -> usize {
        let versions = self.entries.iter().map(|entry| VERSION_BYTES + entry.head.metadata.len());
        let bulk = self.entries.iter().filter_map(|entry| entry.extents.as_ref());
        versions.sum::<usize>() + bulk.map(|extents| EXTENTS_BYTES + extents.memory_bytes()).sum::<usize>()
    }
    /// Records, oldest first, those not durable yet included.
    pub fn entries(&self) -> &[Rc<Entry>] {
        &self.entries
    }
    /// Highest ballot held that is known complete.
    pub fn stable(&self) -> Option<Ballot> {
        self.stable
    }
    /// Highest ballot promised or accepted for this key.
    pub fn floor(&self) -> Ballot {
        self.floor
    }
    /// Where the mark lies that keeps `stable` known to a rebuild, if one is needed for that.
    pub fn mark(&self) -> Option<Place> {
        self.mark
    }
    /// Notes where the mark of `stable` lies, or that none is needed any more; gives the place of the one before, dead from now on.
    pub fn set_mark(&mut self, mark: Option<Place>) -> Option<Place> {
        self.collected = 0;
        std::mem::replace(&mut self.mark, mark)
    }
    /// Moves the mark: a copy of the same lies at `to`.
    pub fn move_mark(&mut self, to: Place) {
        self.mark = Some(to);
    }
    /// Generations of the segments for which the trace of a collected tombstone is kept, if it is one that `mark` names.
    pub fn trace(&self) -> Option<RangeInclusive<u64>> {
        (self.collected > 0).then_some(self.oldest..=self.collected)
    }
    /// Takes out all records up to `ballot`, a collected tombstone, and the mark about it.
    pub fn drop_up_to(&mut self, ballot: Ballot) -> Option<(Vec<Rc<Entry>>, Option<Place>)> {
        if self.stable.is_some_and(|stable| stable > ballot) {
            return None;
        }
        let count = self.entries.partition_point(|entry| entry.head.ballot <= ballot);
        let dropped: Vec<_> = self.entries.drain(..count).collect();
        for entry in &dropped {
            entry.settled.set(true);
            entry.leave_row();
        }
        self.stable = None;
        Some((dropped, self.set_mark(None)))
    }
    /// The mark at `place` keeps a rebuild from finding older records of this key, all of them in segments up to `generation`.
    pub fn leave_trace(&mut self, place: Place, generation: u64) {
        self.mark = Some(place);
        self.collected = generation;
    }
    /// Takes the floor out of a row without versions; `None` where it has any.
    pub fn take_promise(&mut self) -> Option<Ballot> {
        self.entries.is_empty().then(|| std::mem::take(&mut self.floor))
    }
    /// No trace is needed any more.
    pub fn forget_trace(&mut self) {
        (self.mark, self.collected) = (None, 0);
        if self.entries.is_empty() {
            self.oldest = 0;
        }
    }
    /// Lowest generation of a log segment that may hold a record of this key, superseded ones included; 0: not known.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }
    /// A record of this key lies in a segment of this generation.
    pub fn note_generation(&mut self, generation: u64) {
        if self.oldest == 0 || generation < self.oldest {
            self.oldest = generation;
        }
    }
    /// Raises the floor; it never falls.
    pub fn raise_floor(&mut self, ballot: Ballot) {
        self.floor = self.floor.max(ballot);
    }
    /// The newest durable record.
    pub fn newest(&self) -> Option<&Rc<Entry>> {
        self.entries.iter().rev().find(|entry| entry.is_durable())
    }
    /// The newest record of a write id, durable or not.
    pub fn of_write_id(&self, write_id: WriteId) -> Option<&Rc<Entry>> {
        self.entries.iter().rev().find(|entry| entry.head.write_id == write_id)
    }
    /// The newest durable record of a write id.
    pub fn durable_of_write_id(&self, write_id: WriteId) -> Option<&Rc<Entry>> {
        let newest_first = self.entries.iter().rev();
        newest_first
            .filter(|entry| entry.is_durable())
            .find(|entry| entry.head.write_id == write_id)
    }
    /// Whether anything waits to become durable.
    pub fn has_pending(&self) -> bool {
        self.entries.iter().any(|entry| !entry.is_durable())
    }
    /// The rule of `publish`; `drive_floor` bounds the row's own floor from below. `prepared`: it follows a prepare.
    pub fn judge_publish(&self, drive_floor: Ballot, ballot: Ballot, prepared: bool) -> Verdict {
        if self.entries.iter().any(|entry| entry.head.ballot == ballot) {
            return Verdict::Duplicate;
        }
        if ballot < self.floor.max(drive_floor) || self.stable.is_some_and(|stable| ballot <= stable) {
            return Verdict::Refuse;
        }
        let unstable = self.entries.iter().filter(|entry| Some(entry.head.ballot) > self.stable).count();
        if unstable >= if prepared { PREPARED_LIMIT } else { UNSTABLE_LIMIT } {
            Verdict::SettleFirst
        } else {
            Verdict::Accept
        }
    }
    /// Adds an accepted record; gives the one that it replaces, an older copy of the same.
    pub fn accept(&mut self, entry: Rc<Entry>) -> Option<Rc<Entry>> {
        self.raise_floor(entry.head.ballot);
        if is_planted(Sabotage::EarlyDiscard) {
            self.entries.retain(|held| held.head.ballot > entry.head.ballot);
        }
        let at = self.entries.partition_point(|held| held.head.ballot < entry.head.ballot);
        match self.entries.get_mut(at) {
            // The same record again: moved by the cleaner, or of a log that was written anew behind an error.
            Some(held) if held.head.ballot == entry.head.ballot => {
                let before = std::mem::replace(held, entry);
                before.leave_row();
                Some(before)
            }
            _ => {
                self.entries.insert(at, entry);
                None
            }
        }
    }
    /// Takes out all records above a ballot: a planted bug.
    pub fn forget_above(&mut self, ballot: Ballot) {
        self.entries.retain(|held| held.head.ballot <= ballot);
        self.stable = self.stable.filter(|stable| *stable <= ballot);
    }
    /// The record that is known complete.
    pub fn stable_entry(&self) -> Option<&Rc<Entry>> {
        self.entries.iter().find(|entry| Some(entry.head.ballot) == self.stable)
    }
    /// `stable(ballot)`: if held, marks it and takes out all records below. `None`: nothing changed.
    pub fn settle(&mut self, ballot: Ballot) -> Option<Vec<Rc<Entry>>> {
        let at = self.entries.iter().position(|entry| entry.head.ballot == ballot)?;
        if !self.entries[at].is_durable() {
            self.entries[at].stable_early.set(true);
            return None;
        }
        if self.stable.is_some_and(|stable| stable >= ballot) {
            return None;
        }
        self.stable = Some(ballot);
        self.entries[at].settled.set(true);
        let dropped: Vec<_> = self.entries.drain(..at).collect();
        for entry in &dropped {
            entry.settled.set(true);
            entry.leave_row();
        }
        Some(dropped)
    }
    /// What an answer says of the key: durable records, newest first; `pending` adds those not durable yet, for an answer that is
    /// given only after they are.
    pub fn state(&self, drive_floor: Ballot, dirty: Option<Ballot>, pending: bool) -> KeyState {
        let told = self.entries.iter().rev().filter(|entry| pending || entry.is_durable());
        let records = told.map(|entry| entry.head.clone()).collect();
        KeyState {
            records,
            stable: self.stable,
            dirty,
            floor: self.floor.max(drive_floor),
        }
    }
}

impl Row {
    /// Appends what an answer says of the key, durable records alone.
    pub fn put_state(&self, bytes: &mut Vec<u8>, drive_floor: Ballot, dirty: Option<Ballot>) {
        let told = || self.entries.iter().rev().filter(|entry| entry.is_durable());
        told::put_count(bytes, told().count());
        told().for_each(|entry| told::put_head(bytes, &entry.head));
        told::put_state_end(bytes, self.stable, dirty, self.floor.max(drive_floor));
    }
}

/// The rule of `prepare`: a ballot above the floor is promised; the floor itself is promised again (it names its sender).
pub(crate) fn may_promise(floor: Ballot, ballot: Ballot) -> bool {
    ballot >= floor && ballot != Ballot::ZERO
}

/// The clock rule: a ballot must not lie too far ahead of the drive's clock, unless it only counts on from a record that does already.
pub(crate) fn clock_allows(ballot: Ballot, newest: Option<Ballot>, now_ms: u64) -> bool {
    let limit = now_ms.saturating_add(CLOCK_LIMIT_MS);
    ballot.time_ms() <= limit || newest.is_some_and(|newest| ballot.time_ms() == newest.time_ms())
}
