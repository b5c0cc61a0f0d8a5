//! Granules released while a checkpoint is written.
//!
//! The checkpoint's image is of its freeze and calls them used. The drive's own parts, which the checkpoint may name, must lie
//! elsewhere: a start takes both for true and would find them used twice. Anybody else may have them; the log says what became of it.

use super::{Extent, Space};
use std::collections::BTreeMap;

/// Bitmaps of granules by segment, as long as their highest granule asks for.
#[derive(Default)]
pub(super) struct Held {
    bitmaps: BTreeMap<u32, Vec<u64>>,
}

impl Held {
    /// Holds the granules of an extent.
    pub fn add(&mut self, extent: Extent) {
        let words = self.bitmaps.entry(extent.segment).or_default();
        let first = u32::from(extent.first);
        for granule in first..first + extent.granules {
            let at = (granule / 64) as usize;
            if words.len() <= at {
                words.resize(at + 1, 0);
            }
            if let Some(word) = words.get_mut(at) {
                *word |= 1 << (granule % 64);
            }
        }
    }
    /// A segment's bitmap; empty when none of it is held. Behind its end nothing is.
    pub fn bitmap(&self, segment: u32) -> &[u64] {
        self.bitmaps.get(&segment).map_or(&[], Vec::as_slice)
    }
}

impl Space {
    /// From now on what is released is not given to the drive's own parts.
    pub fn hold_released(&mut self) {
        self.held = Some(Held::default());
    }
    /// The checkpoint is over.
    pub fn let_go_of_released(&mut self) {
        self.held = None;
    }
}
