//! All keys of a drive as the model sees them, and the numbers that are given out: write ids, ballots.

use super::key_model::{Before, KeyModel};
use super::payload::Payload;
use crate::random::Random;
use bytes::Bytes;
use openlake_drive::{Ballot, Key, Record, ScanRow, Space, WriteId};
use std::collections::{BTreeMap, HashMap};

/// A drive refuses ballots this far ahead of its clock, milliseconds.
pub const CLOCK_LIMIT_MS: u64 = 5_000;
/// Ballots that are to be refused for their clock lie so far ahead that no waiting makes them good, milliseconds.
const FAR_MS: u64 = 3_600_000;
/// Floors rise this far above what was sent: the bound of promises, milliseconds.
const BOUND_AHEAD_MS: u64 = 1_000;

/// The model of a drive.
#[derive(Default)]
pub struct Model {
    keys: BTreeMap<Key, KeyModel>,
    payloads: HashMap<WriteId, Payload>,
    last_id: u64,
    ballots: u32,
    highest_sent: Ballot,
    /// Clock of a ballot up to which floors may have risen after a power cut.
    risen: u64,
    /// The device is unfaithful: only what is told is judged, not what is missing.
    pub is_doubtful: bool,
}

impl Model {
    /// The model of a blank drive.
    pub fn new(is_doubtful: bool) -> Model {
        Model {
            is_doubtful,
            ..Model::default()
        }
    }
    /// The model of a key.
    pub fn key(&mut self, key: &Key) -> &mut KeyModel {
        let is_doubtful = self.is_doubtful;
        self.keys.entry(key.clone()).or_insert_with(|| KeyModel::new(is_doubtful))
    }
    /// All keys that were ever asked about.
    pub fn keys(&self) -> impl Iterator<Item = (&Key, &KeyModel)> {
        self.keys.iter()
    }
    /// All keys, to be changed.
    pub fn keys_mut(&mut self) -> impl Iterator<Item = &mut KeyModel> {
        self.keys.values_mut()
    }
    /// A write id never used before, and what is written under it.
    pub fn new_write(&mut self, length: usize) -> (WriteId, Payload) {
        self.last_id += 1;
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.last_id.to_le_bytes());
        let payload = Payload {
            seed: self.last_id,
            length,
        };
        self.payloads.insert(WriteId(id), payload);
        (WriteId(id), payload)
    }
    /// What was written under a write id.
    pub fn payload(&self, write_id: WriteId) -> Option<Payload> {
        self.payloads.get(&write_id).copied()
    }
    /// A ballot around what the key has seen, never used before: mostly above, sometimes below its floor, rarely too far ahead.
    pub fn new_ballot(&mut self, key: &Key, now_ms: u64, random: &mut Random) -> Ballot {
        let floor = self.key(key).floor;
        self.ballots += 1;
        let clock = match random.below(100) {
            0..12 => floor.clock.saturating_sub(random.below(3)).max(1),
            12..30 => (now_ms << 16) + random.below(9),
            30 => (now_ms + FAR_MS + random.below(2000)) << 16,
            _ => floor.clock.max(now_ms << 16) + 1 + random.below(3),
        };
        let ballot = Ballot {
            clock,
            node: random.between(1, 3) as u32,
            boot: self.ballots,
        };
        if ballot.time_ms() < now_ms + FAR_MS {
            self.highest_sent = self.highest_sent.max(ballot);
        }
        ballot
    }
    /// A drive begins a life after power cuts: where the end of its log cannot be read, its floors rise above all that might have been
    /// promised there.
    pub fn begin_after_cut(&mut self, now_ms: u64) {
        self.risen = ((now_ms + CLOCK_LIMIT_MS) << 16) | 0xffff;
    }
    /// Whether a floor that the drive told follows from what it was sent.
    ///
    /// # Errors
    /// It rose for no reason.
    pub fn check_floor(&self, floor: Ballot) -> Result<(), String> {
        let limit = self.highest_sent.clock.saturating_add(BOUND_AHEAD_MS << 16) | 0xffff;
        let limit = limit.max(self.risen);
        (self.is_doubtful || floor.clock <= limit)
            .then_some(())
            .ok_or_else(|| format!("the floor is {floor}, but nothing above {} was ever sent", self.highest_sent))
    }
    /// A record sent for a key, to be sent again.
    pub fn sent_before(&self, key: &Key, random: &mut Random) -> Option<(Record, Payload)> {
        let attempts: Vec<_> = self.keys.get(key)?.attempts.values().collect();
        random.pick(&attempts).map(|attempt| (attempt.record.clone(), attempt.payload))
    }
    /// What is known of all keys of a range, before it is scanned.
    pub fn before_scan(&self, bucket: u64, space: Space, from: &Bytes, prefix: &Bytes) -> BTreeMap<Key, Before> {
        let matching = self
            .keys
            .iter()
            .filter(|(key, _)| key.bucket == bucket && key.space == space && key.name >= *from && key.name.starts_with(prefix));
        matching.map(|(key, model)| (key.clone(), model.before())).collect()
    }
    /// A page of a scan came: `until` is the last name that it covers (`None`: all).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn scanned(
        &mut self,
        before: &BTreeMap<Key, Before>,
        space: (u64, Space),
        rows: &[ScanRow],
        until: Option<&Bytes>,
    ) -> Result<(), String> {
        if !rows.is_sorted_by(|first, second| first.name < second.name) {
            return Err("the rows of a scan are not in order".to_owned());
        }
        let told: BTreeMap<&Bytes, &ScanRow> = rows.iter().map(|row| (&row.name, row)).collect();
        for (key, known) in before {
            let is_covered = until.is_none_or(|until| key.name <= *until);
            let model = self.key(key);
            let must_be_there = known.held.iter().any(|ballot| !model.may_be_gone(*ballot)) && !model.is_doubtful;
            if is_covered && must_be_there && !told.contains_key(&key.name) {
                return Err(format!("a scan does not list {key:?}, which holds {:?}", known.held));
            }
        }
        for row in rows {
            let key = Key {
                bucket: space.0,
                space: space.1,
                name: row.name.clone(),
            };
            let nothing = Before::default();
            let is_listed = before.contains_key(&key) || self.keys.contains_key(&key);
            if !is_listed || row.state.records.is_empty() {
                return Err(format!("a scan lists {key:?} with {:?}", row.state));
            }
            let known = before.get(&key).unwrap_or(&nothing);
            self.key(&key)
                .told(known, &row.state)
                .map_err(|text| format!("a scan says of {key:?}: {text}"))?;
        }
        Ok(())
    }
}
