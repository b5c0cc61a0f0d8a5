//! Changes of what is live in the log, gathered while records are replayed: exact to the byte, as the cleaner chooses by it and a
//! segment that says "nothing lives here" is used again.

use super::{Place, Space};
use std::collections::BTreeMap;

/// Changes of one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Change {
    bytes: i64,
    records: i64,
    last_sequence: u64,
}

/// Changes by segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    changes: BTreeMap<u32, Change>,
}

impl Ledger {
    /// A record of `bytes` at `place`, of the batch `sequence`, lives.
    pub fn add(&mut self, place: Place, bytes: u64, sequence: u64) {
        let change = self.changes.entry(place.segment()).or_default();
        change.bytes += bytes as i64;
        change.records += 1;
        change.last_sequence = change.last_sequence.max(sequence);
    }
    /// A record of `bytes` at `place` does not live any more.
    pub fn remove(&mut self, place: Place, bytes: u64) {
        let change = self.changes.entry(place.segment()).or_default();
        change.bytes -= bytes as i64;
        change.records -= 1;
    }
    /// Carries the changes over to the segment table.
    pub fn settle(self, space: &mut Space) {
        for (segment, change) in self.changes {
            space.change_live(segment, change.bytes, change.records, change.last_sequence);
        }
    }
}
