//! The state of the whole model: drives, operations, records on their way. Drives are interchangeable, so their columns are kept sorted.

use crate::record::{Ballot, Ballots, Record, Version, WriteId};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Drives at most.
pub const DRIVES: usize = 4;
/// Operations at most.
pub const OPERATIONS: usize = 5;
/// Ballots that one operation may propose.
pub const ATTEMPTS: usize = 3;

/// What a drive answered to an operation's present round.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub enum Reply {
    #[default]
    None,
    List,
    Promise,
    Refuse,
    Ack,
}

/// An answer: its kind and what the drive held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct Answer {
    pub reply: Reply,
    pub floor: Ballot,
    pub dirty: Ballot,
    pub records: Ballots,
    pub marks: Ballots,
}

/// A drive, with its answers to each operation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Debug)]
pub struct Drive {
    pub records: Ballots,
    /// Which of `records` it knows to be complete.
    pub marks: Ballots,
    pub floor: Ballot,
    /// Not 0: it started blank; what it lacks at or below is unknown.
    pub dirty: Ballot,
    /// Per operation, two bits per attempt: 1 acknowledged, 2 refused.
    pub attempts: [u8; OPERATIONS],
    pub answers: [Answer; OPERATIONS],
}

/// What an operation is doing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Phase {
    #[default]
    Idle,
    Read,
    Prepare,
    Publish,
    Fill,
    /// Its coordinator crashed; what it sent may still arrive.
    Crashed,
    Done,
}

/// What a round of publishes is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Goal {
    #[default]
    None,
    /// Its own record: success.
    Own,
    /// A value to be returned.
    Value,
    /// A condition that was found false.
    Failure,
    /// The record that overwrote its own at once: success.
    Overwritten,
    /// Something that has to be known before it can go on.
    Settle,
}

/// How an operation ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Outcome {
    #[default]
    None,
    Success,
    Failure,
    Value,
}

/// One client request and its coordinator.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Operation {
    pub phase: Phase,
    pub goal: Goal,
    pub ballot: Ballot,
    pub goal_value: u8,
    pub rounds: u8,
    /// Own ballots proposed.
    pub proposed: u8,
    pub attempts: [Ballot; ATTEMPTS],
    /// Lowest own ballot for which M drives were seen at or below it: whatever has a higher origin was not complete when it began.
    pub evidence: Ballot,
    /// Operations that had ended when it began.
    pub before: u8,
    pub outcome: Outcome,
    /// Origin of the value read, or of the own record that was completed.
    pub result: Ballot,
    /// Version that it reads or removes.
    pub version: Version,
    /// Records to fill with.
    pub fill: Ballots,
}

/// The whole model's state.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    pub drives: [Drive; DRIVES],
    pub operations: [Operation; OPERATIONS],
    /// All records ever proposed, by ballot.
    pub records: Vec<Record>,
    /// Ballots that somebody knows to be complete.
    pub complete: Ballots,
    /// Tombstones that drives have been told to drop.
    pub dropped: Ballots,
    /// Replacements by blank drives, and restarts, still to be spent.
    pub blanks: u8,
    pub restarts: u8,
}

impl State {
    /// The record of a ballot that was proposed.
    pub fn record(&self, ballot: Ballot) -> &Record {
        let at = self.records.binary_search_by_key(&ballot, |record| record.ballot);
        &self.records[at.expect("a ballot that nobody proposed")]
    }
    /// Who wrote the record with this origin; 0 for 0.
    pub fn writer(&self, origin: Ballot) -> WriteId {
        self.of_origin(origin).map_or(0, |record| record.write_id)
    }
    /// Version of the record with this origin.
    pub fn version_of(&self, origin: Ballot) -> Version {
        self.of_origin(origin).map_or(0, |record| record.version)
    }
    /// A record with this origin.
    pub fn of_origin(&self, origin: Ballot) -> Option<&Record> {
        self.records.iter().find(|record| record.origin == origin)
    }
    /// Remembers a record as sent.
    pub fn send(&mut self, record: Record) {
        if let Err(at) = self.records.binary_search_by_key(&record.ballot, |known| known.ballot) {
            self.records.insert(at, record);
        }
    }
    /// Those of `ballots` that belong to a version.
    pub fn of_version(&self, ballots: Ballots, version: Version) -> Ballots {
        let mine = self.records.iter().filter(|record| record.version == version);
        mine.fold(0, |set, record| set | 1 << record.ballot) & ballots
    }
    /// A 64-bit fingerprint.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = Mixer(0x0123_4567);
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// A fast hash of words; states are told apart by 64 bits of it.
#[derive(Default, Clone)]
pub struct Mixer(u64);

/// Builds [`Mixer`]s for maps.
pub type Mix = BuildHasherDefault<Mixer>;

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        let folded = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        folded ^ (folded >> 32)
    }
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }
    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte) + 1);
    }
    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed.rotate_left(29).wrapping_add(0x517c_c1b7_2722_0a95);
    }
    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
    fn write_isize(&mut self, word: isize) {
        self.write_u64(word as u64);
    }
}
