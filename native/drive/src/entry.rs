//! A record as the index holds it: its head in memory, its bytes by place.

use crate::Head;
use crate::format::block_count;
use crate::space::{ExtentSet, Place};
use openlake_io::Instant;
use std::cell::Cell;
use std::rc::Rc;

/// One version of one key.
pub(crate) struct Entry {
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
    /// `stable` named it before it was durable.
    pub stable_early: Cell<bool>,
}

impl Entry {
    /// A record that is not durable yet.
    pub fn pending(head: Head, total: u32, tail_offset: u32, payload: u32, shard_length: u64, extents: Option<Rc<ExtentSet>>) -> Entry {
        let (place, since) = (Cell::new(Place::PENDING), Cell::new(Instant(0)));
        let (settled, stable_early) = (Cell::new(false), Cell::new(false));
        Entry { head, place, total, tail_offset, payload, shard_length, extents, since, settled, stable_early }
    }
    /// Where the record lies; `None` while it is not durable.
    pub fn place(&self) -> Option<Place> {
        Some(self.place.get()).filter(|place| *place != Place::PENDING)
    }
    /// The record is durable at `place`.
    pub fn set_durable(&self, place: Place, now: Instant) {
        self.place.set(place);
        self.since.set(now);
    }
    /// Whether it is durable.
    pub fn is_durable(&self) -> bool {
        self.place.get() != Place::PENDING
    }
    /// Blocks of the shard.
    pub fn blocks(&self) -> u64 {
        block_count(self.shard_length, self.head.coding.block_shift)
    }
}
