//! Letting go of rows that the runs have, when memory is short: CLOCK over the keys in their order.

use super::resident::{Index, standing};
use super::slot::Standing;
use crate::Key;
use crate::sabotage::{Sabotage, is_planted};
use std::ops::Bound;

/// Rows looked at by one call: more than one call can have brought in, so that memory shrinks, yet no pause for anybody.
const STEP_ROWS: usize = 128;

/// What the memory of an index is used for, bytes.
pub(crate) struct IndexParts {
    pub rows: usize,
    pub blocks: usize,
    pub filters: usize,
    pub fences: usize,
}

impl Index {
    /// Memory in use: rows, filters, fences, cached blocks; all of it estimated.
    pub fn used_bytes(&self) -> usize {
        self.resident_bytes + self.pinned_bytes + self.blocks.held_bytes()
    }
    /// What it shall take.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
    /// Memory of all rows that are in it, of cached blocks, of filters and of fences; estimated.
    pub fn parts(&self) -> IndexParts {
        IndexParts {
            rows: self.resident_bytes,
            blocks: self.blocks.held_bytes(),
            filters: self.runs.iter().map(|run| run.filter_bytes()).sum(),
            fences: self.runs.iter().map(|run| run.fences_bytes()).sum(),
        }
    }
    /// Changes what it shall take.
    #[cfg(test)]
    pub fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
    }
    /// Lets go of clean rows if there are too many, but never of `kept`, which somebody is about to use.
    pub fn evict(&mut self, kept: Option<&Key>) {
        self.weigh();
        let used = self.used_bytes();
        if used <= self.limit_bytes || used < self.evict_at {
            return;
        }
        let mut surplus = used - self.limit_bytes;
        let mut victims = Vec::new();
        let start = self.hand.take();
        let behind = self
            .order
            .range((start.as_ref().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded));
        let around = start.iter().flat_map(|hand| self.order.range(..=hand));
        let mut last = None;
        for (key, epoch) in behind.chain(around).take(STEP_ROWS) {
            self.looked_in_vain += 1;
            last = Some(key);
            // The order knows the stamps too: rows that the runs lack, most of them under a load, cost no look at the table.
            let clean = standing(*epoch, self.frozen, self.installed) == Standing::Clean || is_planted(Sabotage::EvictDirty);
            if !clean || Some(key) == kept {
                continue;
            }
            let Some(slot) = self.rows.get(key) else { continue };
            let idle = slot.is_idle() && !self.traces_on_their_way.contains(key);
            if idle && (!slot.used.replace(false) || self.limit_bytes == 0) {
                surplus = surplus.saturating_sub(slot.bytes);
                victims.push(key.clone());
                if surplus == 0 {
                    break;
                }
            }
        }
        self.hand = last.cloned();
        if !victims.is_empty() {
            self.looked_in_vain = 0;
        }
        // Twice around: what was in use has had its chance. Where nearly all is pinned, not every caller looks in vain.
        let in_vain = self.looked_in_vain > self.order.len() * 2;
        self.evict_at = if in_vain { used + self.limit_bytes / 256 } else { 0 };
        victims.iter().for_each(|key| self.let_go(key));
    }
    fn let_go(&mut self, key: &Key) {
        if let Some(slot) = self.rows.remove(key) {
            self.resident_bytes = self.resident_bytes.saturating_sub(slot.bytes);
            self.order.remove(key);
            if slot.is_unsettled() {
                self.unsettled_elsewhere = self.unsettled_elsewhere.or(Some(0));
            }
        }
    }
}
