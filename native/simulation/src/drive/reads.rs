//! What workers read: states, bytes, ranges, and what waits to be settled.

use super::checks::{Expected, check_blocks};
use super::key_model::{Before, Fate};
use super::requests::{BUCKETS, SPACES, key};
use super::shift::{brief, id, show};
use super::worker::Worker;
use bytes::Bytes;
use openlake_drive::{Answer, Covers, Head, Key, Kind, Request, ShardBytes, Want};
use std::time::Duration;

impl Worker {
    pub(super) async fn read(&mut self, key: &Key) {
        let before = self.shift.model.borrow_mut().key(key).before();
        let (first, count) = (self.random.below(6) as u32, self.random.below(40) as u32);
        let want = if self.random.percent(50) {
            Want::Heads
        } else {
            Want::Blocks { first, count }
        };
        let text = format!("reads {} {want:?}", show(key));
        let answer = self
            .shift
            .ask(self.number, Request::Read { key: key.clone(), want }, text.clone())
            .await;
        let (state, shard) = match answer {
            Answer::State { state, shard } => (state, shard),
            Answer::Failed(_) => return,
            other => return self.shift.problem(format!("{text}: {other:?}")),
        };
        let mut result = {
            let mut model = self.shift.model.borrow_mut();
            model.key(key).told(&before, &state).and(model.check_floor(state.floor))
        };
        let newest = state.records.first().filter(|head| head.kind == Kind::Data && want != Want::Heads);
        match (newest, shard) {
            (Some(head), Some(shard)) if head.write_id == shard.write_id => {
                result = result.and(self.judge_bytes(head, &shard, first, count));
            }
            (None, None) => {}
            (head, shard) => {
                result = result.and(Err(format!(
                    "bytes of {:?} came with the head {head:?}",
                    shard.map(|shard| shard.write_id)
                )))
            }
        }
        self.shift.check(&text, result);
    }

    fn judge_bytes(&self, head: &Head, shard: &ShardBytes, first: u32, count: u32) -> Result<(), String> {
        let payload = self
            .shift
            .model
            .borrow()
            .payload(head.write_id)
            .ok_or("bytes of an unknown write")?;
        let missing = check_blocks(shard, &Expected::of_head(head, payload), first, count)?;
        // A device that errs may fail to read.
        (missing == 0 || !self.shift.plan.is_sound())
            .then_some(())
            .ok_or(format!("{missing} blocks are missing"))
    }

    pub(super) async fn blocks(&mut self, key: &Key) {
        let before: Before = self.shift.model.borrow_mut().key(key).before();
        let held = self.held(key);
        let Some((record, payload)) = self.random.pick(&held).cloned() else {
            return;
        };
        let (first, count) = (self.random.below(6) as u32, self.random.below(40) as u32);
        let request = Request::Blocks {
            key: key.clone(),
            write_id: record.write_id,
            first,
            count,
        };
        let text = format!("reads {} {}", show(key), id(record.write_id));
        let answer = self.shift.ask(self.number, request, text.clone()).await;
        let stable = self.shift.model.borrow_mut().key(key).stable;
        let result = match answer {
            Answer::Blocks(shard) if shard.write_id == record.write_id => {
                // Bytes once inline stay so, whatever record they are held by.
                let is_inline = shard.first == 0 && payload.blocks(record.coding.block_shift) == shard.blocks.len() as u64;
                check_blocks(&shard, &Expected::of_record(&record, payload, is_inline), first, count).and_then(|missing| {
                    (missing == 0 || !self.shift.plan.is_sound())
                        .then_some(())
                        .ok_or(format!("{missing} blocks are missing"))
                })
            }
            Answer::Gone if stable > Some(record.ballot) || !before.held.contains(&record.ballot) => Ok(()),
            Answer::Gone if self.shift.plan.is_doubtful() => Ok(()),
            Answer::Gone if self.shift.model.borrow_mut().key(key).may_be_gone(record.ballot) => Ok(()),
            // Marked meanwhile by somebody else.
            Answer::Gone if self.shift.model.borrow_mut().key(key).was_marked_above(record.ballot) => Ok(()),
            Answer::Failed(_) => Ok(()),
            other => Err(brief(&other)),
        };
        self.shift.check(&text, result);
    }

    pub(super) async fn scan(&mut self) {
        let (bucket, space) = (
            BUCKETS[usize::from(self.random.percent(30))],
            SPACES[usize::from(self.random.percent(20))],
        );
        let prefixes: [&'static [u8]; 4] = [b"", b"folder/", b"k", b"folder/inner/"];
        let prefix = Bytes::from_static(self.random.pick(&prefixes).copied().unwrap_or_default());
        let mut from = if self.random.percent(50) {
            Bytes::new()
        } else {
            key(self.random.below(self.shift.plan.load.keys)).name
        };
        let limit = self.random.between(1, 50) as u32;
        for _ in 0..self.random.between(1, 5) {
            let before = self.shift.model.borrow().before_scan(bucket, space, &from, &prefix);
            let (prefix, start) = (prefix.clone(), from.clone());
            let text = format!("scans {bucket} {space:?} {prefix:?} from {start:?}, {limit} rows");
            let request = Request::Scan {
                bucket,
                space,
                prefix: prefix.clone(),
                from: start.clone(),
                limit,
            };
            let answer = self.shift.ask(self.number, request, text.clone()).await;
            let Answer::Page { rows, covers, .. } = answer else {
                if !matches!(answer, Answer::Failed(_)) {
                    self.shift.problem(format!("{text}: {answer:?}"));
                }
                return;
            };
            let rows = rows.to_rows();
            let stray = rows.iter().any(|row| row.name < start || !row.name.starts_with(&prefix)) || rows.len() > limit as usize;
            let until = match &covers {
                Covers::End => None,
                Covers::UpTo(name) => Some(name),
            };
            let mut result = self.shift.model.borrow_mut().scanned(&before, (bucket, space), &rows, until);
            if stray || until.is_some_and(|until| rows.last().is_none_or(|row| row.name != *until)) {
                result = result.and(Err(format!("{} rows, {covers:?}", rows.len())));
            }
            self.shift.check(&text, result);
            let Covers::UpTo(name) = covers else { return };
            from = [&name[..], b"\0"].concat().into();
        }
    }

    pub(super) fn unsettled(&mut self) {
        let limit = self.random.between(1, 20) as usize;
        let found = self.shift.drive.unsettled(Duration::from_millis(self.random.below(1500)), limit);
        let mut model = self.shift.model.borrow_mut();
        let wrong = found.iter().find(|(key, ballot)| {
            let attempts = &model.key(key).attempts;
            attempts
                .get(ballot)
                .is_none_or(|attempt| attempt.fate == Fate::Never && !self.shift.plan.is_doubtful())
        });
        let wrong = wrong.map(|(key, ballot)| format!("{} {ballot} is said to be unsettled", show(key)));
        let wrong = wrong.or((found.len() > limit).then(|| "more unsettled keys than asked for".to_owned()));
        drop(model);
        if let Some(text) = wrong {
            self.shift.problem(text);
        }
    }
}
