//! What a drive has to come back to: versions that are to be settled, and traces of collected tombstones. Memory holds some of them.
//! While a member of the set is away there may be any number, so rows of all others are let go like any row; the runs mark them, and
//! those marks are walked through, round and round and a batch at a time, when what is in memory is done.

use crate::Key;
use crate::core::Core;
use crate::index::{MergeCursor, RunError, SpecialKey, decode_special_key, special_range_start, unsettled_key};
use crate::signal::Signal;
use openlake_io::Instant;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

/// Rows fetched in one batch; more than these are not waited for in memory either.
pub(crate) const BACKLOG_ROWS: usize = 4096;
/// Between two batches, and where those in memory cannot be settled.
const PAUSE: Duration = Duration::from_secs(1);
const LONG_PAUSE: Duration = Duration::from_secs(30);
/// Most bytes of one read of a run.
const READ_BYTES: usize = 64 << 10;
/// Markers passed between two yields.
const STEP_MARKERS: usize = 64;

/// Where the walk through the runs' marks stands.
#[derive(Default)]
pub(crate) struct Backlog {
    wanted: Cell<bool>,
    changed: Signal,
    /// It goes on here; `None`: at the start.
    next: RefCell<Option<Key>>,
    fetched_at: Cell<Option<Instant>>,
}

impl Core {
    /// Somebody looks for what is to be settled: if memory has little of it, the runs shall be asked for more.
    pub fn want_backlog(&self) {
        if !self.index.borrow().has_unsettled_elsewhere() {
            return;
        }
        let pause = if self.unsettled.borrow().len() < BACKLOG_ROWS {
            PAUSE
        } else {
            LONG_PAUSE
        };
        let fetched_at = self.backlog.fetched_at.get();
        if fetched_at.is_none_or(|at| self.runtime.now().since(at) >= pause) && !self.backlog.wanted.replace(true) {
            self.backlog.changed.notify();
        }
    }
    /// Lets the task of the backlog end with the drive.
    pub fn end_backlog(&self) {
        self.backlog.changed.notify();
    }
    /// Works as long as the drive is open.
    pub async fn run_backlog(self: Rc<Core>) {
        let backlog = &self.backlog;
        loop {
            let ends = || self.failure().is_some() || self.closing.get();
            backlog.changed.until(|| (ends() || backlog.wanted.get()).then_some(())).await;
            if ends() {
                return;
            }
            if let Err(error) = self.fetch_backlog().await {
                self.index_failed(&error);
            }
            backlog.fetched_at.set(Some(self.runtime.now()));
            backlog.wanted.set(false);
        }
    }
    /// Brings the next batch of rows into memory that the runs mark.
    async fn fetch_backlog(&self) -> Result<(), RunError> {
        let from = self.backlog.next.take();
        let from = match from {
            Some(key) => unsettled_key(&key),
            None => {
                // Those that are let go from now on say so again.
                self.index.borrow_mut().begin_look_elsewhere();
                special_range_start()
            }
        };
        let runs = self.index.borrow().runs();
        let mut cursor = MergeCursor::seek(&runs, &self.medium, &from, READ_BYTES).await?;
        let (mut passed, mut fetched) = (0, 0);
        while let Some(bytes) = cursor.key() {
            let marked = decode_special_key(bytes).filter(|_| !cursor.value().is_empty());
            if let Some(SpecialKey::Unsettled(key)) = marked {
                if fetched >= BACKLOG_ROWS {
                    self.index.borrow_mut().note_unsettled_elsewhere();
                    *self.backlog.next.borrow_mut() = Some(key);
                    return Ok(());
                }
                if self.load(&key).await.is_ok() && self.take_up(&key) {
                    fetched += 1;
                }
            }
            cursor.advance(&self.medium).await?;
            passed += 1;
            if passed % STEP_MARKERS == 0 {
                self.runtime.yield_now().await;
                if self.failure().is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
    /// Notes of a row in memory what is to be done; whether that was new.
    fn take_up(&self, key: &Key) -> bool {
        let (newest, has_trace) = {
            let index = self.index.borrow();
            let Some(row) = index.get(key) else { return false };
            let newest = row.newest().filter(|newest| Some(newest.head.ballot) > row.stable());
            (newest.cloned(), row.trace().is_some())
        };
        if has_trace {
            return self.keep_trace(key);
        }
        let Some(newest) = newest.filter(|newest| !newest.queued.replace(true)) else {
            return false;
        };
        // It has waited for long.
        newest.since.set(Instant(0));
        self.unsettled.borrow_mut().push_back(Rc::downgrade(&newest));
        true
    }
    /// Notes a trace to be looked at when segments are given back; whether it was noted now. Too many are left to the runs.
    pub fn keep_trace(&self, key: &Key) -> bool {
        let mut traces = self.cleaner.traces.borrow_mut();
        if traces.len() >= BACKLOG_ROWS && !traces.contains(key) {
            self.index.borrow_mut().note_unsettled_elsewhere();
            return false;
        }
        traces.insert(key.clone())
    }
    /// After the traces in memory were looked at: if there are others, these take turns with them.
    pub fn turn_traces(&self) {
        if self.index.borrow().has_unsettled_elsewhere() {
            let mut traces = self.cleaner.traces.borrow_mut();
            if traces.len() >= BACKLOG_ROWS {
                traces.clear();
            }
            drop(traces);
            self.want_backlog();
        }
    }
}
