//! A walk through several runs at once, in key order; of a key that several have, the newest run's value.

use super::run::{Run, RunError};
use super::run_cursor::RunCursor;
use crate::medium::Medium;
use bytes::Bytes;
use std::rc::Rc;

/// Stands at an entry or behind the last one. Removed keys (empty values) are given like all others.
pub(crate) struct MergeCursor {
    /// Newest run first.
    sources: Vec<RunCursor>,
    /// Sources that stand at an entry, by key, those of one key newest first; the next one last.
    order: Vec<usize>,
}

impl MergeCursor {
    /// Stands at the first key at or above `from`. `runs`: newest first. Every run is read in steps of at most `read_limit_bytes`.
    pub async fn seek(runs: &[Rc<Run>], medium: &Medium, from: &[u8], read_limit_bytes: usize) -> Result<MergeCursor, RunError> {
        let seeks = runs.iter().map(|run| RunCursor::seek(run.clone(), medium, from, read_limit_bytes));
        let mut cursor = MergeCursor {
            sources: futures_util::future::try_join_all(seeks).await?,
            order: Vec::new(),
        };
        (0..cursor.sources.len()).for_each(|source| cursor.insert(source));
        Ok(cursor)
    }
    /// The key stood at; `None` behind the last one.
    pub fn key(&self) -> Option<&[u8]> {
        self.front().and_then(RunCursor::key)
    }
    /// The value stood at; empty: the key was removed.
    pub fn value(&self) -> Bytes {
        self.front().map_or_else(Bytes::new, RunCursor::value)
    }
    /// The same, where it lies.
    pub fn value_in_place(&self) -> &[u8] {
        self.front().map_or(&[], RunCursor::value_in_place)
    }
    /// Goes to the next key where that is simple, as it mostly is: no other run has the key stood at, and the run stood in has another in
    /// the same block. `Ok(false)`: nothing was done, [`MergeCursor::advance`] has to.
    pub fn advance_at_once(&mut self) -> Result<bool, RunError> {
        let Some(first) = self.order.last().copied() else {
            return Ok(false);
        };
        let second = self.order.iter().nth_back(1).copied();
        if second.is_some_and(|second| self.key_of(second) == self.key_of(first)) {
            return Ok(false);
        }
        let Some(cursor) = self.sources.get_mut(first).filter(|cursor| cursor.has_more_here()) else {
            return Ok(false);
        };
        cursor.advance()?;
        if second.is_some_and(|second| (self.key_of(second), second) < (self.key_of(first), first)) {
            self.order.pop();
            self.insert(first);
        }
        Ok(true)
    }
    /// Goes to the next key.
    pub async fn advance(&mut self, medium: &Medium) -> Result<(), RunError> {
        let Some(first) = self.order.pop() else { return Ok(()) };
        // Older values of the same key go with it.
        while let Some(next) = self.order.last().copied()
            && self.key_of(next) == self.key_of(first)
        {
            self.order.pop();
            self.step(next, medium).await?;
        }
        self.step(first, medium).await
    }
    async fn step(&mut self, source: usize, medium: &Medium) -> Result<(), RunError> {
        if let Some(cursor) = self.sources.get_mut(source) {
            if !cursor.advance()? {
                cursor.enter_next(medium).await?;
            }
            self.insert(source);
        }
        Ok(())
    }
    fn insert(&mut self, source: usize) {
        let Some(key) = self.key_of(source) else { return };
        let at = self
            .order
            .partition_point(|other| (self.key_of(*other), *other) > (Some(key), source));
        self.order.insert(at, source);
    }
    fn front(&self) -> Option<&RunCursor> {
        self.sources.get(*self.order.last()?)
    }
    fn key_of(&self, source: usize) -> Option<&[u8]> {
        self.sources.get(source).and_then(RunCursor::key)
    }
}
