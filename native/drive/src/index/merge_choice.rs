//! Which runs to merge next. Pure.
//!
//! Size-tiered: four runs of like size make one, so that an entry is written about once per fourfold growth, and a key that is asked
//! for is looked for in few runs. Only neighbours in age may be merged, as the newest value wins.

use std::ops::Range;

/// So many runs of like size are merged.
const ENOUGH: usize = 4;
/// Sizes up to this one are alike; from there on every size class is four times the one before.
const SMALLEST_BYTES: u64 = 64 << 10;

/// The runs to merge, of those with these sizes in bytes, newest first; `None` when none is worth it.
///
/// It is the first window that holds four runs of one size class and otherwise smaller ones, which go along.
pub(crate) fn choose_merge(sizes: &[u64]) -> Option<Range<usize>> {
    let classes: Vec<u32> = sizes.iter().map(|size| (size / SMALLEST_BYTES).max(1).ilog(4)).collect();
    let mut ordered = classes.clone();
    ordered.sort_unstable();
    ordered.dedup();
    ordered.into_iter().find_map(|class| {
        let mut start = 0;
        classes
            .split(|other| *other > class)
            .map(|window| {
                let range = start..start + window.len();
                start = range.end + 1;
                (range, window.iter().filter(|other| **other == class).count())
            })
            .find(|(_, alike)| *alike >= ENOUGH)
            .map(|(range, _)| range)
    })
}
