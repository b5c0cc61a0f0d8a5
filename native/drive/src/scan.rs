//! A range of keys, as LIST and healing ask for it: one scan of the index, bounded in rows and bytes.

use crate::core::Core;
use crate::{Answer, Covers, ScanRow, Space};
use bytes::Bytes;

/// An answer holds about this much at most; the asker goes on where it ends.
const ANSWER_LIMIT_BYTES: usize = 1 << 20;
/// What a record's head costs in an answer beside its metadata.
const HEAD_BYTES: usize = 160;

impl Core {
    /// Rows with a durable record, names from `from` on that start with `prefix`, in order.
    pub fn scan(&self, bucket: u64, space: Space, prefix: &Bytes, from: &Bytes, limit: u32) -> Answer {
        let acceptor = self.acceptor.get();
        let index = self.index.borrow();
        let start = from.max(prefix);
        let mut rows: Vec<ScanRow> = Vec::new();
        let mut bytes = 0;
        let mut covers = Covers::End;
        for (key, row) in index.range(bucket, space, start) {
            if !key.name.starts_with(prefix) {
                break;
            }
            if row.newest().is_none() {
                continue;
            }
            if rows.len() >= limit.max(1) as usize || bytes >= ANSWER_LIMIT_BYTES {
                let last = rows.last().map(|row| row.name.clone());
                covers = Covers::UpTo(last.unwrap_or_default());
                break;
            }
            let state = row.state(acceptor.drive_floor, acceptor.dirty, false);
            bytes += key.name.len() + state.records.iter().map(|head| HEAD_BYTES + head.metadata.len()).sum::<usize>();
            rows.push(ScanRow {
                name: key.name.clone(),
                state,
            });
        }
        Answer::Page {
            rows,
            covers,
            dirty: acceptor.dirty.is_some(),
        }
    }
}
