//! A worker: asks the drive for one thing after the other, and holds every answer against the model.

use super::checks::{Expected, check_blocks};
use super::model::{CLOCK_LIMIT_MS, Model};
use super::plan::{Action, DrivePlan};
use super::requests::{BUCKETS, SPACES, key, record, tombstone};
use crate::history::History;
use crate::random::Random;
use bytes::Bytes;
use openlake_drive::{Answer, Ballot, Covers, Drive, Head, Key, Kind, Record, Request, Shard, Want, WriteId};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::key_model::{Before, Fate};
use super::payload::Payload;

/// What all workers of a life share.
pub struct Shift {
    pub runtime: Runtime,
    pub drive: Drive,
    pub model: Rc<RefCell<Model>>,
    pub history: History,
    pub plan: DrivePlan,
    /// The drive's count of keys is exact: all its lives so far ended in peace.
    pub counts_exactly: bool,
    /// No new requests are to be made.
    pub stop: Cell<bool>,
    /// The drive was told to close: it may answer so.
    pub closing: Cell<bool>,
    /// The drive said that it is full.
    pub was_full: Cell<bool>,
    /// Workers that have not ended.
    pub working: Cell<u64>,
}

impl Shift {
    fn problem(&self, text: String) {
        self.history.problem(self.runtime.now(), text);
    }
    /// Notes what is wrong, if so.
    pub fn check(&self, about: &str, result: Result<(), String>) {
        if let Err(text) = result {
            self.problem(format!("{about}: {text}"));
        }
    }
    /// A request to the drive, noted with its answer.
    async fn ask(&self, who: u64, request: Request, text: String) -> Answer {
        self.history.event(self.runtime.now(), &format!("w{who} {text}"));
        let answer = self.drive.handle(request).await;
        self.history
            .event(self.runtime.now(), &format!("w{who} {text} -> {}", brief(&answer)));
        match &answer {
            Answer::Failed(text) if self.plan.is_sound() && !self.closing.get() => self.problem(format!("the drive failed: {text}")),
            Answer::Full => self.was_full.set(true),
            _ => {}
        }
        answer
    }
}

/// An answer in a few words.
fn brief(answer: &Answer) -> String {
    match answer {
        Answer::State { state, shard } => {
            let told: Vec<String> = state.records.iter().map(|head| head.ballot.to_string()).collect();
            format!("{told:?} stable {:?} floor {} shard {}", state.stable, state.floor, shard.is_some())
        }
        Answer::Promise(state) => format!("promise, {} records", state.records.len()),
        Answer::Blocks(shard) => format!("{} blocks", shard.blocks.len()),
        Answer::Page { rows, covers, .. } => format!("{} rows, {covers:?}", rows.len()),
        other => format!("{other:?}"),
    }
}

/// One worker.
pub struct Worker {
    pub shift: Rc<Shift>,
    pub random: Random,
    pub number: u64,
}

impl Worker {
    /// Works until it is stopped, or its process ends.
    pub async fn work(mut self) {
        while !self.shift.stop.get() {
            // A moment to think: answers from memory alone would let no time pass.
            let moment = Duration::from_micros(self.random.below(100));
            self.shift.runtime.sleep(moment).await;
            let Some(action) = self.random.weighted(&self.shift.plan.load.actions) else {
                break;
            };
            self.shift.history.count(name_of(action));
            let key = key(self.random.below(self.shift.plan.load.keys));
            self.act(action, key).await;
        }
        self.shift.working.set(self.shift.working.get() - 1);
    }

    async fn act(&mut self, action: Action, key: Key) {
        match action {
            Action::Inline => self.inline(&key).await,
            Action::Bulk | Action::Abandon => self.bulk(&key, action == Action::Bulk).await,
            Action::Tombstone => {
                let (ballot, write_id) = (self.ballot(&key), self.shift.model.borrow_mut().new_write(0).0);
                let record = tombstone(ballot, write_id, &mut self.random);
                self.publish(&key, record, Payload::NONE, false).await;
            }
            Action::Republish => self.republish(&key).await,
            Action::Resend => {
                let sent = self.shift.model.borrow().sent_before(&key, &mut self.random);
                if let Some((record, payload)) = sent {
                    self.publish(&key, record, payload, false).await;
                }
            }
            Action::Prepare => self.prepare(&key).await,
            Action::Mark => self.mark(&key).await,
            Action::Read => self.read(&key).await,
            Action::Blocks => self.blocks(&key).await,
            Action::Scan => self.scan().await,
            Action::Unsettled => self.unsettled(),
            Action::Rest => {
                let rest = Duration::from_micros(self.random.below(self.shift.plan.load.rest_us));
                self.shift.runtime.sleep(rest).await;
            }
        }
    }

    fn ballot(&mut self, key: &Key) -> Ballot {
        let now_ms = self.shift.runtime.wall_ms();
        self.shift.model.borrow_mut().new_ballot(key, now_ms, &mut self.random)
    }

    async fn inline(&mut self, key: &Key) {
        let ballot = self.ballot(key);
        let length = self.random.below(self.shift.plan.load.inline_bytes + 1) as usize;
        let write = self.shift.model.borrow_mut().new_write(length);
        let shard = if length == 0 { Shard::None } else { Shard::Inline(write.1.bytes()) };
        let record = record(ballot, write, shard, &self.shift.plan.load, &mut self.random);
        self.publish(key, record, write.1, false).await;
    }

    async fn bulk(&mut self, key: &Key, publish: bool) {
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

    async fn unstage(&self, write_id: WriteId) {
        let request = Request::Unstage { write_id };
        self.shift.ask(self.number, request, format!("unstages {}", id(write_id))).await;
    }

    /// Stages all bytes of a write, in order or not.
    async fn stage(&mut self, key: &Key, write: (WriteId, Payload), block_shift: u8) -> bool {
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

    async fn republish(&mut self, key: &Key) {
        let held = self.held(key);
        let Some((mut record, payload)) = self.random.pick(&held).cloned() else {
            return;
        };
        if record.kind == Kind::Tombstone {
            return;
        }
        record.ballot = self.ballot(key);
        record.shard = Shard::Held;
        self.publish(key, record, payload, false).await;
    }

    /// Records that the drive holds as far as the model knows, oldest first.
    fn held(&self, key: &Key) -> Vec<(Record, Payload)> {
        let mut model = self.shift.model.borrow_mut();
        let model = model.key(key);
        let held = model
            .attempts
            .iter()
            .filter(|(ballot, attempt)| attempt.fate == Fate::Held && Some(**ballot) >= model.stable);
        held.map(|(_, attempt)| (attempt.record.clone(), attempt.payload)).collect()
    }

    /// Publishes; `is_staged`: all its bytes were staged in this life. Whether it was taken.
    async fn publish(&mut self, key: &Key, record: Record, payload: Payload, is_staged: bool) -> bool {
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
            Answer::Refuse { floor, stable } => {
                let justified = model.check_floor(floor);
                let model = model.key(key);
                let result = model.refused(ballot, &before, floor, stable);
                model.not_taken(ballot);
                result.and(justified)
            }
            Answer::SettleFirst => {
                let unstable = model.key(key).unstable();
                model.key(key).not_taken(ballot);
                (unstable >= 8)
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

    async fn prepare(&mut self, key: &Key) {
        let ballot = self.ballot(key);
        let (before, now_ms) = (self.shift.model.borrow_mut().key(key).before(), self.shift.runtime.wall_ms());
        let text = format!("prepares {} {ballot}", show(key));
        let answer = self
            .shift
            .ask(self.number, Request::Prepare { key: key.clone(), ballot }, text.clone())
            .await;
        let mut model = self.shift.model.borrow_mut();
        let result = match answer {
            Answer::Promise(state) => model.key(key).promised(ballot, &before, &state).and(model.check_floor(state.floor)),
            Answer::Refuse { floor, .. } if floor <= ballot => Err(format!("refused for the floor {floor}")),
            Answer::Refuse { floor, stable } => {
                let justified = model.check_floor(floor);
                model.key(key).refused(ballot, &before, floor, stable).and(justified)
            }
            Answer::Clock { .. } => (ballot.time_ms() > now_ms + CLOCK_LIMIT_MS)
                .then_some(())
                .ok_or("refused for its clock".to_owned()),
            Answer::Full | Answer::Failed(_) => Ok(()),
            other => Err(format!("an answer of another kind: {other:?}")),
        };
        drop(model);
        self.shift.check(&text, result);
    }

    async fn mark(&mut self, key: &Key) {
        let now = self.shift.runtime.now();
        let ballots: Vec<Ballot> = {
            let mut model = self.shift.model.borrow_mut();
            let known = model.key(key).attempts.iter().filter(|(_, attempt)| attempt.fate != Fate::Never);
            known.map(|(ballot, _)| *ballot).collect()
        };
        // Mostly the newest.
        let ballot = if self.random.percent(60) {
            ballots.last()
        } else {
            self.random.pick(&ballots)
        };
        let Some(&ballot) = ballot else { return };
        self.shift.model.borrow_mut().key(key).mark_sent(ballot, now);
        let text = format!("marks {} {ballot}", show(key));
        self.shift
            .ask(self.number, Request::Stable { key: key.clone(), ballot }, text)
            .await;
    }

    async fn read(&mut self, key: &Key) {
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

    fn judge_bytes(&self, head: &Head, shard: &openlake_drive::ShardBytes, first: u32, count: u32) -> Result<(), String> {
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

    async fn blocks(&mut self, key: &Key) {
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
            // Marked meanwhile by somebody else.
            Answer::Gone if self.shift.model.borrow_mut().key(key).was_marked_above(record.ballot) => Ok(()),
            Answer::Failed(_) => Ok(()),
            other => Err(brief(&other)),
        };
        self.shift.check(&text, result);
    }

    async fn scan(&mut self) {
        let (bucket, space) = (
            BUCKETS[usize::from(self.random.percent(30))],
            SPACES[usize::from(self.random.percent(20))],
        );
        let prefix = Bytes::from_static(
            *self
                .random
                .pick(&[&b""[..], b"folder/", b"k", b"folder/inner/"])
                .unwrap_or(&&b""[..]),
        );
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

    fn unsettled(&mut self) {
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

fn id(write_id: WriteId) -> String {
    format!("#{}", u64::from_le_bytes(std::array::from_fn(|at| write_id.0[at])))
}

/// A key in a few letters.
pub fn show(key: &Key) -> String {
    let name = String::from_utf8_lossy(&key.name);
    format!("{}/{:?}/{}", key.bucket, key.space, name.chars().take(24).collect::<String>())
}

fn name_of(action: Action) -> &'static str {
    match action {
        Action::Inline => "inline publishes",
        Action::Bulk => "bulk publishes",
        Action::Abandon => "staged and abandoned",
        Action::Tombstone => "tombstones",
        Action::Republish => "versions published again",
        Action::Resend => "records sent again",
        Action::Prepare => "prepares",
        Action::Mark => "stable marks",
        Action::Read => "reads",
        Action::Blocks => "reads by write id",
        Action::Scan => "scans",
        Action::Unsettled => "looks for unsettled keys",
        Action::Rest => "rests",
    }
}
