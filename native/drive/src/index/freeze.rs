//! A checkpoint's view of the rows in memory: all changes up to one instant, while work goes on.
//!
//! The freeze itself ends an epoch and is done. Then the frozen rows are encoded step by step; one that changes before its turn is
//! encoded first (copy on write), so the run holds every row as of the freeze.

use super::resident::{Index, standing};
use super::run::Run;
use super::run_key::{encode_key, unsettled_key};
use super::run_writer::RunWriter;
use super::slot::Standing;
use crate::Key;
use std::ops::Bound;
use std::rc::Rc;

/// The way through the frozen rows.
pub(crate) struct FrozenRows {
    freeze: u64,
    rows: u64,
    after: Option<Key>,
    /// What the unsettled markers will say, in order.
    markers: Vec<(Key, bool)>,
}

impl FrozenRows {
    /// Frozen rows, about; each may add a marker.
    pub fn rows(&self) -> u64 {
        self.rows
    }
    /// Writes the markers of unsettled keys; they come behind all rows and bitmaps. Errors as of [`RunWriter::write_out`].
    pub async fn push_markers(self, run: &mut RunWriter) -> Result<(), crate::Answer> {
        for (key, unsettled) in self.markers {
            run.push(&unsettled_key(&key), if unsettled { &[1] } else { &[] });
            run.write_out().await?;
        }
        Ok(())
    }
}

impl Index {
    /// Freezes all rows that changed since the last freeze.
    pub fn freeze(&mut self) -> FrozenRows {
        self.weigh();
        let freeze = self.epoch;
        self.frozen = Some(freeze);
        self.epoch += 1;
        self.images.clear();
        self.frozen_rows = std::mem::take(&mut self.dirty_rows);
        self.frozen_bytes = std::mem::take(&mut self.dirty_bytes);
        FrozenRows {
            freeze,
            rows: self.frozen_rows,
            after: None,
            markers: Vec::new(),
        }
    }
    /// Looks at up to `limit` rows and adds the frozen ones to the run, in key order. False: that was all.
    pub fn encode_frozen(&mut self, walk: &mut FrozenRows, limit: usize, run: &mut RunWriter) -> bool {
        let start = walk.after.take().map_or(Bound::Unbounded, Bound::Excluded);
        let (mut seen, mut last) = (0, None);
        for (key, epoch) in self.order.range((start, Bound::Unbounded)).take(limit) {
            seen += 1;
            last = Some(key);
            // Most rows in memory are clean; these cost no look at the table. One that changed again has an image.
            let standing = standing(*epoch, self.frozen, self.installed);
            let kept = if standing == Standing::Clean {
                continue;
            } else {
                self.images.remove(key)
            };
            if kept.is_none() && standing != Standing::Frozen {
                continue;
            }
            let Some(slot) = self.rows.get_mut(key) else { continue };
            let image = kept.flatten().unwrap_or_else(|| slot.image());
            slot.encoded = walk.freeze;
            run.push(&encode_key(key), &image.value);
            if image.unsettled || slot.marked {
                walk.markers.push((key.clone(), image.unsettled));
                slot.marked = image.unsettled;
            }
        }
        walk.after = last.cloned();
        seen == limit
    }
    /// The frozen rows' run, if there were any, is named by a durable root: they are clean.
    pub fn install(&mut self, run: Option<Rc<Run>>) {
        self.weigh();
        let runs = run.into_iter().chain(self.runs.iter().cloned()).collect();
        self.put_runs(runs);
        self.generation += 1;
        self.installed = self.frozen.take().unwrap_or(self.installed);
        self.evict_at = 0;
        (self.frozen_rows, self.frozen_bytes) = (0, 0);
        self.images.clear();
    }
    /// The checkpoint failed: its rows are dirty again, and the next freeze takes them.
    pub fn thaw(&mut self) {
        self.weigh();
        self.frozen = None;
        self.images.clear();
        let (rows, installed) = (&self.rows, self.installed);
        let dirty = rows.values().filter(|slot| slot.epoch > installed);
        (self.dirty_rows, self.dirty_bytes) = dirty.fold((0, 0), |(rows, bytes), slot| (rows + 1, bytes + slot.bytes));
        (self.frozen_rows, self.frozen_bytes) = (0, 0);
    }
    /// Memory of the rows that no checkpoint has taken up, estimated.
    pub fn dirty_bytes(&self) -> usize {
        self.dirty_bytes
    }
    /// The same with those that a checkpoint is writing: what cannot be let go.
    pub fn unwritten_bytes(&self) -> usize {
        self.dirty_bytes + self.frozen_bytes
    }
    /// Puts `merged` in the place of the runs that it was made of. They keep their space until [`Index::take_retired`].
    pub fn replace(&mut self, inputs: &[Rc<Run>], merged: Option<Rc<Run>>) {
        let is_input = |run: &Rc<Run>| inputs.iter().any(|input| Rc::ptr_eq(input, run));
        let mut runs = self.runs.to_vec();
        let at = runs.iter().position(is_input).unwrap_or(runs.len());
        runs.retain(|run| !is_input(run));
        if let Some(merged) = merged {
            runs.insert(at.min(runs.len()), merged);
        }
        self.put_runs(runs);
        self.retired.extend(inputs.iter().cloned());
    }
    /// Takes the runs that merges replaced: their space may be given back when a root is durable whose manifest was made later.
    pub fn take_retired(&mut self) -> Vec<Rc<Run>> {
        std::mem::take(&mut self.retired)
    }
}
