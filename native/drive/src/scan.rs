//! A range of keys, as LIST and healing ask for it: rows of the runs in key order with those in memory laid over them, bounded in
//! rows and bytes.
//!
//! Reading the runs takes time in which rows change. So a piece of the range is read first, then, in one step, what memory says of
//! it is laid over. If a checkpoint's run was installed meanwhile, what was read may be old, and the piece is read again.

use crate::core::Core;
use crate::index::{Piece, RunError, encode_key, name_in, put_stored_state, range_end};
use crate::row::Row;
use crate::scan_rows::RowPacker;
use crate::{Answer, Covers, Key, Space};
use bytes::Bytes;
use std::collections::VecDeque;
use std::{hint, iter};

/// An answer holds about this much at most; the asker goes on where it ends.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// What a row is likely to take in an answer.
const ROW_BYTES: usize = 208;
/// Rows are read and laid over in pieces of at most so many; those of one piece are told as they are at one instant.
const PIECE_ROWS: usize = 1024;
/// Rows in memory that are looked up together.
const ROWS_AHEAD: usize = 32;

/// What is asked for.
struct Span {
    bucket: u64,
    space: Space,
    /// Where its keys end, as the runs sort them.
    to: Vec<u8>,
}

impl Span {
    /// The name in a key of the span; `None` behind the space.
    fn name_in<'key>(&self, key: &'key [u8]) -> Option<&'key [u8]> {
        name_in(key, self.bucket, self.space)
    }
}

/// The answer so far.
struct Page {
    rows: RowPacker,
    limit: usize,
    full: bool,
}

impl Page {
    fn new(limit: usize) -> Page {
        Page {
            rows: RowPacker::with_capacity(limit.min(PIECE_ROWS) * ROW_BYTES),
            limit,
            full: false,
        }
    }
    /// Adds a row, if there is still room for it; `put` appends its state, or says that there is none.
    fn push(&mut self, name: &[u8], put: impl FnOnce(&mut Vec<u8>) -> Option<bool>) -> Option<()> {
        let bytes = self.rows.bytes();
        self.rows.begin(name);
        let is_there = put(self.rows.state())?;
        let full = self.rows.len() >= self.limit || bytes >= ANSWER_LIMIT_BYTES;
        if is_there && !full {
            self.rows.end();
        } else {
            self.rows.undo();
            self.full |= is_there;
        }
        Some(())
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
        let span = Span {
            bucket,
            space,
            to: range_end(bucket, space, &prefix),
        };
        let mut from = from.max(prefix);
        let mut page = Page::new(limit.max(1) as usize);
        loop {
            let (runs, generation) = {
                let index = self.index.borrow();
                (index.runs(), index.generation())
            };
            let start = encode_key(&Key {
                bucket,
                space,
                name: from.clone(),
            });
            // One more, to see whether there is one.
            let wanted = (page.limit.saturating_sub(page.rows.len()) + 1).min(PIECE_ROWS);
            let piece = match Piece::read(&runs, &self.medium, &start, &span.to, wanted).await {
                Ok(piece) => piece,
                Err(error) => return self.index_failed(&error),
            };
            if self.index.borrow().generation() != generation {
                continue;
            }
            let end = piece.end.as_deref().unwrap_or(&span.to);
            let end = span.name_in(end).map(Bytes::copy_from_slice);
            if let Err(error) = self.lay_over(&span, (&from, end.as_ref()), &piece, &mut page) {
                return self.index_failed(&error);
            }
            match end.filter(|_| piece.end.is_some() && !page.full) {
                Some(end) => from = end,
                None => break,
            }
        }
        let covers = if page.full {
            Covers::UpTo(Bytes::copy_from_slice(page.rows.last_name()))
        } else {
            Covers::End
        };
        let to = match &covers {
            Covers::End => None,
            Covers::UpTo(name) => Some(name),
        };
        let dirty = self.is_dirty_in(bucket, space, to);
        Answer::Page {
            rows: page.rows.finish(),
            covers,
            dirty,
        }
    }

    /// Adds the piece, which reaches from a name to another, to the page, with what memory says of its range over it.
    fn lay_over(&self, span: &Span, (from, end): (&Bytes, Option<&Bytes>), piece: &Piece, page: &mut Page) -> Result<(), RunError> {
        let (bucket, space) = (span.bucket, span.space);
        let drive_floor = self.acceptor.get().drive_floor;
        let index = self.index.borrow();
        let changed = index.changed_range((bucket, space), from, end);
        let mut changed = looked_up_ahead(changed).peekable();
        let stored = piece.rows().filter_map(|(key, value)| Some((span.name_in(key)?, value)));
        let mut stored = stored.peekable();
        while !page.full {
            let use_changed = match (stored.peek(), changed.peek()) {
                (None, None) => break,
                (Some((stored, _)), Some((changed, _))) => changed.name[..] <= **stored,
                (None, Some(_)) => true,
                (Some(_), None) => false,
            };
            if use_changed {
                let Some((key, row)) = changed.next() else { break };
                stored.next_if(|(name, _)| *name == &key.name[..]);
                if row.newest().is_some() {
                    let dirty = self.dirty_of(key);
                    page.push(&key.name, |state| {
                        row.put_state(state, drive_floor, dirty);
                        Some(true)
                    });
                }
                continue;
            }
            let Some((name, value)) = stored.next() else { break };
            let dirty = self.dirty_of_name(bucket, space, name);
            let pushed = page.push(name, |state| put_stored_state(state, value, drive_floor, dirty));
            pushed.ok_or_else(|| RunError::Damaged(format!("the row of '{}' makes no sense", name.escape_ascii())))?;
        }
        Ok(())
    }
}
