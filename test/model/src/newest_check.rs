//! Linearizability of what clients see of the newest version.
//!
//! The object is the set of versions, ordered by origin. A write adds one, a removal takes one away, a read of the key gives the one with
//! the highest origin. Operations that have not ended may or may not count. Which origin an unended write got is not known: any of its
//! ballots. A write that ended must not lie below a version whose write had ended before it began.

use crate::config::{Config, Kind};
use crate::record::{Ballot, INITIAL, NOTHING, NULL, Version, WriteId};
use crate::state::{OPERATIONS, Operation, Outcome, Phase, State};

const CAPACITY: usize = OPERATIONS + 2;

#[derive(Clone, Copy)]
struct Existing {
    version: Version,
    origin: Ballot,
    write_id: WriteId,
}

/// The abstract object.
#[derive(Clone, Copy)]
struct Versions {
    list: [Existing; CAPACITY],
    length: usize,
    /// Highest origin ever of the null version.
    null: Ballot,
}

impl Versions {
    fn existing(&self) -> &[Existing] {
        &self.list[..self.length]
    }
    fn newest(&self) -> Option<Existing> {
        self.existing().iter().copied().max_by_key(|one| one.origin)
    }
    fn without(mut self, version: Version) -> Versions {
        let mut kept = 0;
        for at in 0..self.length {
            if self.list[at].version != version {
                self.list[kept] = self.list[at];
                kept += 1;
            }
        }
        self.length = kept;
        self
    }
    fn with(mut self, one: Existing) -> Versions {
        self.list[self.length] = one;
        self.length += 1;
        self
    }
}

impl Config {
    /// Whether the operations that ended can be put into an order that explains what they returned.
    pub fn newest_is_linearizable(&self, state: &State) -> bool {
        let nobody = Existing {
            version: 0,
            origin: 0,
            write_id: 0,
        };
        let mut versions = Versions {
            list: [nobody; CAPACITY],
            length: 0,
            null: 0,
        };
        for record in self.initial() {
            versions = versions.with(Existing {
                version: record.version,
                origin: record.origin,
                write_id: record.write_id,
            });
            versions.null = if record.version == NULL { record.origin } else { versions.null };
        }
        let must = self.must_be_explained(state, |kind| !matches!(kind, Kind::GetVersion(_)));
        self.explain(state, versions, 0, must)
    }

    /// The ended operations of some kinds, as a set.
    pub fn must_be_explained(&self, state: &State, seen: impl Fn(Kind) -> bool) -> u8 {
        let ended = |operation: &usize| {
            let one = state.operations[*operation];
            one.phase == Phase::Done && one.outcome != Outcome::None && seen(self.operations[*operation])
        };
        (0..self.operations.len())
            .filter(ended)
            .fold(0, |set, operation| set | 1 << operation)
    }

    fn explain(&self, state: &State, versions: Versions, done: u8, must: u8) -> bool {
        if must & !done == 0 {
            return true;
        }
        (0..self.operations.len()).any(|operation| {
            let one = state.operations[operation];
            let kind = self.operations[operation];
            let skipped = kind.is_upkeep() || matches!(kind, Kind::GetVersion(_)) || one.phase == Phase::Idle;
            if done >> operation & 1 == 1 || skipped || one.before & must & !done != 0 {
                return false;
            }
            let after = done | 1 << operation;
            let next = |versions: Versions| self.explain(state, versions, after, must);
            let ended = one.phase == Phase::Done;
            match kind {
                Kind::Get => ended && self.is_newest(state, &versions, one.result) && next(versions),
                Kind::Retry => ended && done & 1 == 1 && next(versions),
                Kind::Remove(_) if one.version != NULL || ended && one.result == NOTHING => next(versions.without(one.version)),
                _ if kind.is_conditional() && ended && one.outcome == Outcome::Failure => {
                    !self.condition(kind, versions.newest().map_or(NOTHING, |newest| newest.write_id)) && next(versions)
                }
                _ => {
                    let open = self.condition(kind, versions.newest().map_or(NOTHING, |newest| newest.write_id));
                    open && self
                        .origins(state, operation)
                        .into_iter()
                        .any(|origin| self.written(&versions, operation, &one, origin).is_some_and(next))
                }
            }
        })
    }

    fn is_newest(&self, state: &State, versions: &Versions, result: Ballot) -> bool {
        match versions.newest() {
            None => result == NOTHING,
            Some(newest) if newest.version == NULL => result != NOTHING && state.writer(result) == newest.write_id,
            Some(newest) => newest.origin == result,
        }
    }

    /// Origins that a write may have got.
    pub fn origins(&self, state: &State, operation: usize) -> Vec<Ballot> {
        let one = state.operations[operation];
        if one.phase == Phase::Done {
            return vec![one.result];
        }
        let of = |one: &Operation| one.attempts[..usize::from(one.proposed)].to_vec();
        let retry = (0..self.operations.len()).find(|other| operation == 0 && self.operations[*other] == Kind::Retry);
        match retry.map(|retry| state.operations[retry]) {
            Some(retry) if retry.phase == Phase::Done => vec![retry.result],
            Some(retry) if retry.phase != Phase::Idle => of(&one).into_iter().chain(of(&retry)).collect(),
            _ => of(&one),
        }
    }

    fn written(&self, versions: &Versions, operation: usize, one: &Operation, origin: Ballot) -> Option<Versions> {
        let kind = self.operations[operation];
        let write_id = operation as WriteId + 1;
        let ended = one.phase == Phase::Done;
        let earlier = |other: &Existing| match other.write_id {
            initial if initial >= INITIAL - 1 => true,
            write_id => one.before >> (write_id - 1) & 1 == 1,
        };
        let overtaken = versions
            .existing()
            .iter()
            .any(|other| other.origin > origin && (earlier(other) || kind.is_conditional()));
        if ended && overtaken && kind.makes_version() {
            return None;
        }
        let added = Existing {
            version: if kind.makes_version() { origin } else { NULL },
            origin,
            write_id,
        };
        if kind.makes_version() {
            return Some(versions.with(added));
        }
        if origin < versions.null {
            let overwriter_was_earlier = ended && versions.existing().iter().any(|other| other.version == NULL && earlier(other));
            return (!overwriter_was_earlier).then_some(*versions);
        }
        let mut next = versions.without(NULL);
        next.null = origin;
        Some(if matches!(kind, Kind::Delete | Kind::Remove(_)) {
            next
        } else {
            next.with(added)
        })
    }
}
