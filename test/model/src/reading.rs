//! Decisions on the answers to a plain read: protocol.md sections 6, 9 and 10.

use crate::config::{Config, Kind};
use crate::record::{BLIND, Ballot, NOTHING, Record, Version, bit, descending};
use crate::scan::Found;
use crate::state::{Answer, Goal, Operation, Outcome, Phase, State};
use std::collections::BTreeSet;

impl Config {
    /// Decides on lists.
    pub fn decide_read(&self, state: &mut State, operation: usize, answers: &[Answer], seen: Ballot) -> Option<()> {
        if answers.len() < self.read_quorum {
            return None;
        }
        let kind = self.operations[operation];
        let top = self.scan(state, answers, None);
        if top.too_few {
            return None;
        }
        match kind {
            Kind::Collect => self.decide_collection(state, operation, answers),
            Kind::Heal => self.decide_heal(state, operation, answers),
            Kind::Create | Kind::Replace(_) => self.decide_on_plain_read(state, operation, &top, seen),
            Kind::Remove(_) => self.remove_unprepared(state, operation, answers, seen),
            Kind::GetVersion(_) => {
                let found = self.scan(state, answers, Some(state.operations[operation].version));
                let origin = found
                    .record
                    .map_or(NOTHING, |record| if record.tombstone { NOTHING } else { record.origin });
                self.answer(state, operation, answers, (&found, origin), seen)
            }
            _ => {
                let pointed = top.record.map_or(NOTHING, |record| record.newest_origin());
                let origin = if self.bugs.walk_instead_of_pointer() {
                    self.walk_down(state, answers)?
                } else {
                    pointed
                };
                self.answer(state, operation, answers, (&top, origin), seen)
            }
        }
    }

    /// Returns a value, or sees to it first that it is complete.
    fn answer(
        &self,
        state: &mut State,
        operation: usize,
        answers: &[Answer],
        (found, origin): (&Found, Ballot),
        seen: Ballot,
    ) -> Option<()> {
        let Some(record) = found.record else {
            self.finish(state, operation, Outcome::Value, NOTHING);
            return Some(());
        };
        if origin != NOTHING && !self.is_readable(state, answers, origin) || found.holders < self.shards_of(&record) {
            return None;
        }
        let newest: BTreeSet<_> = answers.iter().map(|answer| descending(answer.records).next()).collect();
        let equal = self.bugs.r_equal() && newest.len() == 1 && answers.len() >= self.data.max(self.read_quorum);
        if found.complete || self.bugs.no_writeback() || equal {
            if found.complete && state.complete.count_ones() < 8 {
                state.complete |= bit(record.ballot);
            }
            self.finish(state, operation, Outcome::Value, origin);
            return Some(());
        }
        if answers.len() < self.write_quorum {
            return None;
        }
        if self.same_ballot {
            let mine = &mut state.operations[operation];
            (mine.goal, mine.goal_value) = (Goal::Value, origin);
            self.round(state, operation, Phase::Publish, record.ballot);
            return Some(());
        }
        self.prepare_above(state, operation, seen)
    }

    /// Planted bug: the newest version found by looking at all versions instead of by what the newest record names.
    fn walk_down(&self, state: &State, answers: &[Answer]) -> Option<Ballot> {
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let versions: BTreeSet<Version> = descending(held).map(|ballot| state.record(ballot).version).collect();
        let mut newest = NOTHING;
        for version in versions {
            let found = self.scan(state, answers, Some(version));
            if let Some(record) = found.record.filter(|record| !record.tombstone) {
                newest = newest.max(if found.complete { record.origin } else { return None });
            }
        }
        Some(newest)
    }

    /// Planted bug `cond_read`: a condition judged on a plain read.
    fn decide_on_plain_read(&self, state: &mut State, operation: usize, top: &Found, seen: Ballot) -> Option<()> {
        if !top.complete {
            return None;
        }
        let current = top.record.map_or(NOTHING, |record| state.writer(record.newest_origin()));
        if !self.condition(self.operations[operation], current) {
            self.finish(state, operation, Outcome::Failure, 0);
            return Some(());
        }
        let ballot = ((seen >> 3) + 1) * 8 + operation as Ballot;
        self.propose(state, operation, ballot, self.own(operation, ballot, top.ballot()))
    }

    /// Planted bug `removal_unprepared`: a version removed on the ground of a plain read.
    fn remove_unprepared(&self, state: &mut State, operation: usize, answers: &[Answer], seen: Ballot) -> Option<()> {
        let version = state.operations[operation].version;
        let found = self.scan(state, answers, Some(version));
        let ballot = ((seen >> 3) + 1) * 8 + operation as Ballot;
        let Some(record) = found.record.filter(|record| found.complete && !record.tombstone) else {
            self.finish(state, operation, Outcome::Success, 0);
            return Some(());
        };
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let others = descending(held)
            .map(|ballot| state.record(ballot))
            .filter(|other| other.version != version && !other.tombstone);
        let newest = others.map(|other| other.origin).max().unwrap_or(NOTHING);
        let own = Record {
            ballot,
            write_id: self.write_id(operation),
            origin: ballot,
            base: BLIND,
            version: record.version,
            newest,
            tombstone: true,
            void: false,
        };
        self.propose(state, operation, ballot, own)
    }

    /// A tombstone goes when all drives hold nothing else of its version, nothing below it waits to be settled, and the key's newest
    /// version is the same without it. All operations that knew the version's time are over: the grace period.
    fn decide_collection(&self, state: &mut State, operation: usize, answers: &[Answer]) -> Option<()> {
        let running = |other: &Operation| !matches!(other.phase, Phase::Idle | Phase::Done | Phase::Crashed);
        let others = state.operations.iter().enumerate().filter(|(other, _)| *other != operation);
        if !self.bugs.gc_no_grace() && others.into_iter().any(|(_, other)| running(other)) {
            return None;
        }
        let needed = if self.bugs.gc_w() { self.write_quorum } else { self.drives };
        let newest = self.scan(state, answers, None).record?.newest_origin();
        let tombstones: Vec<Record> = state.records.iter().copied().filter(|record| record.tombstone).collect();
        for tombstone in tombstones {
            let own = bit(tombstone.ballot);
            let alone = |answer: &&Answer| {
                let rest = state.of_version(answer.records, tombstone.version) & !own == 0;
                let settled = answer.records & !answer.marks & (own - 1) == 0;
                rest && settled && answer.marks & own != 0 && answer.dirty == 0
            };
            if answers.iter().filter(alone).count() < needed {
                continue;
            }
            let without: Vec<Answer> = answers
                .iter()
                .map(|answer| Answer {
                    records: answer.records & !own,
                    marks: answer.marks & !own,
                    ..*answer
                })
                .collect();
            let rest = self.scan(state, &without, None);
            let same = rest.complete && rest.record.map_or(NOTHING, |record| record.newest_origin()) == newest;
            if same || self.bugs.gc_dangling() || self.bugs.gc_w() {
                state.dropped |= own;
                self.finish(state, operation, Outcome::None, 0);
                return Some(());
            }
        }
        None
    }

    /// A healer takes what is complete of every version; all must be known.
    fn decide_heal(&self, state: &mut State, operation: usize, answers: &[Answer]) -> Option<()> {
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let versions: BTreeSet<Version> = descending(held).map(|ballot| state.record(ballot).version).collect();
        let mut fill = 0;
        for version in versions {
            let found = self.scan(state, answers, Some(version));
            let Some(record) = found.record else { continue };
            if found.too_few || !found.complete && !self.bugs.heal_unstable() || found.holders < self.shards_of(&record) {
                return None;
            }
            fill |= bit(record.ballot);
        }
        if fill == 0 {
            return None;
        }
        state.operations[operation].fill = fill;
        self.round(state, operation, Phase::Fill, 0);
        Some(())
    }

    /// Whether a condition holds of the current newest version's writer.
    pub fn condition(&self, kind: Kind, current: u8) -> bool {
        match kind {
            Kind::Create => current == NOTHING,
            Kind::CreateVersion => current == NOTHING || self.writer(current) == Some(Kind::Marker),
            Kind::Replace(expected) => current == expected,
            _ => true,
        }
    }
}
