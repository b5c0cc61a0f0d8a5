//! The segment table recomputed from the index, for tests: what is counted must be what lives.

use crate::core::Core;
use crate::format::mark_bytes;
use std::collections::BTreeMap;

impl Core {
    /// What differs between the kept and the recomputed table, in words. Call it while nothing is on its way.
    pub fn audit_live(&self) -> Vec<String> {
        let mut live: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
        let index = self.index.borrow();
        let mut add = |segment: u32, bytes: u64| {
            let row = live.entry(segment).or_default();
            (row.0, row.1) = (row.0 + bytes, row.1 + 1);
        };
        for (key, row) in index.rows() {
            for entry in row.entries() {
                if let Some(place) = entry.place() {
                    add(place.segment(), u64::from(entry.total));
                }
            }
            if let Some(mark) = row.mark() {
                add(mark.segment(), mark_bytes(key) as u64);
            }
        }
        let space = self.space.borrow();
        let differs = |(number, segment): (u32, &crate::space::Segment)| {
            let found = live.get(&number).copied().unwrap_or_default();
            let kept = (segment.live_bytes, segment.live_records);
            (kept != found).then(|| format!("segment {number}: {kept:?} are kept, {found:?} live"))
        };
        space.segments().filter_map(differs).collect()
    }
}
