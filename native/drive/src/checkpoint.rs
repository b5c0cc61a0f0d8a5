//! Checkpoints: from time to time everything that is in memory and in no run is written, so that a start needs no older log.
//!
//! In one step the rows that changed are frozen and images taken of the space, with the log's durable end W: exactly what the log
//! says up to there. Then, while the drive works on: the frozen rows and bitmaps go into a run, a manifest names all runs, W and
//! the log's segments; both are flushed; a root names the manifest, durably. Only then does the run count.
//!
//! Two checkpoints are kept: what the newest needs and what the one before it needs (runs, manifests, log segments) is not used
//! for anything else, so a start can go back to the one before.

mod freeze;
mod write;

use crate::core::Core;
use crate::format::{ManifestPlace, Root};
use crate::index::Run;
use crate::sabotage::{Sabotage, is_planted};
use crate::signal::Signal;
use crate::space::{ExtentSet, Place};
use futures_util::future::{Either, select};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// So much log is written at most between checkpoints; a start reads no more than about twice that.
pub(crate) const LOG_BYTES_BETWEEN: u64 = 256 << 20;
/// After a failed checkpoint.
const PAUSE: Duration = Duration::from_secs(1);
/// Checkpoints that a start may go back to.
pub(crate) const KEPT: usize = 2;

/// What a durable checkpoint rests on.
pub(super) struct Kept {
    pub _runs: Vec<Rc<Run>>,
    pub _manifest: Option<Rc<ExtentSet>>,
    /// Log segments that were retired before it was frozen: they are in use by older checkpoints only.
    pub retired: Vec<u32>,
}

/// Where a start begins: the part of a root that stays the same until the next checkpoint.
#[derive(Clone, Debug)]
pub(crate) struct RootBase {
    pub log_start: Place,
    pub log_start_generation: u64,
    pub manifest: Option<ManifestPlace>,
}

/// What is known of checkpoints.
#[derive(Default)]
pub(crate) struct Checkpoints {
    /// Number of the last checkpoint.
    number: Cell<u64>,
    /// Bytes of log since the last freeze.
    log_bytes: Cell<u64>,
    log_limit_bytes: Cell<u64>,
    wanted: Cell<bool>,
    running: Cell<bool>,
    changed: Signal,
    /// Oldest first.
    kept: RefCell<VecDeque<Kept>>,
    /// `None` while no root may be written: the index is being rebuilt.
    base: RefCell<Option<RootBase>>,
    /// Log segments, and their generations, in which nothing lived when the checkpoint was made that the start began with.
    emptied: RefCell<Vec<(u32, u64)>>,
    /// A root says that the index is damaged.
    told_damaged: Cell<bool>,
}

impl Checkpoints {
    /// Nothing known yet; one is due after `log_limit_bytes` of log.
    pub fn new(log_limit_bytes: u64) -> Checkpoints {
        let checkpoints = Checkpoints::default();
        checkpoints.log_limit_bytes.set(log_limit_bytes);
        checkpoints
    }
    /// Where the next start would begin, and what that rests on.
    pub fn begin(&self, base: RootBase, number: u64, runs: Vec<Rc<Run>>, manifest: Option<Rc<ExtentSet>>) {
        self.number.set(number);
        *self.base.borrow_mut() = Some(base);
        self.kept.borrow_mut().push_back(Kept {
            _runs: runs,
            _manifest: manifest,
            retired: Vec::new(),
        });
    }
    /// Forgets everything: another checkpoint is tried, or none is left.
    pub fn forget(&self) {
        *self.base.borrow_mut() = None;
        self.kept.borrow_mut().clear();
        self.emptied.borrow_mut().clear();
    }
    /// Log segments that the checkpoint of this start says nothing lives in, with their generations.
    pub fn set_emptied(&self, segments: Vec<(u32, u64)>) {
        *self.emptied.borrow_mut() = segments;
    }
    /// Takes them.
    pub fn take_emptied(&self) -> Vec<(u32, u64)> {
        std::mem::take(&mut *self.emptied.borrow_mut())
    }
    /// Lets the task look again.
    pub fn wake(&self) {
        self.changed.notify();
    }
}

impl Core {
    /// Asks for a checkpoint soon. Space of retired log segments comes back after it and a second one, made as well.
    pub fn request_checkpoint(&self) {
        self.checkpoints.wanted.set(true);
        self.checkpoints.changed.notify();
    }
    /// A log segment of which nothing is needed any more: all that lived in it was moved, durably, and nobody reads it. It is used
    /// again when no checkpoint that a start could go back to needs it: ask for one when that is worth it.
    pub fn retire_log(&self, segment: u32) {
        self.space.borrow_mut().retire_log(segment);
        if is_planted(Sabotage::EarlyReuse) {
            self.space.borrow_mut().free_log(segment);
        }
    }
    /// Makes checkpoints as long as the drive is open.
    pub async fn run_checkpoints(self: Rc<Core>) {
        let state = &self.checkpoints;
        loop {
            let ends = || self.closed.get() || self.closing.get();
            let due = || (ends() || self.checkpoint_due()).then_some(());
            state.changed.until(due).await;
            if ends() || self.failure().is_some() {
                return;
            }
            if self.index_damaged.get() && !state.told_damaged.replace(true) {
                self.write_root(false).await.ok();
            }
            let Some(result) = self.checkpoint_while_open().await else { return };
            if let Err(text) = result {
                self.counters.errors.add(1);
                self.counters.failed_checkpoints.add(1);
                self.memory_changed.notify();
                if self.failure().is_none() {
                    self.suspect(format!("a checkpoint failed: {text}"));
                }
                select(pin!(self.runtime.sleep(PAUSE)), pin!(state.changed.until(|| ends().then_some(())))).await;
            }
        }
    }
    /// Makes one checkpoint; `None`: the drive was closed meanwhile, and what a checkpoint waits for may never come then.
    pub async fn checkpoint_while_open(self: &Rc<Core>) -> Option<Result<(), String>> {
        let closed = pin!(self.checkpoints.changed.until(|| self.closed.get().then_some(())));
        match select(pin!(self.checkpoint()), closed).await {
            Either::Left((result, _)) => Some(result),
            Either::Right(_) => None,
        }
    }
    fn checkpoint_due(&self) -> bool {
        let state = &self.checkpoints;
        let told = self.index_damaged.get() && !state.told_damaged.get();
        told || state.wanted.get() || state.log_bytes.get() >= state.log_limit_bytes.get() || self.rows_overflow()
    }
    /// Whether a checkpoint is late: a start would read much more of the log than it should.
    pub fn log_overflows(&self) -> bool {
        let state = &self.checkpoints;
        state.log_bytes.get() >= state.log_limit_bytes.get() / 2
    }
    /// Lets the task look whether a checkpoint is due; `bytes` of log were written.
    pub fn note_log(&self, bytes: usize) {
        let state = &self.checkpoints;
        state.log_bytes.set(state.log_bytes.get() + bytes as u64);
        if self.checkpoint_due() {
            state.changed.notify();
        }
    }
    /// Makes one checkpoint, and further ones while log segments wait for them; returns when it is durable. In words, why not.
    pub async fn checkpoint(self: &Rc<Core>) -> Result<(), String> {
        let state = &self.checkpoints;
        while state.running.replace(true) {
            state.changed.until(|| (!state.running.get()).then_some(())).await;
        }
        let mut result = self.checkpoint_once().await;
        while result.is_ok() && !self.closed.get() && self.segments_wait() {
            result = self.checkpoint_once().await;
        }
        state.running.set(false);
        state.changed.notify();
        result
    }
    fn segments_wait(&self) -> bool {
        self.checkpoints.kept.borrow().iter().any(|kept| !kept.retired.is_empty())
    }
    /// Writes a root for the newest checkpoint, with what is durable now.
    pub async fn write_root(&self, clean: bool) -> io::Result<()> {
        let Some(base) = self.checkpoints.base.borrow().clone() else {
            return Ok(());
        };
        let last_sequence = self.log.borrow().durable_head().sequence;
        self.roots
            .write(Root {
                sequence: 0,
                clean,
                rebuild: self.index_damaged.get(),
                log_start: base.log_start,
                log_start_generation: base.log_start_generation,
                last_sequence,
                state: self.acceptor.get(),
                manifest: base.manifest,
            })
            .await
    }
}
