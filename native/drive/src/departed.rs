//! Dropped bulk versions, kept a while for the GETs that still read them by write id.

use crate::WriteId;
use crate::entry::Entry;
use crate::lease::{Lease, Leases};
use openlake_io::Instant;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// A GET of a large object may be in its middle when the object is overwritten; after this it is told that the version is gone.
const GRACE: Duration = Duration::from_secs(60);
/// However many are overwritten in that time, no more are kept: they take memory, and space on the drive.
const LIMIT: usize = 16_384;

/// The versions in their grace.
#[derive(Default)]
pub(crate) struct Departed {
    /// With a lease on the segment of the record: block checksums are read from there.
    by_time: VecDeque<(Instant, Rc<Entry>, Option<Lease>)>,
    by_write_id: HashMap<WriteId, Rc<Entry>>,
}

impl Departed {
    /// Takes in versions that leave the index, in that very step: a GET must find them in one of the two. Inline ones are let go:
    /// their bytes were read with their head.
    pub fn add(&mut self, entries: &[Rc<Entry>], leases: &Rc<Leases>, now: Instant) {
        while self.by_time.len() + entries.len() > LIMIT && !self.by_time.is_empty() {
            self.let_go_of_oldest();
        }
        for entry in entries.iter().filter(|entry| entry.extents.is_some()) {
            self.by_write_id.insert(entry.head.write_id, entry.clone());
            let lease = entry.place().map(|place| leases.take(place.segment()));
            self.by_time.push_back((now, entry.clone(), lease));
        }
    }
    /// How many are held.
    pub fn len(&self) -> usize {
        self.by_time.len()
    }
    /// A version by its write id.
    pub fn get(&self, write_id: WriteId) -> Option<Rc<Entry>> {
        self.by_write_id.get(&write_id).cloned()
    }
    /// Lets go of those whose grace is over, or, with `all`, of every one: space is short.
    pub fn expire(&mut self, now: Instant, all: bool) {
        while let Some((since, ..)) = self.by_time.front() {
            if !all && now.0.saturating_sub(since.0) < GRACE.as_nanos() as u64 {
                break;
            }
            self.let_go_of_oldest();
        }
    }
    fn let_go_of_oldest(&mut self) {
        if let Some((_, entry, _lease)) = self.by_time.pop_front()
            && self
                .by_write_id
                .get(&entry.head.write_id)
                .is_some_and(|held| Rc::ptr_eq(held, &entry))
        {
            self.by_write_id.remove(&entry.head.write_id);
        }
    }
}
