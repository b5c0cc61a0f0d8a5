//! A range of keys, as LIST and healing ask for it: rows of the runs in key order with those in memory laid over them, bounded in
//! rows and bytes.
//!
//! Reading the runs takes time in which rows change. So a piece of the range is read first, then, in one step, what memory says of
//! it is laid over. If a checkpoint's run was installed meanwhile, what was read may be old, and the piece is read again.

use crate::core::Core;
use crate::index::{MergeCursor, RunError, decode_state, encode_key, name_in};
use crate::row::Row;
use crate::{Answer, Covers, Key, ScanRow, Space};
use bytes::Bytes;
use std::collections::VecDeque;
use std::ops::Range;
use std::{hint, iter};

/// An answer holds about this much at most; the asker goes on where it ends.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// What a record's head costs in an answer beside its metadata.
const HEAD_BYTES: usize = 160;
/// Most bytes of one read of a run.
const READ_LIMIT_BYTES: usize = 128 << 10;
/// Rows are read and laid over in pieces of at most so many.
const PIECE_ROWS: usize = 1024;
/// Rows in memory that are looked up together.
const ROWS_AHEAD: usize = 32;

/// What is asked for.
struct Span {
    bucket: u64,
    space: Space,
    prefix: Bytes,
    limit: usize,
}

/// Rows that the runs have in a piece of the range.
struct Piece {
    names: Bytes,
    /// Where each name lies in `names`, and the row's bytes.
    rows: Vec<(Range<usize>, Bytes)>,
    /// The first name behind the piece; `None`: it reaches to the end of the range.
    end: Option<Bytes>,
}

/// The answer so far.
#[derive(Default)]
struct Page {
    rows: Vec<ScanRow>,
    bytes: usize,
    full: bool,
}

impl Page {
    fn push(&mut self, row: ScanRow, limit: usize) {
        if self.rows.len() >= limit || self.bytes >= ANSWER_LIMIT_BYTES {
            self.full = true;
            return;
        }
        let heads = row.state.records.iter().map(|head| HEAD_BYTES + head.metadata.len());
        self.bytes += row.name.len() + heads.sum::<usize>();
        self.rows.push(row);
    }
}

/// The same rows, each touched some steps before its turn. Rows lie all over memory, and a processor waits for many of them at once as
/// patiently as for one.
fn looked_up_ahead<'row>(mut rows: impl Iterator<Item = (&'row Key, &'row Row)>) -> impl Iterator<Item = (&'row Key, &'row Row)> {
    let mut ahead = VecDeque::with_capacity(ROWS_AHEAD);
    iter::from_fn(move || {
        if ahead.is_empty() {
            ahead.extend(rows.by_ref().take(ROWS_AHEAD));
            for (_, row) in &ahead {
                hint::black_box(row.newest().map(|entry| entry.head.ballot));
            }
        }
        ahead.pop_front()
    })
}

impl Core {
    /// Rows with a durable record, names from `from` on that start with `prefix`, in order.
    pub async fn scan(&self, bucket: u64, space: Space, prefix: Bytes, from: Bytes, limit: u32) -> Answer {
        let mut from = from.max(prefix.clone());
        let limit = limit.max(1) as usize;
        let span = Span {
            bucket,
            space,
            prefix,
            limit,
        };
        let mut page = Page::default();
        loop {
            let generation = self.index.borrow().generation();
            let piece = match self.read_piece(&span, &from, limit - page.rows.len().min(limit) + 1).await {
                Ok(piece) => piece,
                Err(error) => return self.index_failed(&error),
            };
            if self.index.borrow().generation() != generation {
                continue;
            }
            if let Err(error) = self.lay_over(&span, &from, &piece, &mut page) {
                return self.index_failed(&error);
            }
            match piece.end {
                Some(end) if !page.full => from = end,
                _ => break,
            }
        }
        let covers = match page.rows.last().filter(|_| page.full) {
            Some(last) => Covers::UpTo(last.name.clone()),
            None => Covers::End,
        };
        let dirty = self.is_dirty_in(
            bucket,
            space,
            match &covers {
                Covers::End => None,
                Covers::UpTo(name) => Some(name),
            },
        );
        Answer::Page {
            rows: page.rows,
            covers,
            dirty,
        }
    }

    /// Rows of the runs from `from` on, about `wanted`.
    async fn read_piece(&self, span: &Span, from: &Bytes, wanted: usize) -> Result<Piece, RunError> {
        let runs = self.index.borrow().runs();
        let start = encode_key(&Key {
            bucket: span.bucket,
            space: span.space,
            name: from.clone(),
        });
        let mut cursor = MergeCursor::seek(&runs, &self.medium, &start, READ_LIMIT_BYTES).await?;
        let (mut names, mut rows, mut bytes) = (Vec::new(), Vec::new(), 0);
        let mut end = None;
        while let Some(name) = cursor.key().and_then(|key| name_in(key, span.bucket, span.space)) {
            if !name.starts_with(&span.prefix) {
                break;
            }
            if rows.len() >= wanted.min(PIECE_ROWS) || bytes >= ANSWER_LIMIT_BYTES {
                end = Some(Bytes::copy_from_slice(name));
                break;
            }
            let start = names.len();
            names.extend_from_slice(name);
            let value = cursor.value();
            bytes += value.len();
            rows.push((start..names.len(), value));
            cursor.advance(&self.medium).await?;
        }
        Ok(Piece {
            names: names.into(),
            rows,
            end,
        })
    }

    /// Adds the piece to the page, with what memory says of its range over it.
    fn lay_over(&self, span: &Span, from: &Bytes, piece: &Piece, page: &mut Page) -> Result<(), RunError> {
        let acceptor = self.acceptor.get();
        let index = self.index.borrow();
        let before_end = |name: &Bytes| piece.end.as_ref().is_none_or(|end| name < end);
        let resident = index
            .range(span.bucket, span.space, from)
            .take_while(|(key, _)| key.name.starts_with(&span.prefix) && before_end(&key.name));
        let mut resident = looked_up_ahead(resident).peekable();
        let mut stored = piece.rows.iter().peekable();
        while !page.full {
            let name_of = |range: &Range<usize>| piece.names.get(range.clone()).unwrap_or_default();
            let next_stored = stored.peek().map(|(range, _)| name_of(range));
            let next_resident = resident.peek().map(|(key, _)| &key.name[..]);
            let use_resident = match (next_stored, next_resident) {
                (None, None) => break,
                (Some(stored), Some(resident)) => resident <= stored,
                (None, Some(_)) => true,
                (Some(_), None) => false,
            };
            if use_resident {
                if next_stored == next_resident {
                    stored.next();
                }
                let Some((key, row)) = resident.next() else { break };
                if row.newest().is_some() {
                    let state = row.state(acceptor.drive_floor, self.dirty_of(key), false);
                    let name = key.name.clone();
                    page.push(ScanRow { name, state }, span.limit);
                }
                continue;
            }
            let Some((range, value)) = stored.next() else { break };
            let name = piece.names.slice(range.clone());
            let dirty = self.dirty_of_name(span.bucket, span.space, &name);
            let state = decode_state(value, acceptor.drive_floor, dirty);
            match state {
                Some(Some(state)) => page.push(ScanRow { name, state }, span.limit),
                Some(None) => {}
                None => return Err(RunError::Damaged(format!("the row of '{}' makes no sense", name.escape_ascii()))),
            }
        }
        Ok(())
    }
}
