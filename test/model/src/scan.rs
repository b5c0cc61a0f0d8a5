//! What a set of answers says: protocol.md section 4, over all records of the key (the newest version) or over those of one version.

use crate::config::Config;
use crate::record::{Ballot, Record, Version, bit, descending};
use crate::state::{Answer, State};

/// Outcome of a scan.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub record: Option<Record>,
    /// Known complete; without it the record is only possibly complete.
    pub complete: bool,
    /// Answers that hold the record's write id, at whatever ballot.
    pub holders: usize,
    /// Too few answers, or too many blank drives among them: ask more.
    pub too_few: bool,
}

impl Found {
    /// The record's ballot; 0: none.
    pub fn ballot(&self) -> Ballot {
        self.record.map_or(0, |record| record.ballot)
    }
}

impl Config {
    /// Scans answers, newest ballot first; `version`: only its records.
    pub fn scan(&self, state: &State, answers: &[Answer], version: Option<Version>) -> Found {
        let silent = self.drives - answers.len();
        let hidden = |above: Ballot| {
            let blank = answers.iter().filter(|answer| answer.dirty > above).count();
            silent + if self.bugs.blank_counts() { 0 } else { blank } >= self.write_quorum
        };
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let held = version.map_or(held, |version| state.of_version(held, version));
        for ballot in descending(held) {
            let record = *state.record(ballot);
            if self.bugs.marker_skipped() && version.is_none() && self.writer(record.write_id) == Some(crate::config::Kind::Marker) {
                continue;
            }
            let accepted = answers.iter().filter(|answer| answer.records & bit(ballot) != 0).count();
            let lacking = answers
                .iter()
                .filter(|answer| answer.records & bit(ballot) == 0 && answer.dirty >= ballot);
            let unknown = silent + if self.bugs.blank_counts() { 0 } else { lacking.count() };
            let marked = answers.iter().any(|answer| answer.marks & bit(ballot) != 0);
            let complete = marked || accepted >= self.write_quorum;
            if !complete && accepted + unknown < self.write_quorum {
                continue;
            }
            let holders = self.holders(state, answers, &record);
            if !complete && self.bugs.skip_undecodable() && holders < self.shards_of(&record) {
                continue;
            }
            return Found {
                record: Some(record),
                complete,
                holders,
                too_few: hidden(ballot),
            };
        }
        Found {
            record: None,
            complete: true,
            holders: 0,
            too_few: hidden(0),
        }
    }
    /// Whether answers hold enough shards of the version with this origin.
    pub fn is_readable(&self, state: &State, answers: &[Answer], origin: Ballot) -> bool {
        let record = state.of_origin(origin);
        record.is_some_and(|record| self.holders(state, answers, record) >= self.shards_of(record))
    }
    /// Answers that hold a record's bytes, at whatever ballot: those of its write id and of its origin. Without the second a write that
    /// counts a try as dead, as too few drives took it, would help to bring it back by its next one.
    fn holders(&self, state: &State, answers: &[Answer], wanted: &Record) -> usize {
        let same =
            |record: &&Record| record.write_id == wanted.write_id && (record.origin == wanted.origin || self.bugs.shards_of_any_version());
        let ballots = state.records.iter().filter(same).fold(0, |set, record| set | bit(record.ballot));
        answers.iter().filter(|answer| answer.records & ballots != 0).count()
    }
}
