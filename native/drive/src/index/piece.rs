//! A piece of a range of keys as the runs have it: read with one read a run, mostly, then merged without waiting, the newest run's value
//! first.

use super::block::{Block, BlockPosition};
use super::piece_plan::plan_piece;
use super::run::{Run, RunError};
use crate::medium::Medium;
use std::ops::Range;
use std::rc::Rc;
use std::vec;

/// A piece of so many bytes is not made longer.
const LIMIT_BYTES: usize = 1 << 20;

/// Rows one behind the other, in order.
#[derive(Default)]
pub(crate) struct Piece {
    /// Keys and values, in one piece of memory.
    bytes: Vec<u8>,
    rows: Vec<PieceRow>,
    /// The first key behind the piece; `None`: it reaches to the end of the range.
    pub end: Option<Vec<u8>>,
}

struct PieceRow {
    key: u32,
    value: u32,
    end: u32,
}

impl Piece {
    /// `wanted` rows of the keys `from..to`, none of them special, removed ones (empty values) included; fewer where there are no more, or
    /// where they are large. `runs`: newest first.
    pub async fn read(runs: &[Rc<Run>], medium: &Medium, from: &[u8], to: &[u8], wanted: usize) -> Result<Piece, RunError> {
        let (mut piece, mut from) = (Piece::default(), from.to_vec());
        loop {
            let plan = plan_piece(runs, &from, to, wanted - piece.rows.len());
            let from_here = &from[..];
            let reads = runs.iter().zip(&plan.blocks).filter(|(_, blocks)| !blocks.is_empty());
            let reads = reads.map(|(run, blocks)| async move {
                let read = run.read_span(medium, blocks.clone()).await?;
                Walk::at(run, blocks.start, read, from_here)
            });
            let walks = futures_util::future::try_join_all(reads).await?;
            piece.merge(walks, plan.end.as_deref().unwrap_or(to), wanted)?;
            piece.end = piece.end.or(plan.end);
            match &piece.end {
                Some(end) if piece.rows.len() < wanted && piece.bytes.len() < LIMIT_BYTES => from = end.clone(),
                _ => return Ok(piece),
            }
            piece.end = None;
        }
    }
    /// Keys and values.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let part = |range: Range<u32>| self.bytes.get(range.start as usize..range.end as usize).unwrap_or_default();
        self.rows
            .iter()
            .map(move |row| (part(row.key..row.value), part(row.value..row.end)))
    }
    /// Adds what the walks (newest run first) stand before, below `end`, until it has `wanted` rows.
    fn merge(&mut self, mut walks: Vec<Walk<'_>>, end: &[u8], wanted: usize) -> Result<(), RunError> {
        // Walks by key, those of one key newest first; the next one last.
        let mut order: Vec<usize> = Vec::with_capacity(walks.len());
        for walk in 0..walks.len() {
            place(&mut order, &walks, walk);
        }
        while let Some(first) = order.pop() {
            let Some(walk) = walks.get(first) else { break };
            let Some(key) = walk.key().filter(|key| *key < end) else { break };
            if self.rows.len() >= wanted {
                self.end = Some(key.to_vec());
                break;
            }
            self.push(key, walk.value());
            // Older values of the same key go with it.
            while let Some(next) = order.pop_if(|next| is_same(&walks, *next, first)) {
                step(&mut walks, next)?;
                place(&mut order, &walks, next);
            }
            step(&mut walks, first)?;
            place(&mut order, &walks, first);
        }
        Ok(())
    }
    fn push(&mut self, key: &[u8], value: &[u8]) {
        let key_at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(key);
        let value_at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(value);
        self.rows.push(PieceRow {
            key: key_at,
            value: value_at,
            end: self.bytes.len() as u32,
        });
    }
}

/// The way through blocks of one run that follow each other.
struct Walk<'runs> {
    run: &'runs Run,
    /// Number of `block`.
    number: usize,
    block: Option<Block>,
    behind: vec::IntoIter<Block>,
    position: BlockPosition,
}

impl<'runs> Walk<'runs> {
    /// Stands at the first key at or above `from`.
    fn at(run: &'runs Run, first: usize, blocks: Vec<Block>, from: &[u8]) -> Result<Walk<'runs>, RunError> {
        let mut behind = blocks.into_iter();
        let mut walk = Walk {
            run,
            number: first,
            block: behind.next(),
            behind,
            position: BlockPosition::default(),
        };
        if let Some(block) = &walk.block {
            let found = block.seek(from, &mut walk.position).ok_or_else(|| run.damaged(first))?;
            if !found {
                walk.enter_next()?;
            }
        }
        Ok(walk)
    }
    fn advance(&mut self) -> Result<(), RunError> {
        let Some(block) = &self.block else { return Ok(()) };
        if !block.advance(&mut self.position).ok_or_else(|| self.run.damaged(self.number))? {
            self.enter_next()?;
        }
        Ok(())
    }
    fn enter_next(&mut self) -> Result<(), RunError> {
        loop {
            self.number += 1;
            self.block = self.behind.next();
            let Some(block) = &self.block else { return Ok(()) };
            self.position = block.start();
            if block.advance(&mut self.position).ok_or_else(|| self.run.damaged(self.number))? {
                return Ok(());
            }
        }
    }
    fn key(&self) -> Option<&[u8]> {
        self.block.is_some().then(|| self.position.key())
    }
    fn value(&self) -> &[u8] {
        self.block.as_ref().map_or(&[], |block| self.position.value_in(block))
    }
}

fn key_of<'walks>(walks: &'walks [Walk<'_>], walk: usize) -> Option<&'walks [u8]> {
    walks.get(walk).and_then(Walk::key)
}

fn is_same(walks: &[Walk<'_>], one: usize, other: usize) -> bool {
    key_of(walks, one) == key_of(walks, other)
}

fn step(walks: &mut [Walk<'_>], walk: usize) -> Result<(), RunError> {
    walks.get_mut(walk).map_or(Ok(()), Walk::advance)
}

fn place(order: &mut Vec<usize>, walks: &[Walk<'_>], walk: usize) {
    let Some(key) = key_of(walks, walk) else { return };
    let at = order.partition_point(|other| (key_of(walks, *other), *other) > (Some(key), walk));
    order.insert(at, walk);
}
