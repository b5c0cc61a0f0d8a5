//! What is explored: the set, the operations, the bounds. See README.md for the letters.

use crate::bugs::Bugs;
use crate::record::{BLIND, INITIAL, ITSELF, NULL, OLDER_INITIAL, Record, Version, WriteId};
use crate::state::{DRIVES, Drive, OPERATIONS, Operation, State};

/// What an operation does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// PUT without versions, or the null version of a suspended bucket.
    Put,
    /// DELETE in an unversioned bucket.
    Delete,
    /// If-None-Match: * without versions.
    Create,
    /// If-Match on a writer's value, without versions.
    Replace(WriteId),
    /// PUT of a version of its own.
    PutVersion,
    /// If-None-Match: * that makes a version of its own.
    CreateVersion,
    /// DELETE that writes a delete marker.
    Marker,
    /// DELETE of one version.
    Remove(Target),
    /// GET of the newest version.
    Get,
    /// GET of one version.
    GetVersion(Target),
    /// Collection of tombstones.
    Collect,
    Heal,
    /// What a drive does about records that stay unmarked.
    Settle,
    /// A later request that finishes operation 0, whose coordinator crashed, with the same write id and the ballots it had noted.
    Retry,
}

/// Which version is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target {
    First,
    Second,
    Initial,
    Null,
}

impl Kind {
    /// Reads a letter.
    pub fn parse(letter: char) -> Option<Kind> {
        Some(match letter {
            'P' => Kind::Put,
            'D' => Kind::Delete,
            'I' => Kind::Create,
            'M' => Kind::Replace(INITIAL),
            'A' => Kind::Replace(1),
            'V' => Kind::PutVersion,
            'J' => Kind::CreateVersion,
            'K' => Kind::Marker,
            'X' => Kind::Remove(Target::First),
            'x' => Kind::Remove(Target::Second),
            'Y' => Kind::Remove(Target::Initial),
            'Z' => Kind::Remove(Target::Null),
            'G' => Kind::Get,
            'g' => Kind::GetVersion(Target::First),
            'h' => Kind::GetVersion(Target::Initial),
            'n' => Kind::GetVersion(Target::Null),
            'C' => Kind::Collect,
            'H' => Kind::Heal,
            'S' => Kind::Settle,
            'R' => Kind::Retry,
            _ => return None,
        })
    }
    /// Writes the null version.
    pub fn writes_null(self) -> bool {
        matches!(self, Kind::Put | Kind::Delete | Kind::Create | Kind::Replace(_))
    }
    /// Makes a version of its own.
    pub fn makes_version(self) -> bool {
        matches!(self, Kind::PutVersion | Kind::CreateVersion | Kind::Marker)
    }
    /// Has a condition.
    pub fn is_conditional(self) -> bool {
        matches!(self, Kind::Create | Kind::Replace(_) | Kind::CreateVersion)
    }
    /// Neither seen nor caused by a client.
    pub fn is_upkeep(self) -> bool {
        matches!(self, Kind::Collect | Kind::Heal | Kind::Settle)
    }
}

/// The initial state's versions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Start {
    #[default]
    Empty,
    /// A null version.
    Null,
    /// A named version.
    Named,
    /// A null version below a named one.
    NullAndNamed,
    /// Two named versions; the older one was published again above the newer one.
    Republished,
}

/// One exploration.
#[derive(Clone, Debug)]
pub struct Config {
    pub drives: usize,
    pub data: usize,
    pub write_quorum: usize,
    pub read_quorum: usize,
    pub operations: Vec<Kind>,
    /// Clocks at which an operation may begin.
    pub clocks: Vec<u8>,
    /// Prepares per operation.
    pub rounds: u8,
    pub start: Start,
    pub blanks: u8,
    pub restarts: u8,
    /// Readers may write back at the record's own ballot.
    pub same_ballot: bool,
    pub stable_marks: bool,
    /// Pairs: the second operation begins after the first ended.
    pub order: Vec<(usize, usize)>,
    pub bugs: Bugs,
}

impl Config {
    /// A set of `drives` slots with `data` data shards; everything else as small as it gets.
    pub fn new(drives: usize, data: usize, operations: &str) -> Option<Config> {
        let kinds: Option<Vec<Kind>> = operations.chars().map(Kind::parse).collect();
        let kinds = kinds.filter(|kinds| kinds.len() <= OPERATIONS && drives <= DRIVES && (1..drives).contains(&data))?;
        let write_quorum = (drives - (drives - data).div_ceil(2)).max(drives / 2 + 1);
        Some(Config {
            drives,
            data,
            write_quorum,
            read_quorum: drives - write_quorum + 1,
            operations: kinds,
            clocks: vec![1],
            rounds: 1,
            start: Start::Empty,
            blanks: 0,
            restarts: 0,
            same_ballot: true,
            stable_marks: true,
            order: Vec::new(),
            bugs: Bugs::default(),
        })
    }
    /// Reads one letter of the command line's flags.
    pub fn flag(&mut self, letter: char) -> bool {
        match letter {
            'i' => self.start = Start::Null,
            'j' => self.start = Start::Named,
            'k' => self.start = Start::NullAndNamed,
            'l' => self.start = Start::Republished,
            's' => self.stable_marks = false,
            'f' => self.same_ballot = false,
            'v' => self.restarts = 1,
            'b' => self.blanks = 1,
            _ => return letter == '-',
        }
        true
    }
    /// Plants a bug by name.
    pub fn plant(&mut self, name: &str) -> bool {
        self.write_quorum -= usize::from(name == "w_small");
        self.bugs.plant(name)
    }
    /// Whether any version but the null one can exist.
    pub fn versioned(&self) -> bool {
        matches!(self.start, Start::Named | Start::NullAndNamed | Start::Republished)
            || self.operations.iter().any(|kind| kind.makes_version())
    }
    /// The operation that has this write id.
    pub fn writer(&self, write_id: WriteId) -> Option<Kind> {
        self.operations.get(usize::from(write_id).checked_sub(1)?).copied()
    }
    /// Shards that are needed to read what an operation writes.
    pub fn shards_needed(&self, write_id: WriteId) -> usize {
        match self.writer(write_id) {
            Some(Kind::Delete | Kind::Marker | Kind::Remove(_)) => 1,
            _ => self.data,
        }
    }
    /// Drives that must hold a record before it can be published again.
    pub fn shards_of(&self, record: &Record) -> usize {
        if record.tombstone { 1 } else { self.shards_needed(record.write_id) }
    }
    /// Whether its writer set no condition and wrote in one round.
    pub fn is_unconditional(&self, write_id: WriteId) -> bool {
        matches!(self.writer(write_id), Some(Kind::Put | Kind::Delete))
    }
    /// Write id under which an operation writes.
    pub fn write_id(&self, operation: usize) -> WriteId {
        match self.operations[operation] {
            Kind::Retry => 1,
            _ => operation as WriteId + 1,
        }
    }
    /// The initial versions, oldest first.
    pub fn initial(&self) -> Vec<Record> {
        let record = |ballot, version| Record {
            ballot,
            write_id: ballot,
            origin: ballot,
            base: BLIND,
            version,
            newest: ITSELF,
            tombstone: false,
            void: false,
        };
        match self.start {
            Start::Empty => vec![],
            Start::Null => vec![record(INITIAL, NULL)],
            Start::Named => vec![record(INITIAL, INITIAL)],
            Start::NullAndNamed => vec![record(OLDER_INITIAL, NULL), record(INITIAL, INITIAL)],
            Start::Republished => {
                let older = Record {
                    origin: 5,
                    version: 5,
                    base: 5,
                    newest: OLDER_INITIAL,
                    ..record(INITIAL, NULL)
                };
                vec![record(OLDER_INITIAL, OLDER_INITIAL), older]
            }
        }
    }
    /// The initial version with the highest origin.
    pub fn newest_initial(&self) -> Version {
        self.initial()
            .into_iter()
            .max_by_key(|record| record.origin)
            .map_or(INITIAL, |record| record.version)
    }
    /// The state before anything happened: all drives hold the initial versions and know them complete.
    pub fn first_state(&self) -> State {
        let records = self.initial();
        let held = records.iter().fold(0, |set, record| set | 1 << record.ballot);
        let mut drives = [Drive::default(); DRIVES];
        for drive in &mut drives[..self.drives] {
            drive.records = held;
            drive.marks = held;
            drive.floor = records.last().map_or(0, |record| record.ballot);
        }
        State {
            drives,
            operations: [Operation::default(); OPERATIONS],
            records,
            complete: 0,
            dropped: 0,
            blanks: self.blanks,
            restarts: self.restarts,
        }
    }
}
