//! What healing tells of itself, for status and metrics.

use openlake_peer::SlotId;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// How the healing of one drive stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealStatus {
    /// A replacement that is not adopted yet: it answers nothing.
    pub blank: bool,
    /// What it lacks is unknown: it is filled range by range, and its lists do not count.
    pub dirty: bool,
    /// It was compared with the others of its set since it was opened, and since it lost anything: hints that it was told of before are lost
    /// with its process, so until then nobody knows that it is whole.
    pub compared: bool,
    /// What healing waits for, in words; empty: nothing.
    pub reason: String,
    /// Shards written by healing since the start, and their bytes.
    pub objects: u64,
    pub bytes: u64,
    /// Tries that failed; they are made again.
    pub failed: u64,
    /// About how much is left of the pass under way.
    pub objects_left: u64,
    pub bytes_left: u64,
    pub hints_waiting: u64,
    pub damaged_waiting: u64,
    /// Fewest sound shards of any object met in the last pass, the drive's own included; 0: no pass yet.
    pub shards_least: u64,
    /// Slots of the set.
    pub shards_all: u64,
    /// Shards that the scrub read since the start, their bytes, and the damaged blocks among them.
    pub scrub_objects: u64,
    pub scrub_bytes: u64,
    pub scrub_damaged: u64,
    /// Ranges whose digest was another one on another drive.
    pub scrub_differences: u64,
    /// Comparisons of the whole drive that came to their end.
    pub scrub_passes: u64,
    /// Tombstones that every slot of the set has let go of.
    pub collected: u64,
}

impl HealStatus {
    /// One word for people: whole, blank, dirty or healing.
    pub fn state(&self) -> &'static str {
        match (
            self.blank,
            self.dirty,
            self.compared && self.hints_waiting + self.damaged_waiting == 0,
        ) {
            (true, ..) => "blank",
            (false, true, _) => "dirty",
            (false, false, true) => "whole",
            (false, false, false) => "healing",
        }
    }
}

/// The status of every drive of this core.
#[derive(Default)]
pub(crate) struct HealBook {
    drives: RefCell<BTreeMap<SlotId, HealStatus>>,
}

impl HealBook {
    /// Changes what is told of a drive.
    pub fn change(&self, slot: SlotId, change: impl FnOnce(&mut HealStatus)) {
        change(self.drives.borrow_mut().entry(slot).or_default());
    }
    /// All of it.
    pub fn all(&self) -> BTreeMap<SlotId, HealStatus> {
        self.drives.borrow().clone()
    }
}
