//! The cleaner: gives segments of the log back whose records are mostly superseded.
//!
//! A victim is read from its start; what still lives in it is appended to the log again, and when the copy is durable the index points
//! there. A segment in which nothing lives any more, which nobody reads and which the log has left for good is *retired*: it is used
//! again once a checkpoint that began later is durable, as a start then needs nothing of it. A crash at any point leaves two valid
//! copies, of which the later one wins, or a segment that is simply cleaned again.

mod evacuate;
mod giving_back;
mod moving;
mod pace;
mod room;
mod victim;

pub(crate) use moving::{Move, TraceMove};
pub(crate) use pace::{Pace, Work};
pub(crate) use room::PATIENCE;

use crate::core::Core;
use crate::counters::Counter;
use crate::{Ballot, Key};
use futures_util::future::select;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use victim::Candidate;

/// How often an idle drive looks whether there is something to clean; a drive that lacks space does not wait.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// So long a drive that lacks space waits for what others must do first.
const SHORT_PAUSE: Duration = Duration::from_millis(10);
/// A log with fewer dead bytes than this many segments is left alone: there is hardly anything to gain.
const WORTH_SEGMENTS: u64 = 2;

/// What the cleaner knows beside the segment table.
#[derive(Default)]
pub(crate) struct Cleaner {
    /// Segments, by generation, in which something lives that cannot be read: left as they are for the scrub.
    unreadable: RefCell<BTreeMap<u32, u64>>,
    /// Keys of which the log holds nothing but the trace of a collected tombstone.
    pub traces: RefCell<BTreeSet<Key>>,
    /// A segment was given back: some of the traces may go.
    pub traces_due: Cell<bool>,
    /// The drive's floor as it was last made durable for a collection.
    pub raised_floor: Cell<Ballot>,
    /// Segments that nobody needs any more, and whether a task gives them back.
    to_free: RefCell<VecDeque<u32>>,
    is_freeing: Cell<bool>,
    /// Memory of rows that copies on their way will change.
    pub moving_bytes: Cell<usize>,
    /// Somebody waits for space.
    pub waiting: Cell<u32>,
    /// Always clean, never pause: for tests.
    pub eager: Cell<bool>,
    pub moved_records: Counter,
    pub moved_bytes: Counter,
    pub cleaned_segments: Counter,
}

impl Cleaner {
    /// `eager`: always clean, never pause.
    pub fn new(eager: bool) -> Cleaner {
        let cleaner = Cleaner::default();
        cleaner.eager.set(eager);
        cleaner
    }
}

impl Core {
    /// Works as long as the drive is open.
    pub async fn run_cleaner(self: Rc<Core>) {
        // What it waits for may never come once the drive is closed.
        let closed = self.provision.until(|| self.closed.get().then_some(()));
        select(pin!(self.clean()), pin!(closed)).await;
    }
    /// Whether the drive works: one that closes is about to write its last checkpoint, behind which nothing shall come.
    pub fn may_clean(&self) -> bool {
        self.failure().is_none() && !self.closing.get()
    }
    async fn clean(self: &Rc<Core>) {
        let mut pace = Pace::new(self, Work::Clean);
        pace.stop();
        while self.may_clean() {
            self.departed.borrow_mut().expire(self.runtime.now(), false);
            if self.cleaner.traces_due.replace(false) {
                self.review_traces().await;
            }
            let retired = self.retire_empty();
            let short = self.is_space_short();
            // What was emptied must come back before more is spent.
            let victim = if self.must_wait() { None } else { self.choose_victim(short) };
            if retired > 0 && (short || victim.is_none()) || self.must_wait() {
                self.request_checkpoint();
            }
            match victim {
                Some(victim) => {
                    pace.begin();
                    let finished = self.evacuate(victim, &mut pace).await;
                    pace.stop();
                    if !finished {
                        self.pause(LOOK_AGAIN).await;
                    }
                }
                None => self.pause(LOOK_AGAIN).await,
            }
        }
    }
    /// Waits a while, or until the drive closes.
    pub async fn pause(&self, duration: Duration) {
        let until = self.runtime.now().0 + duration.as_nanos() as u64;
        while self.runtime.now().0 < until && self.may_clean() {
            self.runtime.sleep(duration.min(SHORT_PAUSE)).await;
            if self.cleaner.waiting.get() > 0 {
                break;
            }
        }
    }
    /// Whether the drive is about to refuse data for want of free segments.
    pub fn is_space_short(&self) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        let is_short = space.reachable_free_segments() <= space.kept_from_bulk(supply) * 2;
        self.cleaner.eager.get() || self.cleaner.waiting.get() > 0 || is_short
    }
    /// Whether emptied segments wait for a checkpoint and hardly any others are free.
    fn must_wait(&self) -> bool {
        let supply = self.supply();
        let space = self.space.borrow();
        space.reachable_free_segments() <= space.kept_from_bulk(supply) && space.has_retired()
    }
    /// Retires segments that nothing lives in; how many.
    fn retire_empty(&self) -> usize {
        let current = self.log.borrow().durable_head().generation;
        let space = self.space.borrow();
        let empty: Vec<u32> = space
            .left_segments(current)
            .filter(|(number, segment)| segment.live_records == 0 && !self.leases.is_leased(*number))
            .map(|(number, _)| number)
            .collect();
        drop(space);
        for number in &empty {
            self.retire_log(*number);
        }
        self.cleaner.cleaned_segments.add(empty.len() as u64);
        empty.len()
    }
    /// The segment that is best cleaned now, if any is worth it.
    fn choose_victim(&self, short: bool) -> Option<Candidate> {
        let current = self.log.borrow().durable_head().generation;
        let space = self.space.borrow();
        let segment_bytes = u64::from(space.geometry().segment_bytes);
        let is_wanted = short && self.cleaner.waiting.get() > 0;
        let is_packed = space.dead_log_bytes(current) < segment_bytes * WORTH_SEGMENTS;
        if is_packed && !is_wanted && !self.cleaner.eager.get() {
            return None;
        }
        let unreadable = self.cleaner.unreadable.borrow();
        let candidates = space.left_segments(current).filter_map(|(number, segment)| {
            let readable = unreadable.get(&number) != Some(&segment.generation);
            (readable && segment.live_records > 0).then_some(Candidate {
                segment: number,
                generation: segment.generation,
                live_bytes: segment.live_bytes,
                age: current - segment.generation,
            })
        });
        let packed_percent = space.geometry().packed_percent(is_wanted);
        victim::best(candidates, segment_bytes, packed_percent)
    }
    /// Whether cleaning gives space back, now or as soon as a checkpoint is made.
    pub fn may_gain_space(&self) -> bool {
        let current = self.log.borrow().durable_head().generation;
        let has_empty = || {
            self.space
                .borrow()
                .left_segments(current)
                .any(|(_, segment)| segment.live_records == 0)
        };
        self.space.borrow().has_retired() || has_empty() || self.choose_victim(true).is_some()
    }
}
