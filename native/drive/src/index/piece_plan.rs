//! Which blocks of which runs hold the next rows of a range, and how far they reach. Pure: fences say it, and they are in memory.
//!
//! Blocks are taken in the order of their fences, over all runs, until they hold about as many rows as are wanted. The next fence is where
//! what was taken ends: below it no other block has anything. So one read a run brings a piece of the range whole.

use super::run::Run;
use std::ops::Range;
use std::rc::Rc;

/// Most bytes of the blocks of one piece, if it is more than a block.
const PIECE_LIMIT_BYTES: usize = 256 << 10;
/// Rows are counted in parts of this size, as blocks hold no whole numbers of them.
const PARTS: u64 = 16;

/// What to read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct PiecePlan {
    /// By run, in the order of the runs: block numbers; none where the run has nothing in the piece.
    pub blocks: Vec<Range<usize>>,
    /// Keys from here on may lie in other blocks too; `None`: the plan reaches to the end of the range.
    pub end: Option<Vec<u8>>,
}

/// The plan for about `wanted` rows (at least one block, if there is any) of the keys `from..to`, none of them special.
pub(super) fn plan_piece(runs: &[Rc<Run>], from: &[u8], to: &[u8], wanted: usize) -> PiecePlan {
    let first = |run: &Rc<Run>| match run.block_of(from) {
        // All of its keys lie behind.
        None => 0..0,
        Some(_) if run.ends_before(from) => run.blocks()..run.blocks(),
        Some(block) => block..block + 1,
    };
    let mut blocks: Vec<Range<usize>> = runs.iter().map(first).collect();
    // Of the first blocks half lies before `from`, by and large.
    let (mut parts, mut bytes) = (0, 0);
    for (run, range) in runs.iter().zip(&blocks).filter(|(_, range)| !range.is_empty()) {
        parts += parts_of(run) / 2;
        bytes += run.block_bytes(range.start);
    }
    // A bit more: another piece for a row or two would cost a read of every run.
    let wanted = (wanted as u64).saturating_mul(PARTS + 1);
    loop {
        let fences = runs.iter().zip(&blocks).enumerate();
        let next = fences.filter_map(|(number, (run, range))| Some((run.fence(range.end)?, number)));
        let Some((fence, number)) = next.min().filter(|(fence, _)| *fence < to) else {
            return PiecePlan { blocks, end: None };
        };
        let (Some(run), Some(range)) = (runs.get(number), blocks.get_mut(number)) else {
            return PiecePlan { blocks, end: None };
        };
        let more = run.block_bytes(range.end);
        if bytes > 0 && (parts >= wanted || bytes + more > PIECE_LIMIT_BYTES) {
            let end = Some(fence.to_vec());
            return PiecePlan { blocks, end };
        }
        parts += parts_of(run);
        bytes += more;
        range.end += 1;
    }
}

/// Rows in a block, on average.
fn parts_of(run: &Run) -> u64 {
    run.entries() * PARTS / (run.blocks() as u64).max(1)
}
