//! DELETE of one version: a tombstone of that version which says what is newest afterwards.

use crate::config::Config;
use crate::record::{Ballot, ITSELF, NOTHING, NULL, Record, Version, descending};
use crate::scan::Found;
use crate::state::{Answer, Goal, Outcome, State};
use std::collections::BTreeMap;

/// What is newest once a version is gone.
enum Successor {
    Known(Ballot),
    /// Has to be settled first.
    Unsettled(Found),
}

impl Config {
    /// Decides on W promises.
    pub fn decide_removal(&self, state: &mut State, operation: usize, answers: &[Answer], top: &Found) -> Option<()> {
        let version = state.operations[operation].version;
        let found = self.scan(state, answers, Some(version));
        let Some(record) = found.record else {
            self.finish(state, operation, Outcome::Success, 0);
            return Some(());
        };
        if record.tombstone {
            if found.complete {
                self.finish(state, operation, Outcome::Success, record.origin);
                return Some(());
            }
            return self.publish_again(state, operation, answers, (&found, top), (Goal::Own, record.origin));
        }
        let mine = state.operations[operation];
        let own_attempts = mine.attempts[..usize::from(mine.proposed)].iter().enumerate();
        // A newer null version may stand on an own tombstone: removing that one too would remove twice.
        if version == NULL
            && !own_attempts
                .into_iter()
                .all(|(at, ballot)| self.is_dead(state, operation, &found, (at, *ballot)))
        {
            return None;
        }
        if !top.complete {
            return self.settle(state, operation, answers, top);
        }
        let ballot = state.operations[operation].ballot;
        let own = Record {
            ballot,
            write_id: self.write_id(operation),
            origin: ballot,
            base: record.ballot,
            version,
            newest: ITSELF,
            tombstone: true,
            void: false,
        };
        self.publish_removal(state, operation, answers, (own, top), (Goal::Own, ballot))
    }

    /// Publishes a tombstone above a complete newest record, once it is known which version is newest without the removed one.
    pub fn publish_removal(
        &self,
        state: &mut State,
        operation: usize,
        answers: &[Answer],
        (tombstone, top): (Record, &Found),
        goal: (Goal, u8),
    ) -> Option<()> {
        if !self.bugs.fragment_unfrozen()
            && let Some(version) = self.loose_condition(state, answers, tombstone.version)
        {
            return self.end_version(state, operation, answers, (version, top));
        }
        let newest = top.record.map_or(NOTHING, |record| record.newest_origin());
        let after = if newest == NOTHING || state.version_of(newest) != tombstone.version {
            newest
        } else {
            match self.below(state, answers, newest) {
                Successor::Known(origin) => origin,
                Successor::Unsettled(found) => return self.publish_again(state, operation, answers, (&found, top), (Goal::Settle, 0)),
            }
        };
        let record = Record {
            newest: after,
            ..tombstone
        };
        if record.write_id == self.write_id(operation) && record.origin == record.ballot {
            return self.propose(state, operation, record.ballot, record);
        }
        self.send_again(state, operation, record, goal);
        Some(())
    }

    /// The newest version below `origin` that exists.
    fn below(&self, state: &State, answers: &[Answer], origin: Ballot) -> Successor {
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let mut versions: BTreeMap<Ballot, Version> = BTreeMap::new();
        for record in descending(held)
            .map(|ballot| state.record(ballot))
            .filter(|record| !record.tombstone && record.origin < origin)
        {
            versions.insert(record.origin, record.version);
        }
        for (older, version) in versions.into_iter().rev() {
            let found = self.scan(state, answers, Some(version));
            match found.record {
                Some(record) if record.origin == older && !record.tombstone => {
                    let unknown = !found.complete && !self.bugs.pointer_unsettled();
                    return if unknown {
                        Successor::Unsettled(found)
                    } else {
                        Successor::Known(older)
                    };
                }
                Some(record) if record.tombstone && !found.complete => return Successor::Unsettled(found),
                _ => {}
            }
        }
        Successor::Known(NOTHING)
    }

    /// Settles what is not complete, newest first: publishes again what may be complete, ends what is not.
    pub fn decide_settling(&self, state: &mut State, operation: usize, answers: &[Answer], top: &Found) -> Option<()> {
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let versions: Vec<Version> = descending(held).map(|ballot| state.record(ballot).version).collect();
        for version in versions {
            let found = self.scan(state, answers, Some(version));
            if found.record.is_none() && version != NULL {
                return self.end_version(state, operation, answers, (version, top));
            }
            if !found.complete {
                return self.publish_again(state, operation, answers, (&found, top), (Goal::Settle, 0));
            }
        }
        self.finish(state, operation, Outcome::None, 0);
        Some(())
    }

    /// A version made under a condition that is not there, but that others may yet find possible and bring back: after a removal its
    /// condition need not hold any more.
    fn loose_condition(&self, state: &State, answers: &[Answer], removed: Version) -> Option<Version> {
        let held = answers.iter().fold(0, |set, answer| set | answer.records);
        let mut prepared = descending(held).map(|ballot| state.record(ballot)).filter(|record| {
            let conditional = self.writer(record.write_id).is_some_and(|kind| kind.is_conditional());
            conditional && record.version != removed && !record.tombstone
        });
        prepared
            .find(|record| self.scan(state, answers, Some(record.version)).record.is_none())
            .map(|record| record.version)
    }
}
