//! A row in memory, and how it stands to the runs.

use super::row_codec::encode_row;
use crate::Key;
use crate::row::Row;
use std::cell::Cell;
use std::rc::Rc;

/// Counted for each row beside its versions: key and slot in the table, which is half empty in the middle, key and stamp in the order, the
/// name's allocation.
pub(super) const SLOT_OVERHEAD_BYTES: usize = (size_of::<Key>() + size_of::<Slot>()) * 3 / 2 + size_of::<(Key, u64)>() * 3 / 2 + 32;

/// One row of the table.
pub(super) struct Slot {
    pub row: Row,
    /// Epoch of the last change; 0: as the runs have it.
    pub epoch: u64,
    /// The freeze that has encoded it already, or keeps an image of it.
    pub encoded: u64,
    /// Asked for since the eviction's hand passed.
    pub used: Cell<bool>,
    /// A run calls the key unsettled.
    pub marked: bool,
    /// Memory as last estimated.
    pub bytes: usize,
    /// Its key is among those that the index counts.
    pub counts: bool,
}

/// What of a row is in the runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// All of it.
    Clean,
    /// A checkpoint is writing it.
    Frozen,
    /// Changes that no checkpoint has taken up.
    Dirty,
}

impl Slot {
    pub fn new(row: Row, epoch: u64) -> Slot {
        Slot {
            row,
            epoch,
            encoded: 0,
            used: Cell::new(true),
            marked: false,
            bytes: 0,
            counts: false,
        }
    }
    /// Whether the drive holds a record of the key: one that is on its way may come to nothing, and a trace is none.
    pub fn holds_record(&self) -> bool {
        self.row.newest().is_some()
    }
    /// Whether nothing but the table refers to what it holds, and nobody waits for it.
    pub fn is_idle(&self) -> bool {
        let row = &self.row;
        // A floor without a version is a promise, and lives here only.
        let is_written = !row.entries().is_empty() || row.trace().is_some() || row.is_empty();
        is_written && row.entries().iter().all(|entry| entry.is_durable() && Rc::strong_count(entry) == 1)
    }
    /// Whether somebody has to come back to it: its newest version is not known complete, or it is the trace of a collected tombstone.
    pub fn is_unsettled(&self) -> bool {
        let newest = self.row.newest();
        newest.is_some_and(|newest| Some(newest.head.ballot) > self.row.stable()) || self.row.trace().is_some()
    }
    /// Memory of the row, estimated.
    pub fn estimate(&self, key: &Key) -> usize {
        SLOT_OVERHEAD_BYTES + key.name.len() + self.row.memory_bytes()
    }
    /// The row as a checkpoint writes it.
    pub fn image(&self) -> Image {
        Image {
            value: encode_row(&self.row),
            unsettled: self.is_unsettled(),
        }
    }
}

/// A frozen row, encoded.
pub(super) struct Image {
    pub value: Vec<u8>,
    /// See [`Slot::is_unsettled`]; a start must know of it.
    pub unsettled: bool,
}
