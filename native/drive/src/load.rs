//! Bringing rows into memory. Decisions are made in memory alone, in one step; whoever decides loads the row first.

use crate::core::Core;
use crate::index::{Block, KeyHash, Run, RunError, decode_row, encode_key};
use crate::{Answer, Key};
use bytes::Bytes;
use std::rc::Rc;

impl Core {
    /// Makes the index in memory answer for `key`: afterwards, until the next await, `index.get(key)` is the truth. Does not wait when
    /// the row is in memory, nor when no run has it by its filter. `Failed`: the drive cannot say what it knows of this key.
    pub async fn load(&self, key: &Key) -> Result<(), Answer> {
        if self.index.borrow().is_resident(key) {
            return Ok(());
        }
        let bytes = encode_key(key);
        let hash = KeyHash::of(&bytes);
        loop {
            let (runs, generation) = {
                let index = self.index.borrow();
                (index.runs(), index.generation())
            };
            let found = self.find(&runs, &bytes, hash).await;
            let mut index = self.index.borrow_mut();
            // Others work while this reads: they may have brought the row in and changed it, and even have sent it out again.
            if index.is_resident(key) {
                return Ok(());
            }
            if index.generation() != generation {
                continue;
            }
            let value = found.map_err(|error| self.index_failed(&error))?;
            let Some(value) = value else { return Ok(()) };
            let own = index.own_key(key);
            match decode_row(&own, &value, &self.extents) {
                Some(Some(row)) => {
                    index.take_in(own, row);
                    return Ok(());
                }
                Some(None) => return Ok(()),
                None => {
                    drop(index);
                    return Err(self.index_failed(&RunError::Damaged(format!(
                        "the row of '{}' makes no sense",
                        own.name.escape_ascii()
                    ))));
                }
            }
        }
    }
    /// The newest value that the runs have for a key.
    async fn find(&self, runs: &[Rc<Run>], key: &[u8], hash: KeyHash) -> Result<Option<Bytes>, RunError> {
        for run in runs {
            let Some(number) = run.block_for(key, hash) else { continue };
            let block = self.run_block(run, number).await?;
            if let Some(value) = block.get(key).ok_or_else(|| run.damaged(number))? {
                return Ok(Some(value));
            }
        }
        Ok(None)
    }
    async fn run_block(&self, run: &Run, number: usize) -> Result<Block, RunError> {
        let name = (run.id(), number);
        let cached = self.index.borrow_mut().cached_block(name);
        if let Some(block) = cached {
            return Ok(block);
        }
        let read = run.read_blocks(&self.medium, number, 0).await?;
        let block = read.into_iter().next().ok_or_else(|| run.damaged(number))?;
        self.index.borrow_mut().keep_block(name, &block);
        Ok(block)
    }
    /// A part of the index cannot be used: what it said is unknown, which is not the same as absent.
    pub fn index_failed(&self, error: &RunError) -> Answer {
        self.counters.errors.add(1);
        let text = format!("{error}; the index is to be rebuilt");
        self.suspect(text.clone());
        self.index_damaged.set(true);
        self.checkpoints.wake();
        Answer::Failed(text)
    }
}
