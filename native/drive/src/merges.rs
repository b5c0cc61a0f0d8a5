//! Merging runs of the index in the background: few runs to look into, and what is superseded goes.

use crate::cleaner::{Pace, Work};
use crate::core::Core;
use crate::index::{MergeCursor, Run, RunError, RunWriter, choose_merge};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::KEPT_FROM_MERGES;
use std::rc::Rc;

/// Runs are read and written in such steps.
const STEP_BYTES: usize = 256 << 10;
/// Entries between two yields: about 100 us of work.
const STEP_ENTRIES: usize = 128;

/// Why a merge came to nothing.
enum Stopped {
    /// An input cannot be read.
    Run(RunError),
    /// The merged run cannot be written, for want of space or by an error that the drive's state tells.
    Written,
    Closed,
}

impl Core {
    /// After a run was installed: rows are clean that were not, and there may be something to merge.
    pub fn runs_installed(&self) {
        self.note_index_bytes();
        self.index.borrow_mut().evict(None);
        self.runs_changed.notify();
        self.memory_changed.notify();
    }
    /// After the runs changed: notes how much space they take.
    pub fn note_index_bytes(&self) {
        self.index_bytes.set(self.index.borrow().runs_bytes());
    }
    /// Works as long as the drive is open.
    pub async fn run_merges(self: Rc<Core>) {
        // After a merge that failed there is no use in trying again before the runs are others.
        let mut failed_at = None;
        loop {
            let next = self.runs_changed.until(|| match self.failure() {
                Some(_) => Some(None),
                None if failed_at == Some(self.index.borrow().generation()) => None,
                None => self.next_merge().map(Some),
            });
            let Some((inputs, is_bottom)) = next.await else { return };
            failed_at = match self.merge(&inputs, is_bottom).await {
                Ok(merged) => {
                    self.index.borrow_mut().replace(&inputs, merged);
                    self.note_index_bytes();
                    None
                }
                Err(Stopped::Closed) => return,
                Err(stopped) => {
                    if let Stopped::Run(error) = stopped {
                        self.index_failed(&error);
                    }
                    Some(self.index.borrow().generation())
                }
            };
        }
    }
    /// The runs to merge, newest first, and whether the oldest of all is among them.
    fn next_merge(&self) -> Option<(Vec<Rc<Run>>, bool)> {
        let runs = self.index.borrow().runs();
        let sizes: Vec<u64> = runs.iter().map(|run| run.blob.length).collect();
        let range = choose_merge(&sizes)?;
        let is_bottom = range.end == runs.len();
        Some((runs.get(range)?.to_vec(), is_bottom))
    }
    /// The merged run, durable; `None` when nothing is left.
    async fn merge(self: &Rc<Core>, inputs: &[Rc<Run>], is_bottom: bool) -> Result<Option<Rc<Run>>, Stopped> {
        let entries = inputs.iter().map(|run| run.entries()).sum();
        let level = inputs.iter().map(|run| run.level).max().unwrap_or(0).saturating_add(1);
        // A merge can wait; checkpoints cannot.
        let mut writer = RunWriter::keeping(self, level, entries, KEPT_FROM_MERGES);
        let backwards: Vec<Rc<Run>>;
        let inputs = if is_planted(Sabotage::BackwardMerge) {
            backwards = inputs.iter().rev().cloned().collect();
            &backwards
        } else {
            inputs
        };
        let mut cursor = MergeCursor::seek(inputs, &self.medium, &[], STEP_BYTES)
            .await
            .map_err(Stopped::Run)?;
        let (mut passed, mut pace) = (0, Pace::new(self, Work::Merge));
        while let Some(key) = cursor.key() {
            let value = cursor.value_in_place();
            // Below the oldest run there is nothing that a removed key would have to hide.
            let bytes = key.len() + value.len();
            if !(is_bottom && value.is_empty()) {
                writer.push(key, value);
                writer.write_out().await.map_err(|_| Stopped::Written)?;
            }
            if !cursor.advance_at_once().map_err(Stopped::Run)? {
                cursor.advance(&self.medium).await.map_err(Stopped::Run)?;
            }
            passed += 1;
            // Read and written.
            pace.after(bytes * 2).await;
            if passed % STEP_ENTRIES == 0 {
                self.runtime.yield_now().await;
                if self.failure().is_some() {
                    return Err(Stopped::Closed);
                }
            }
        }
        if writer.entries() == 0 {
            return Ok(None);
        }
        let run = writer.finish().await.map_err(|_| Stopped::Written)?;
        self.flush_bulk().await.map_err(|_| Stopped::Written)?;
        Ok(Some(Rc::new(run)))
    }
}
