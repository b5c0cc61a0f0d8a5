//! A drive whose index is being rebuilt while the node and its other drives work.
//!
//! Until that is done the drive answers nothing, which its set counts as no answer (protocol.md section 2: lost state is unknown, and
//! here even the floors are). What it does say from the start is who it is, and a boot number that it never had before.

use crate::OpenError;
use crate::core::Core;
use crate::signal::Signal;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Records put into the index between two looks at what else there is to do: about 200 us of work.
const STEP_RECORDS: usize = 128;

/// How far a rebuild is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RebuildProgress {
    /// Segments of the log read. Where memory does not hold all rows they are read twice.
    pub read_segments: u64,
    /// All that are to be read.
    pub segments: u64,
}

/// Where a drive stands between being found and serving.
#[derive(Default)]
pub(crate) struct Rebuilding {
    /// It is under way beside other work, or has failed: the drive serves nothing.
    closed_to_all: Cell<bool>,
    /// How it ended.
    ended: RefCell<Option<Result<(), OpenError>>>,
    /// The log's segments are counted.
    surveyed: Cell<bool>,
    progress: Cell<RebuildProgress>,
    boot: Cell<u32>,
    records: Cell<usize>,
    changed: Signal,
}

impl Rebuilding {
    /// From now on until [`Rebuilding::end`] the drive answers nothing. `boot`: at least the number of this start.
    pub fn begin(&self, boot: u32) {
        self.closed_to_all.set(true);
        self.boot.set(boot);
    }
    /// So many segments are about to be read, the newest of which was written in run `boot`.
    pub fn note_survey(&self, segments: usize, boot: u32) {
        let mut progress = self.progress.get();
        progress.segments += segments as u64;
        self.progress.set(progress);
        self.boot.set(self.boot.get().max(boot.saturating_add(1)));
        self.surveyed.set(true);
        self.changed.notify();
    }
    /// Another segment is being read.
    pub fn note_segment(&self) {
        let mut progress = self.progress.get();
        progress.read_segments += 1;
        self.progress.set(progress);
    }
    /// The drive serves, or never will.
    pub fn end(&self, result: Result<(), OpenError>) {
        self.closed_to_all.set(result.is_err());
        *self.ended.borrow_mut() = Some(result);
        self.changed.notify();
    }
    /// Waits until it is known how much there is to do; or why nothing will come of it.
    pub async fn begun(&self) -> Result<(), OpenError> {
        let known = || self.ended.borrow().clone().or_else(|| self.surveyed.get().then_some(Ok(())));
        self.changed.until(known).await
    }
    /// Waits until the drive serves; or why it never will.
    pub async fn over(&self) -> Result<(), OpenError> {
        let ended = || match self.closed_to_all.get() {
            false => Some(Ok(())),
            true => self.ended.borrow().clone(),
        };
        self.changed.until(ended).await
    }
    /// How far it is; `None` when it is over.
    pub fn progress(&self) -> Option<RebuildProgress> {
        let is_under_way = self.closed_to_all.get() && self.ended.borrow().is_none();
        is_under_way.then(|| self.progress.get())
    }
    /// The boot number of a drive that does not serve.
    pub fn boot(&self) -> Option<u32> {
        self.closed_to_all.get().then(|| self.boot.get())
    }
    /// Why the drive does not serve, if so.
    pub fn reason(&self) -> Option<String> {
        if !self.closed_to_all.get() {
            return None;
        }
        if let Some(Err(error)) = &*self.ended.borrow() {
            return Some(format!("its index cannot be rebuilt: {}", error.text()));
        }
        let RebuildProgress { read_segments, segments } = self.progress.get();
        Some(format!(
            "its index is being rebuilt from the log, {read_segments} of {segments} segments read; until then its set does without it"
        ))
    }
}

impl Core {
    /// Lets others work now and then while the index is rebuilt beside them. In words, why the rebuild is to end.
    pub async fn rebuild_step(&self) -> Result<(), String> {
        let state = &self.rebuilding;
        state.records.set(state.records.get() + 1);
        if state.progress().is_none() || state.records.get() % STEP_RECORDS != 0 {
            return Ok(());
        }
        self.runtime.yield_now().await;
        if self.closed.get() {
            return Err("the drive is closed".to_owned());
        }
        Ok(())
    }
    /// Ends a rebuild beside other work, and waits until nothing touches the drive any more. False: there is none.
    pub async fn end_rebuild(self: &Rc<Core>) -> bool {
        if self.rebuilding.progress().is_none() {
            return false;
        }
        self.stop();
        self.rebuilding.over().await.ok();
        true
    }
}
