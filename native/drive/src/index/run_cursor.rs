//! A walk through one run in key order, reading ahead.

use super::block::{Block, BlockPosition};
use super::run::{Run, RunError};
use crate::medium::Medium;
use bytes::Bytes;
use std::collections::VecDeque;
use std::rc::Rc;

/// The first read of a walk, which may be short.
const FIRST_READ_BYTES: usize = 16 << 10;

/// Stands at an entry or behind the last one.
pub(crate) struct RunCursor {
    run: Rc<Run>,
    /// Read and not passed yet; the walk stands in the first.
    blocks: VecDeque<Block>,
    next_block: usize,
    position: BlockPosition,
    at_entry: bool,
    read_bytes: usize,
    read_limit_bytes: usize,
}

impl RunCursor {
    /// Stands at the first key at or above `from`. Reads grow up to `read_limit_bytes` each.
    pub async fn seek(run: Rc<Run>, medium: &Medium, from: &[u8], read_limit_bytes: usize) -> Result<RunCursor, RunError> {
        let mut cursor = RunCursor {
            next_block: run.block_from(from),
            run,
            blocks: VecDeque::new(),
            position: BlockPosition::default(),
            at_entry: false,
            read_bytes: FIRST_READ_BYTES.min(read_limit_bytes),
            read_limit_bytes,
        };
        cursor.fill(medium).await?;
        if let Some(block) = cursor.blocks.front() {
            let found = block.seek(from, &mut cursor.position);
            cursor.at_entry = found.ok_or_else(|| cursor.damaged())?;
            if !cursor.at_entry {
                cursor.enter_next(medium).await?;
            }
        }
        Ok(cursor)
    }
    /// The key stood at; `None` behind the last one.
    pub fn key(&self) -> Option<&[u8]> {
        self.at_entry.then(|| self.position.key())
    }
    /// The value stood at; it shares the memory of its block.
    pub fn value(&self) -> Bytes {
        let block = self.blocks.front().filter(|_| self.at_entry);
        block.map_or_else(Bytes::new, |block| self.position.value(block))
    }
    /// The same, where it lies.
    pub fn value_in_place(&self) -> &[u8] {
        let block = self.blocks.front().filter(|_| self.at_entry);
        block.map_or(&[], |block| self.position.value_in(block))
    }
    /// Whether the block stood in has another entry.
    pub fn has_more_here(&self) -> bool {
        let block = self.blocks.front().filter(|_| self.at_entry);
        block.is_some_and(|block| !block.is_last(&self.position))
    }
    /// Goes to the next entry. `Ok(false)`: [`RunCursor::enter_next`] has to read first.
    pub fn advance(&mut self) -> Result<bool, RunError> {
        let Some(block) = self.blocks.front() else {
            return Ok(true);
        };
        let found = block.advance(&mut self.position);
        self.at_entry = found.ok_or_else(|| self.damaged())?;
        Ok(self.at_entry)
    }
    /// Goes on in the next block.
    pub async fn enter_next(&mut self, medium: &Medium) -> Result<(), RunError> {
        loop {
            self.blocks.pop_front();
            if self.blocks.is_empty() {
                self.fill(medium).await?;
            }
            let Some(block) = self.blocks.front() else {
                self.at_entry = false;
                return Ok(());
            };
            self.position = block.start();
            if self.advance()? {
                return Ok(());
            }
        }
    }
    async fn fill(&mut self, medium: &Medium) -> Result<(), RunError> {
        let read = self.run.read_blocks(medium, self.next_block, self.read_bytes).await?;
        self.next_block += read.len();
        self.blocks.extend(read);
        self.read_bytes = (self.read_bytes * 2).min(self.read_limit_bytes);
        Ok(())
    }
    fn damaged(&self) -> RunError {
        self.run.damaged(self.next_block.saturating_sub(self.blocks.len()))
    }
}
