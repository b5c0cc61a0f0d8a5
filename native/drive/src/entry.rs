//! A record as the index holds it: its head in memory, its bytes by place.

use crate::format::block_count;
use crate::space::{ExtentSet, Place};
use crate::{Head, Key};
use openlake_io::Instant;
use std::cell::Cell;
use std::rc::Rc;

/// One version of one key.
pub(crate) struct Entry {
    pub key: Key,
    pub head: Head,
    /// Pending until the batch that holds the record is durable; only then may anybody be told of it.
    place: Cell<Place>,
    /// Bytes of the record in the log.
    pub total: u32,
    /// Offset in the record of its block checksums; an inline payload follows them.
    pub tail_offset: u32,
    /// Bytes of an inline payload.
    pub payload: u32,
    /// Bytes of the shard, inline or bulk.
    pub shard_length: u64,
    /// Bulk space; shared with other records of the same write id.
    pub extents: Option<Rc<ExtentSet>>,
    /// When the record became durable here.
    pub since: Cell<Instant>,
    /// Known complete, or dropped: nobody has to settle it.
    pub settled: Cell<bool>,
    /// It is in the queue of those to be settled.
    pub queued: Cell<bool>,
    /// A collected tombstone whose `drop` mark is on its way: no copy of it may come behind that mark.
    pub going: Cell<bool>,
    /// `stable` named it before it was durable.
    pub stable_early: Cell<bool>,
    /// A sound copy is on its way to take its place: the cleaner leaves it alone.
    pub replacing: Cell<bool>,
}

impl Entry {
    /// A record that is not durable yet; its sizes in the log are not known either.
    pub fn pending(key: Key, head: Head, shard_length: u64, extents: Option<Rc<ExtentSet>>) -> Entry {
        Entry {
            key,
            head,
            place: Cell::new(Place::PENDING),
            total: 0,
            tail_offset: 0,
            payload: 0,
            shard_length,
            extents,
            since: Cell::new(Instant(0)),
            settled: Cell::new(false),
            queued: Cell::new(false),
            going: Cell::new(false),
            stable_early: Cell::new(false),
            replacing: Cell::new(false),
        }
    }
    /// A durable record at `place`, as a run has it; its extents count it already.
    pub fn restored(key: Key, head: Head, shard_length: u64, extents: Option<Rc<ExtentSet>>, place: Place) -> Entry {
        let entry = Entry::pending(key, head, shard_length, extents);
        entry.place.set(place);
        entry
    }
    /// Where the record lies; `None` while it is not durable.
    pub fn place(&self) -> Option<Place> {
        Some(self.place.get()).filter(|place| *place != Place::PENDING)
    }
    /// The record is durable at `place`: from now on its row holds its bulk space.
    pub fn set_durable(&self, place: Place, now: Instant) {
        if !self.is_durable()
            && let Some(extents) = &self.extents
        {
            extents.publish();
        }
        self.place.set(place);
        self.since.set(now);
    }
    /// The entry left its row: the row holds its bulk space no longer.
    pub fn leave_row(&self) {
        if self.is_durable()
            && let Some(extents) = &self.extents
        {
            extents.withdraw();
        }
    }
    /// A copy of the record is durable at `place`; the original is not needed any more.
    pub fn move_to(&self, place: Place) {
        self.place.set(place);
    }
    /// Whether it is durable.
    pub fn is_durable(&self) -> bool {
        self.place.get() != Place::PENDING
    }
    /// Blocks of the shard.
    pub fn blocks(&self) -> u64 {
        block_count(self.shard_length, self.head.coding.block_shift)
    }
    /// Bytes of block checksums and inline payload, which lie together in the record.
    pub fn tail_bytes(&self) -> usize {
        self.checksum_bytes() + self.payload as usize
    }
    /// Bytes of the block checksums.
    pub fn checksum_bytes(&self) -> usize {
        self.blocks() as usize * 8
    }
}
