//! Ballots and records, in the smallest form that still shows every race.
//!
//! A ballot is `clock * 8 + operation`, 1 to 63, so that a set of ballots is one word. A version is named by the origin of its record;
//! 0 is the null version, to which all unversioned records belong.

/// A ballot; 0: none.
pub type Ballot = u8;
/// Who wrote it: the operation's number + 1, or an initial version's ballot; 0: nothing.
pub type WriteId = u8;
/// The version a record belongs to: the origin of its first record, or [`NULL`].
pub type Version = u8;
/// A set of ballots.
pub type Ballots = u64;

/// The version of all unversioned writes.
pub const NULL: Version = 0;
/// "Nothing there", as a value.
pub const NOTHING: u8 = 0;
/// Base of a record that no prepare preceded.
pub const BLIND: Ballot = 255;
/// `newest` of a record that is the newest version itself.
pub const ITSELF: u8 = 255;
/// Ballot, origin and write id of the newer initial version.
pub const INITIAL: Ballot = 7;
/// Ballot, origin and write id of the older initial version.
pub const OLDER_INITIAL: Ballot = 6;

/// A record as all drives hold it (shards and bytes are left out).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Record {
    pub ballot: Ballot,
    pub write_id: WriteId,
    /// Ballot at which its own coordinator proposed it.
    pub origin: Ballot,
    /// Ballot of the record of the same version found by the prepare that preceded it; [`BLIND`]: none preceded it.
    pub base: Ballot,
    pub version: Version,
    /// Origin of the version that is newest once this is complete; [`ITSELF`], or [`NOTHING`].
    pub newest: u8,
    /// Data, or a delete marker (which needs no shards), or the end of its version.
    pub tombstone: bool,
    /// A tombstone of a version that never existed: what was left of it could still have been brought back.
    pub void: bool,
}

impl Record {
    /// Origin of the newest version after this record; 0: none is left.
    pub fn newest_origin(&self) -> Ballot {
        match self.newest {
            ITSELF if self.tombstone => NOTHING,
            ITSELF => self.origin,
            other => other,
        }
    }
}

/// The set of one ballot.
pub fn bit(ballot: Ballot) -> Ballots {
    1 << ballot
}

/// The members of a set, highest first.
pub fn descending(mut set: Ballots) -> impl Iterator<Item = Ballot> {
    std::iter::from_fn(move || {
        let highest = set.checked_ilog2()? as Ballot;
        set &= !bit(highest);
        Some(highest)
    })
}
