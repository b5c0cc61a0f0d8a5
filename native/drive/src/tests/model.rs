//! What a drive has said so far, and what it must therefore say later: the acceptor's promises as a checker.

use crate::{Answer, Ballot, KeyState, Record};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
struct KeyModel {
    /// Every record that was ever sent, after the number of its write id and its payload.
    attempts: BTreeMap<Ballot, (u64, Vec<u8>, Record)>,
    acknowledged: BTreeSet<Ballot>,
    /// Highest ballot that was sent as stable.
    stable: Option<Ballot>,
    /// Promises told, and what they listed.
    promises: Vec<(Ballot, BTreeSet<Ballot>, Option<Ballot>)>,
    /// Highest floor told by a promise, a refusal or an acknowledgement.
    floor: Ballot,
}

/// The checker.
#[derive(Default)]
pub struct Model {
    keys: BTreeMap<String, KeyModel>,
    last_id: u64,
    counter: u32,
    pub boots: Vec<u32>,
}

impl Model {
    pub fn begin_life(&mut self) {
        assert!(
            self.boots.is_sorted_by(|earlier, later| earlier < later),
            "boot numbers {:?}",
            self.boots
        );
    }
    /// How much was acknowledged and promised.
    pub fn told(&self) -> usize {
        self.keys.values().map(|key| key.acknowledged.len() + key.promises.len()).sum()
    }
    /// Names of keys of which anything was acknowledged.
    pub fn acknowledged(&self) -> BTreeSet<String> {
        let acknowledged = self.keys.iter().filter(|(_, key)| !key.acknowledged.is_empty());
        acknowledged.map(|(name, _)| name.clone()).collect()
    }
    pub fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }
    /// A ballot around what the key has seen: mostly above, sometimes below its floor.
    pub fn near_ballot(&mut self, name: &str, now_ms: u64, choice: u64, node: u32) -> Ballot {
        let floor = self.keys.get(name).map_or(Ballot::ZERO, |key| key.floor);
        let clock = match choice {
            0 => (now_ms << 16) + self.last_id,
            1 => floor.clock.saturating_sub(1).max(1),
            _ => floor.clock.max(now_ms << 16) + 1 + self.last_id % 3,
        };
        // Never used twice.
        self.counter += 1;
        Ballot {
            clock,
            node,
            boot: self.counter,
        }
    }
    pub fn attempt(&mut self, name: &str, id: u64, payload: Vec<u8>, record: &Record) {
        let key = self.keys.entry(name.to_owned()).or_default();
        assert!(key.attempts.insert(record.ballot, (id, payload, record.clone())).is_none());
    }
    /// One of the records sent for a key.
    pub fn sent(&self, name: &str, choice: u64) -> Option<Record> {
        let attempts = &self.keys.get(name)?.attempts;
        attempts
            .values()
            .nth(choice as usize % attempts.len().max(1))
            .map(|(_, _, record)| record.clone())
    }
    pub fn id(&self, name: &str, ballot: Ballot) -> u64 {
        self.keys[name].attempts[&ballot].0
    }
    pub fn payload(&self, name: &str, ballot: Ballot) -> Vec<u8> {
        self.keys[name].attempts[&ballot].1.clone()
    }
    pub fn stable_sent(&mut self, name: &str, ballot: Ballot) {
        let key = self.keys.entry(name.to_owned()).or_default();
        key.stable = key.stable.max(Some(ballot));
    }
    pub fn published(&mut self, name: &str, ballot: Ballot, answer: &Answer) {
        let key = self.keys.entry(name.to_owned()).or_default();
        match answer {
            Answer::Ack => {
                for (promised, listed, stable) in &key.promises {
                    let allowed = ballot >= *promised || listed.contains(&ballot) || *stable > Some(ballot);
                    assert!(allowed, "{name}: {ballot} acknowledged, but {promised} was promised without it");
                }
                key.acknowledged.insert(ballot);
                key.floor = key.floor.max(ballot);
            }
            Answer::Refuse { floor, stable, .. } => {
                assert!(
                    ballot < *floor || stable.is_some_and(|stable| ballot <= stable),
                    "{name}: {ballot} refused for {floor}"
                );
                key.floor = key.floor.max(*floor);
            }
            Answer::SettleFirst | Answer::Clock { .. } | Answer::NotStaged | Answer::Full => {}
            // Closed, or the device failed: no answer in the terms of the protocol.
            Answer::Failed(_) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    pub fn prepared(&mut self, name: &str, ballot: Ballot, answer: &Answer) {
        let key = self.keys.entry(name.to_owned()).or_default();
        match answer {
            Answer::Promise(state) => {
                let listed: BTreeSet<Ballot> = state.records.iter().map(|head| head.ballot).collect();
                for known in &key.acknowledged {
                    let excused = *known > ballot || key.stable > Some(*known) || listed.contains(known);
                    assert!(
                        excused,
                        "{name}: the promise of {ballot} does not list {known}, which was acknowledged"
                    );
                }
                key.floor = key.floor.max(ballot);
                key.promises.push((ballot, listed, state.stable));
            }
            Answer::Refuse { floor, .. } => {
                assert!(ballot < *floor);
                key.floor = key.floor.max(*floor);
            }
            Answer::Clock { .. } | Answer::Full => {}
            // Closed, or the device failed: no answer in the terms of the protocol.
            Answer::Failed(_) => {}
            other => panic!("{name}: {other:?}"),
        }
    }
    /// What a read says must hold all that was acknowledged and not dropped, and nothing that nobody sent.
    pub fn check_state(&self, name: &str, state: &KeyState) {
        let Some(key) = self.keys.get(name) else { return };
        let told: Vec<Ballot> = state.records.iter().map(|head| head.ballot).collect();
        assert!(told.is_sorted_by(|newer, older| newer > older), "{name}: {told:?}");
        assert!(
            state.floor >= key.floor,
            "{name}: the floor fell from {} to {}",
            key.floor,
            state.floor
        );
        for ballot in &told {
            assert!(key.attempts.contains_key(ballot), "{name}: nobody sent {ballot}");
        }
        for ballot in &key.acknowledged {
            let dropped = key.stable > Some(*ballot);
            assert!(
                dropped || told.contains(ballot),
                "{name}: {ballot} was acknowledged and is gone: {told:?}, stable {:?}",
                key.stable
            );
        }
        assert!(state.stable <= key.stable, "{name}: nobody said that {:?} is stable", state.stable);
    }
}
