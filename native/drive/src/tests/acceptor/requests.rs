//! Requests drawn by chance, and their answers held against the acceptor.

use super::super::crash::Dice;
use super::super::harness::{key, pattern, record, write_id};
use super::expected::{Acceptor, Sent, met};
use crate::{Answer, Ballot, Drive, Filling, KeyState, Kind, Record, Request, Shard, Want, WriteId};
use bytes::Bytes;
use openlake_checksum::crc64;
use openlake_io::Runtime;
use std::time::Duration;

const NAMES: [&str; 7] = ["a", "b", "folder/1", "folder/2", "folder/2/3", "z", "zz"];
/// Blocks of staged shards.
const BLOCK: usize = 4096;

/// Asks, and knows what must be answered.
pub struct Caller {
    pub(super) runtime: Runtime,
    pub(super) drive: Drive,
    pub(super) dice: Dice,
    pub acceptor: Acceptor,
    counter: u64,
}

impl Caller {
    pub fn new(runtime: Runtime, drive: Drive, dice: Dice, acceptor: Acceptor) -> Caller {
        let counter = acceptor.last_id;
        Caller {
            runtime,
            drive,
            dice,
            acceptor,
            counter,
        }
    }
    /// What the drive tells first: everything acknowledged, and what may have changed.
    pub async fn begin_life(&mut self) {
        self.acceptor.staged.clear();
        let floor = self.drive.floor();
        for name in NAMES {
            let told = self.state(name).await;
            self.acceptor.recover(name, &told);
        }
        assert!(floor >= self.acceptor.drive_floor, "the drive's floor fell to {floor}");
        self.acceptor.drive_floor = floor;
        self.acceptor.highest_of_life = floor;
        for name in NAMES {
            assert_eq!(self.state(name).await, self.acceptor.state(name));
        }
    }
    pub async fn close(&mut self) {
        self.drive.close().await;
        let request = Request::Read {
            key: key("a"),
            want: Want::Heads,
        };
        assert!(
            matches!(self.drive.handle(request).await, Answer::Failed(_)),
            "a closed drive answers"
        );
        met("failed");
    }
    async fn state(&self, name: &str) -> KeyState {
        match self
            .drive
            .handle(Request::Read {
                key: key(name),
                want: Want::Heads,
            })
            .await
        {
            Answer::State { state, shard: None } => state,
            other => panic!("{name}: {other:?}"),
        }
    }
    fn name(&self) -> &'static str {
        // A few keys are asked about most of the time.
        NAMES[self.dice.below(if self.dice.below(3) == 0 { 7 } else { 3 }) as usize]
    }
    /// Mostly above all floors, sometimes among them, rarely too far ahead.
    fn ballot(&mut self, name: &str) -> Ballot {
        self.counter += 1;
        let (now_ms, floor) = (self.runtime.wall_ms(), self.acceptor.floor(name));
        let clock = match self.dice.below(20) {
            0..3 => floor.clock.saturating_sub(self.dice.below(3)),
            3 => (now_ms + 3_600_000) << 16,
            _ => floor.clock.max(now_ms << 16) + 1,
        };
        Ballot {
            clock,
            node: 1 + self.dice.below(3) as u32,
            boot: self.counter as u32,
        }
    }
    fn new_id(&mut self) -> u64 {
        self.acceptor.last_id += 1;
        self.acceptor.last_id
    }
    fn held(&self, name: &str) -> Option<Sent> {
        let records = &self.acceptor.keys.get(name)?.records;
        records.values().nth(self.dice.below(records.len().max(1) as u64) as usize).cloned()
    }
    fn expect(&mut self, kind: &'static str, answer: &Answer, expected: &Answer, about: &str) {
        assert_eq!(answer, expected, "{about}");
        met(kind);
        self.acceptor.answers += 1;
    }
    pub async fn ask(&mut self) {
        let name = self.name();
        match self.dice.below(20) {
            0..5 => self.inline(name).await,
            5 => self.staged(name).await,
            6 => self.tombstone(name).await,
            7 => self.held_again(name).await,
            8..10 => self.prepare(name).await,
            10..13 => self.mark(name).await,
            13 => self.collect(name).await,
            14 => self.blocks(name).await,
            15 => self.scan().await,
            16 => self.barrier().await,
            17 => self.fill(name).await,
            18 => self.runtime.sleep(Duration::from_millis(self.dice.below(900))).await,
            _ => self.look(name).await,
        }
    }
    async fn publish(&mut self, name: &str, record: Record) {
        let (expected, kind) = self.acceptor.publish(name, &record, self.runtime.wall_ms());
        let about = format!("{name} publishes {} {:?}", record.ballot, record.shard);
        let answer = self.drive.handle(Request::Publish { key: key(name), record }).await;
        self.expect(kind, &without_time(answer), &without_time(expected), &about);
    }
    async fn inline(&mut self, name: &str) {
        let (ballot, id) = (self.ballot(name), self.new_id());
        let payload = pattern(id, self.dice.below(9000) as usize);
        let mut record = record(ballot, id, &payload);
        record.base = (self.dice.below(4) == 0).then_some(Ballot::ZERO);
        record.unconditional = self.dice.below(2) == 0;
        self.publish(name, record.clone()).await;
        if self.dice.below(4) == 0 {
            // The same again: links may carry a request late.
            self.publish(name, record).await;
        }
    }
    async fn tombstone(&mut self, name: &str) {
        let (ballot, id) = (self.ballot(name), self.new_id());
        let record = Record {
            kind: Kind::Tombstone,
            metadata: Bytes::new(),
            ..record(ballot, id, b"")
        };
        self.publish(name, record).await;
    }
    async fn held_again(&mut self, name: &str) {
        let ballot = self.ballot(name);
        let held = self.held(name).filter(|sent| sent.record.kind == Kind::Data);
        let mut record = match held {
            Some(sent) => sent.record,
            None => record(ballot, 0, b""),
        };
        if self.dice.below(6) == 0 {
            record.write_id = write_id(u64::MAX - 1);
        }
        (record.ballot, record.shard) = (ballot, Shard::Held);
        self.publish(name, record).await;
    }
    async fn stage(&mut self, name: &str, id: WriteId, payload: &[u8]) {
        for (number, bytes) in payload.chunks(3 * BLOCK).enumerate() {
            let request = Request::Stage {
                key: key(name),
                write_id: id,
                block_shift: 12,
                shard_length: payload.len() as u64,
                offset: (number * 3 * BLOCK) as u64,
                bytes: Bytes::copy_from_slice(bytes),
            };
            let answer = self.drive.handle(request).await;
            let floor = self.acceptor.floor(name);
            self.expect("staged", &answer, &Answer::Staged { floor }, "stages");
        }
        self.acceptor.staged.insert(id, payload.to_vec());
    }
    async fn staged(&mut self, name: &str) {
        let id = self.new_id();
        let payload = pattern(id, 1 + self.dice.below(40_000) as usize);
        let choice = self.dice.below(6);
        if choice > 0 {
            self.stage(name, write_id(id), &payload).await;
        }
        if choice == 1 {
            let answer = self.drive.handle(Request::Unstage { write_id: write_id(id) }).await;
            self.acceptor.staged.remove(&write_id(id));
            self.expect("nothing", &answer, &Answer::Nothing, "unstages");
        }
        let mut record = record(self.ballot(name), id, &payload);
        record.coding.block_shift = 12;
        // Another length than was staged is not what was staged.
        let length = payload.len() as u64 + u64::from(choice == 2);
        record.shard = Shard::Staged { length };
        self.publish(name, record).await;
    }
    async fn prepare(&mut self, name: &str) {
        let ballot = self.ballot(name);
        for _ in 0..1 + self.dice.below(2) {
            let expected = self.acceptor.prepare(name, ballot, self.runtime.wall_ms());
            let kind = match expected {
                Answer::Promise(_) => "promise",
                Answer::Refuse { .. } => "refuse",
                _ => "clock",
            };
            let answer = self.drive.handle(Request::Prepare { key: key(name), ballot }).await;
            self.expect(
                kind,
                &without_time(answer),
                &without_time(expected),
                &format!("{name} prepares {ballot}"),
            );
        }
    }
    async fn mark(&mut self, name: &str) {
        let ballot = self.held(name).map_or_else(|| self.ballot(name), |sent| sent.record.ballot);
        self.acceptor.stable(name, ballot);
        let answer = self.drive.handle(Request::Stable { key: key(name), ballot }).await;
        self.expect("nothing", &answer, &Answer::Nothing, "marks");
        self.settle(name).await;
    }
    /// A mark has no answer; one that comes while a checkpoint begins takes effect a moment later.
    async fn settle(&mut self, name: &str) {
        let stable = self.acceptor.key(name).stable;
        for _ in 0..1000 {
            if self.state(name).await.stable == stable {
                return;
            }
            self.runtime.sleep(Duration::from_millis(2)).await;
        }
        panic!("{name}: the mark {stable:?} takes no effect");
    }
    async fn collect(&mut self, name: &str) {
        if self.dice.below(3) > 0 {
            self.tombstone(name).await;
            let newest = self.acceptor.key(name).records.last_key_value().map(|(ballot, _)| *ballot);
            if let Some(ballot) = newest {
                self.acceptor.stable(name, ballot);
                self.drive.handle(Request::Stable { key: key(name), ballot }).await;
                self.settle(name).await;
            }
        }
        let newest = self.acceptor.key(name).records.last_key_value().map(|(ballot, _)| *ballot);
        let ballot = newest.unwrap_or_else(|| self.ballot(name));
        let (expected, kind) = self.acceptor.collect(name, ballot);
        let answer = self.drive.handle(Request::Drop { key: key(name), ballot }).await;
        self.expect(kind, &answer, &expected, &format!("{name} collects {ballot}"));
        let floor = self.drive.floor();
        assert_eq!(floor, self.acceptor.drive_floor, "the drive's floor behind a collection");
    }
    async fn blocks(&mut self, name: &str) {
        let known = self.held(name).filter(|sent| sent.record.kind == Kind::Data);
        let id = known.as_ref().map_or(write_id(u64::MAX), |sent| sent.record.write_id);
        let request = Request::Blocks {
            key: key(name),
            write_id: id,
            first: 0,
            count: u32::MAX,
        };
        let answer = self.drive.handle(request).await;
        let Some(sent) = known else {
            return self.expect("gone", &answer, &Answer::Gone, name);
        };
        let Answer::Blocks(shard) = answer else {
            panic!("{name}: {answer:?}")
        };
        let mut bytes = Vec::new();
        for block in shard.blocks {
            let block = block.expect("an unharmed block");
            assert_eq!(block.checksum, crc64(&block.bytes));
            bytes.extend_from_slice(&block.bytes);
        }
        assert!(bytes == sent.payload, "{name}: other bytes than were sent");
        met("blocks");
    }
    async fn fill(&mut self, name: &str) {
        let id = self.new_id();
        let ballot = self.ballot(name);
        let payload = pattern(id, self.dice.below(5000) as usize);
        let record = record(ballot, id, &payload);
        let filling = Filling {
            drive_floor: self.drive.floor(),
            replaces: false,
        };
        let answer = self.drive.fill(key(name), record.clone(), filling).await;
        self.expect("filled", &answer, &Answer::Ack, "fills");
        self.acceptor.fill(
            name,
            Sent {
                record,
                payload,
                inline: true,
            },
        );
        self.settle(name).await;
    }
    pub(super) async fn look(&mut self, name: &str) {
        let told = self.state(name).await;
        assert_eq!(told, self.acceptor.state(name), "{name}");
        met("state");
        let found = self.drive.unsettled(Duration::ZERO, 100);
        for (key, ballot) in found {
            let model = self.acceptor.key(&String::from_utf8_lossy(&key.name));
            let newest = model.records.last_key_value().map(|(ballot, _)| *ballot);
            assert!(
                newest == Some(ballot) && model.stable < newest,
                "{key:?} {ballot} is said to be unsettled"
            );
        }
    }
}

/// The clock has gone on since the question.
fn without_time(answer: Answer) -> Answer {
    match answer {
        Answer::Clock { .. } => Answer::Clock { now_ms: 0 },
        other => other,
    }
}
