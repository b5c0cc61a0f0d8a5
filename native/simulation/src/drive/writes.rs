//! What workers write: versions inline and in bulk, again, or not at all.

use super::key_model::Fate;
use super::model::CLOCK_LIMIT_MS;
use super::payload::Payload;
use super::requests::record;
use super::shift::{id, show};
use super::worker::Worker;
use openlake_drive::{Answer, Key, Kind, Record, Request, Shard, WriteId};

impl Worker {
    pub(super) async fn inline(&mut self, key: &Key) {
        let ballot = self.ballot(key);
        let length = self.random.below(self.shift.plan.load.inline_bytes + 1) as usize;
        let write = self.shift.model.borrow_mut().new_write(length);
        let shard = if length == 0 { Shard::None } else { Shard::Inline(write.1.bytes()) };
        let record = record(ballot, write, shard, &self.shift.plan.load, &mut self.random);
        self.publish(key, record, write.1, false).await;
    }

    pub(super) async fn bulk(&mut self, key: &Key, publish: bool) {
        let length = 1 + self.random.below(self.shift.plan.load.bulk_bytes) as usize;
        let write = self.shift.model.borrow_mut().new_write(length);
        let block_shift = self.random.between(12, 16) as u8;
        if !self.stage(key, write, block_shift).await {
            return;
        }
        if !publish {
            if self.random.percent(70) {
                self.unstage(write.0).await;
            }
            return;
        }
        let ballot = self.ballot(key);
        let shard = Shard::Staged { length: length as u64 };
        let mut record = record(ballot, write, shard, &self.shift.plan.load, &mut self.random);
        record.coding.block_shift = block_shift;
        if !self.publish(key, record, write.1, true).await && self.random.percent(70) {
            self.unstage(write.0).await;
        }
    }

    pub(super) async fn unstage(&self, write_id: WriteId) {
        let request = Request::Unstage { write_id };
        self.shift.ask(self.number, request, format!("unstages {}", id(write_id))).await;
    }

    /// Stages all bytes of a write, in order or not.
    pub(super) async fn stage(&mut self, key: &Key, write: (WriteId, Payload), block_shift: u8) -> bool {
        let all = write.1.bytes();
        let step = (self.random.between(1, 4) as usize) << block_shift;
        let shard_length = if self.random.percent(50) { all.len() as u64 } else { 0 };
        let mut offsets: Vec<usize> = (0..all.len()).step_by(step).collect();
        if shard_length > 0 && self.random.percent(20) {
            offsets.reverse();
        }
        for offset in offsets {
            let bytes = all.slice(offset..(offset + step).min(all.len()));
            let request = Request::Stage {
                key: key.clone(),
                write_id: write.0,
                block_shift,
                shard_length,
                offset: offset as u64,
                bytes,
            };
            let text = format!("stages {} at {offset} of {}", id(write.0), all.len());
            if !matches!(self.shift.ask(self.number, request, text).await, Answer::Staged { .. }) {
                return false;
            }
        }
        true
    }

    pub(super) async fn republish(&mut self, key: &Key) {
        let held = self.held(key);
        let Some((mut record, payload)) = self.random.pick(&held).cloned() else {
            return;
        };
        if record.kind == Kind::Tombstone {
            return;
        }
        // Somebody else may be supplying the same bytes, and come to a part of them.
        let block = 1_usize << record.coding.block_shift;
        if self.random.percent(30) && (12..=30).contains(&record.coding.block_shift) && payload.length > block {
            let request = Request::Stage {
                key: key.clone(),
                write_id: record.write_id,
                block_shift: record.coding.block_shift,
                shard_length: payload.length as u64,
                offset: 0,
                bytes: payload.bytes().slice(..block),
            };
            let text = format!("stages the beginning of {} again", id(record.write_id));
            self.shift.ask(self.number, request, text).await;
        }
        record.ballot = self.ballot(key);
        record.shard = Shard::Held;
        self.publish(key, record, payload, false).await;
    }

    /// Records that the drive holds as far as the model knows, oldest first.
    pub(super) fn held(&self, key: &Key) -> Vec<(Record, Payload)> {
        let mut model = self.shift.model.borrow_mut();
        let model = model.key(key);
        let held = model
            .attempts
            .iter()
            .filter(|(ballot, attempt)| attempt.fate == Fate::Held && Some(**ballot) >= model.stable);
        held.map(|(_, attempt)| (attempt.record.clone(), attempt.payload)).collect()
    }

    /// Publishes; `is_staged`: all its bytes were staged in this life. Whether it was taken.
    pub(super) async fn publish(&mut self, key: &Key, record: Record, payload: Payload, is_staged: bool) -> bool {
        let (ballot, needs_bytes) = (record.ballot, matches!(record.shard, Shard::Staged { .. } | Shard::Held));
        let (before, is_first, now_ms) = {
            let mut model = self.shift.model.borrow_mut();
            let model = model.key(key);
            let before = model.before();
            let is_first = !model.attempts.contains_key(&ballot);
            model.sent(&record, payload);
            (before, is_first, self.shift.runtime.wall_ms())
        };
        let kind = if record.kind == Kind::Tombstone { "tombstone" } else { "record" };
        let text = format!(
            "publishes {} {ballot} {} ({kind} of {} bytes)",
            show(key),
            id(record.write_id),
            payload.length
        );
        let answer = self
            .shift
            .ask(self.number, Request::Publish { key: key.clone(), record }, text.clone())
            .await;
        let is_taken = answer == Answer::Ack;
        let mut model = self.shift.model.borrow_mut();
        let result = match answer {
            Answer::Ack => model.key(key).acknowledged(ballot, &before, is_first),
            Answer::Refuse { floor, stable, .. } => {
                let justified = model.check_floor(floor);
                let model = model.key(key);
                let result = model.refused(ballot, &before, floor, stable);
                model.not_taken(ballot);
                result.and(justified)
            }
            Answer::SettleFirst => {
                let unstable = model.key(key).unstable();
                model.key(key).not_taken(ballot);
                // A drive that lost marks holds versions again that it had dropped, until they are settled anew.
                (unstable >= 8 || self.shift.plan.is_doubtful())
                    .then_some(())
                    .ok_or(format!("settle first, with {unstable} records"))
            }
            Answer::Clock { .. } => {
                model.key(key).not_taken(ballot);
                (ballot.time_ms() > now_ms + CLOCK_LIMIT_MS)
                    .then_some(())
                    .ok_or("refused for its clock".to_owned())
            }
            Answer::NotStaged if needs_bytes && (!is_staged || self.shift.plan.is_doubtful()) => {
                model.key(key).not_taken(ballot);
                Ok(())
            }
            Answer::Full => {
                model.key(key).not_taken(ballot);
                Ok(())
            }
            Answer::Failed(_) => Ok(()),
            other => Err(format!("an answer of another kind: {other:?}")),
        };
        drop(model);
        self.shift.check(&text, result);
        is_taken
    }
}
