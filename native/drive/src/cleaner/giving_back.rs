//! Giving emptied segments of the log back to the space.

use crate::core::Core;
use crate::format::FreedPage;
use crate::log::{abandoned_behind, named_by};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Segment, SegmentClass};
use std::io;
use std::rc::Rc;

impl Core {
    /// Makes retired segments free, as soon as no rebuild can take them for parts of the log any more: a segment is one by its first
    /// batch.
    pub fn free_retired(self: &Rc<Core>, mut segments: Vec<u32>) {
        // Oldest first: what lies behind the end of a segment that is given back itself hurts nobody.
        segments.sort_unstable_by_key(|segment| self.space.borrow().generation(*segment));
        self.cleaner.to_free.borrow_mut().extend(segments);
        if self.cleaner.to_free.borrow().is_empty() || self.cleaner.is_freeing.replace(true) {
            return;
        }
        let core = self.clone();
        // One task alone: no segment is used for something else while another one's word on it is looked at.
        self.runtime.spawn(async move {
            while let Some(segment) = core.next_to_free() {
                let generation = core.space.borrow().generation(segment);
                if core.give_back(segment, generation).await.is_err() {
                    core.counters.errors.add(1);
                    core.space.borrow_mut().retire_again(segment);
                    continue;
                }
                core.space.borrow_mut().free_log(segment);
                core.cleaner.traces_due.set(true);
                core.log_changed.notify();
                core.provision.notify();
            }
            core.cleaner.is_freeing.set(false);
        });
    }
    fn next_to_free(&self) -> Option<u32> {
        self.cleaner.to_free.borrow_mut().pop_front()
    }
    /// At a start of a drive without free segments: gives those back in which nothing lived when the checkpoint was made that the
    /// start began with. No other one can be gone back to, and this one does not read them.
    pub async fn free_emptied(&self) {
        let mut emptied = self.checkpoints.take_emptied();
        emptied.sort_unstable_by_key(|(_, generation)| *generation);
        for (segment, generation) in emptied {
            let is_needed = {
                let space = self.space.borrow();
                let as_it_was = |row: &Segment| row.class == SegmentClass::Log && row.generation == generation && row.live_records == 0;
                space.reachable_free_segments() > space.reserve_segments() || !space.segment(segment).is_some_and(as_it_was)
            };
            if !is_needed && self.give_back(segment, generation).await.is_ok() {
                self.space.borrow_mut().free_log(segment);
            }
        }
    }
    /// Ends a segment's part in the log, durably; what its word alone kept out of the log ends before.
    async fn give_back(&self, segment: u32, generation: u64) -> io::Result<()> {
        // Where the word cannot be read any more, no rebuild could hear it either.
        if let Some((named_by, end)) = named_by(&self.medium, self.seed, segment).await
            && named_by == generation
            && self.is_log(end.segment, end.generation)
            && !is_planted(Sabotage::EndForgotten)
            && let Some(abandoned) = abandoned_behind(&self.medium, self.seed, &end).await
        {
            self.medium.write_zero_page(abandoned).await?;
        }
        let page = FreedPage { segment, generation }.encode(self.seed.salt);
        self.medium.write_first_page(segment, &page).await
    }
    fn is_log(&self, segment: u32, generation: u64) -> bool {
        let space = self.space.borrow();
        let is_it = |row: &Segment| row.class == SegmentClass::Log && row.generation == generation;
        space.segment(segment).is_some_and(is_it)
    }
}
