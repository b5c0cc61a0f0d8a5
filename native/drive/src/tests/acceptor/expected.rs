//! The acceptor: what a drive must answer, from what it was asked before.

use crate::{Answer, Ballot, Head, KeyState, Kind, Record, Shard, WriteId};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Unstable records of a key, and of one that is asked with a base.
const UNSTABLE: usize = 8;
const UNSTABLE_PREPARED: usize = 64;
const CLOCK_LIMIT_MS: u64 = 5_000;
/// The bound lies so far ahead of promises.
const BOUND_MS: u64 = 1_000;

thread_local! {
    /// Kinds of answers met.
    static KINDS: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// The kinds of answers met since the last call.
pub fn take_kinds() -> BTreeSet<&'static str> {
    KINDS.take()
}

pub fn met(kind: &'static str) {
    KINDS.with_borrow_mut(|kinds| kinds.insert(kind));
}

/// A record that was sent, and its bytes.
#[derive(Clone)]
pub struct Sent {
    pub record: Record,
    pub payload: Vec<u8>,
    /// Whether its shard is held in the record.
    pub inline: bool,
}

/// One key.
#[derive(Clone, Default)]
pub struct KeyModel {
    pub floor: Ballot,
    pub stable: Option<Ballot>,
    /// Held.
    pub records: BTreeMap<Ballot, Sent>,
    /// Dropped by marks that may still be lost, and the mark before them.
    pub dropped: BTreeMap<Ballot, Sent>,
    pub marks: Vec<Option<Ballot>>,
}

/// The drive.
#[derive(Default)]
pub struct Acceptor {
    pub keys: BTreeMap<String, KeyModel>,
    pub drive_floor: Ballot,
    /// Highest ballot of anything that was taken, ever and in this life. A drive does not look through its index for the highest one at a
    /// start, so only the latter is sure to be told.
    pub highest: Ballot,
    pub highest_of_life: Ballot,
    /// Bytes staged: complete shards by write id.
    pub staged: BTreeMap<WriteId, Vec<u8>>,
    pub last_id: u64,
    pub ends_in_peace: bool,
    pub answers: u64,
}

impl Acceptor {
    pub fn key(&mut self, name: &str) -> &mut KeyModel {
        self.keys.entry(name.to_owned()).or_default()
    }
    pub fn floor(&self, name: &str) -> Ballot {
        self.keys.get(name).map_or(Ballot::ZERO, |key| key.floor).max(self.drive_floor)
    }
    /// What a read tells.
    pub fn state(&self, name: &str) -> KeyState {
        let nothing = KeyModel::default();
        let key = self.keys.get(name).unwrap_or(&nothing);
        KeyState {
            records: key.records.values().rev().map(head_of).collect(),
            stable: key.stable,
            dirty: None,
            floor: self.floor(name),
        }
    }
    fn refuse(&self, name: &str) -> Answer {
        Answer::Refuse {
            floor: self.floor(name),
            stable: self.keys.get(name).and_then(|key| key.stable),
            dirty: None,
        }
    }
    fn clock(&self, name: &str, ballot: Ballot, now_ms: u64) -> Option<Answer> {
        let newest = self
            .keys
            .get(name)
            .and_then(|key| key.records.last_key_value())
            .map(|(ballot, _)| ballot.time_ms());
        let ahead = ballot.time_ms() > now_ms + CLOCK_LIMIT_MS && newest != Some(ballot.time_ms());
        ahead.then_some(Answer::Clock { now_ms })
    }
    pub fn prepare(&mut self, name: &str, ballot: Ballot, now_ms: u64) -> Answer {
        if let Some(answer) = self.clock(name, ballot, now_ms) {
            return answer;
        }
        if ballot < self.floor(name) {
            return self.refuse(name);
        }
        self.rise(ballot);
        self.key(name).floor = ballot;
        Answer::Promise(self.state(name))
    }
    /// `staged`: bytes under the record's write id are staged, and how long they are.
    pub fn publish(&mut self, name: &str, record: &Record, now_ms: u64) -> (Answer, &'static str) {
        if let Some(answer) = self.clock(name, record.ballot, now_ms) {
            return (answer, "clock");
        }
        let (floor, key) = (self.floor(name), self.keys.entry(name.to_owned()).or_default());
        if key.records.contains_key(&record.ballot) {
            return (Answer::Ack, "duplicate");
        }
        if record.ballot < floor || key.stable.is_some_and(|stable| record.ballot <= stable) {
            return (self.refuse(name), "refuse");
        }
        let unstable = key.records.keys().filter(|ballot| Some(**ballot) > key.stable).count();
        if unstable >= if record.base.is_some() { UNSTABLE_PREPARED } else { UNSTABLE } {
            return (Answer::SettleFirst, "settle first");
        }
        let Some((payload, inline)) = self.bytes_of(name, record) else {
            return (Answer::NotStaged, "not staged");
        };
        let sent = Sent {
            record: record.clone(),
            payload,
            inline,
        };
        self.rise(record.ballot);
        self.staged.remove(&record.write_id);
        let key = self.key(name);
        key.floor = record.ballot;
        key.records.insert(record.ballot, sent);
        (Answer::Ack, "ack")
    }
    fn bytes_of(&self, name: &str, record: &Record) -> Option<(Vec<u8>, bool)> {
        let held = || {
            let key = self.keys.get(name)?;
            let of_id = key.records.values().rev().find(|sent| sent.record.write_id == record.write_id)?;
            // Nothing to copy is held inline, whatever it was.
            Some((of_id.payload.clone(), of_id.inline || of_id.payload.is_empty()))
        };
        match &record.shard {
            Shard::None => Some((Vec::new(), true)),
            Shard::Inline(bytes) => Some((bytes.to_vec(), true)),
            Shard::Staged { length } => {
                let staged = self.staged.get(&record.write_id).filter(|bytes| bytes.len() as u64 == *length);
                let held = || held().filter(|(bytes, _)| bytes.len() as u64 == *length);
                staged.map(|bytes| (bytes.clone(), false)).or_else(held)
            }
            Shard::Held => {
                let staged = self.staged.get(&record.write_id).map(|bytes| (bytes.clone(), false));
                staged.or_else(held)
            }
        }
    }
    pub fn stable(&mut self, name: &str, ballot: Ballot) {
        let Some(key) = self.keys.get_mut(name) else { return };
        if key.records.contains_key(&ballot) && key.stable < Some(ballot) {
            key.marks.push(key.stable);
            key.stable = Some(ballot);
            let kept = key.records.split_off(&ballot);
            key.dropped.append(&mut std::mem::replace(&mut key.records, kept));
        }
    }
    pub fn collect(&mut self, name: &str, ballot: Ballot) -> (Answer, &'static str) {
        let (drive_floor, key) = (self.drive_floor, self.key(name));
        let only = key.records.len() == 1 && key.stable == Some(ballot);
        let tombstone = key.records.get(&ballot).is_some_and(|sent| sent.record.kind == Kind::Tombstone);
        if key.records.is_empty() && drive_floor > ballot {
            return (Answer::Ack, "ack");
        }
        if !(only && tombstone) {
            return (self.refuse(name), "refuse drop");
        }
        *key = KeyModel {
            // Known beside the rows; it is not lower than what was told.
            floor: key.floor,
            ..KeyModel::default()
        };
        let above = u128::from_be_bytes(ballot.to_bytes()) + 1;
        self.drive_floor = self.drive_floor.max(Ballot::from_bytes(above.to_be_bytes()));
        (Answer::Ack, "ack")
    }
    pub fn barrier(&mut self, floor: Ballot) {
        self.drive_floor = self.drive_floor.max(floor);
        self.rise(floor);
    }
    fn rise(&mut self, ballot: Ballot) {
        self.highest = self.highest.max(ballot);
        self.highest_of_life = self.highest_of_life.max(ballot);
    }
    /// A complete version put in its place.
    pub fn fill(&mut self, name: &str, sent: Sent) {
        let ballot = sent.record.ballot;
        let key = self.key(name);
        if key.stable < Some(ballot) {
            key.records.entry(ballot).or_insert(sent);
            key.floor = key.floor.max(ballot);
            self.rise(ballot);
            self.stable(name, ballot);
        }
    }
    /// The first thing that a key tells in a new life: what may have changed is learnt.
    pub fn recover(&mut self, name: &str, told: &KeyState) {
        let (peace, highest, drive_floor) = (self.ends_in_peace, self.highest, self.drive_floor);
        let key = self.key(name);
        let bound = Ballot {
            clock: highest.clock.saturating_add(BOUND_MS << 16) | 0xffff,
            node: u32::MAX,
            boot: u32::MAX,
        };
        assert!(
            told.floor >= key.floor.max(drive_floor),
            "{name}: the floor fell from {} to {}",
            key.floor,
            told.floor
        );
        assert!(told.floor <= bound, "{name}: the floor rose to {}, above {bound}", told.floor);
        if told.stable != key.stable {
            assert!(
                !peace,
                "{name}: {:?} was stable before an end in peace, now {:?}",
                key.stable, told.stable
            );
            assert!(
                key.marks.contains(&told.stable),
                "{name}: nobody said that {:?} is stable",
                told.stable
            );
            key.records.append(&mut key.dropped);
            key.stable = told.stable;
            key.records.retain(|ballot, _| Some(*ballot) >= told.stable);
        }
        let expected: Vec<Head> = key.records.values().rev().map(head_of).collect();
        assert_eq!(told.records, expected, "{name}");
        key.floor = told.floor;
        key.dropped.clear();
        key.marks.clear();
    }
}

pub fn head_of(sent: &Sent) -> Head {
    let record = &sent.record;
    Head {
        ballot: record.ballot,
        write_id: record.write_id,
        origin: record.origin,
        base: record.base,
        kind: record.kind,
        unconditional: record.unconditional,
        size: record.size,
        etag: record.etag,
        etag_parts: record.etag_parts,
        metadata: record.metadata.clone(),
        coding: record.coding,
        slot: record.slot,
        payload_size: record.payload_size,
        inline: sent.inline,
    }
}
