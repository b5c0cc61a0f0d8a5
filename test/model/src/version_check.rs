//! Each version by itself is a register: written once (the null version: many times), removed, read by its name, and read by whoever got
//! it as the newest one. So what was seen once stays until it is removed, and what was removed never comes back.

use crate::config::{Config, Kind};
use crate::record::{Ballot, NOTHING, NULL, Version, WriteId};
use crate::state::{Outcome, Phase, State};
use std::collections::BTreeSet;

/// What an operation does to one version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Effect {
    Nothing,
    Write(WriteId),
    Remove,
    Read(WriteId),
}

impl Config {
    /// Whether every version can be explained, and no write made two.
    pub fn versions_are_linearizable(&self, state: &State) -> bool {
        if !self.versioned() {
            return true;
        }
        let initial = self.initial();
        let versions: BTreeSet<Version> = state.records.iter().map(|record| record.version).collect();
        versions.into_iter().all(|version| {
            let first = initial
                .iter()
                .find(|record| record.version == version)
                .map_or(0, |record| record.write_id);
            let mut must = 0;
            let effects: Vec<Effect> = (0..self.operations.len())
                .map(|operation| self.effect(state, operation, version))
                .collect();
            for (operation, effect) in effects.iter().enumerate() {
                let ended = state.operations[operation].phase == Phase::Done;
                must |= if ended && *effect != Effect::Nothing { 1 << operation } else { 0 };
            }
            explain(state, &effects, first, (0, must))
        }) && self.no_write_shows_twice(state)
    }

    fn effect(&self, state: &State, operation: usize, version: Version) -> Effect {
        let one = state.operations[operation];
        let kind = self.operations[operation];
        let ended = one.phase == Phase::Done;
        if one.phase == Phase::Idle || ended && one.outcome == Outcome::None {
            return Effect::Nothing;
        }
        match kind {
            Kind::GetVersion(_) if ended && one.version == version => Effect::Read(state.writer(one.result)),
            Kind::Get if ended && one.result != NOTHING && state.version_of(one.result) == version => {
                Effect::Read(state.writer(one.result))
            }
            Kind::Remove(_) if one.version == version => Effect::Remove,
            _ if ended && one.outcome != Outcome::Success => Effect::Nothing,
            Kind::Delete if version == NULL => Effect::Remove,
            _ if kind.writes_null() && version == NULL => Effect::Write(operation as WriteId + 1),
            _ if kind.makes_version() && self.origins(state, operation).contains(&version) => Effect::Write(operation as WriteId + 1),
            _ => Effect::Nothing,
        }
    }

    /// At most one version of each write was ever complete.
    fn no_write_shows_twice(&self, state: &State) -> bool {
        let complete = state
            .records
            .iter()
            .filter(|record| state.complete >> record.ballot & 1 == 1 && !record.tombstone);
        let mut seen: Vec<(WriteId, Ballot)> = complete
            .filter(|record| record.version != NULL)
            .map(|record| (record.write_id, record.origin))
            .collect();
        seen.sort_unstable();
        seen.dedup();
        seen.windows(2).all(|pair| pair[0].0 != pair[1].0)
    }
}

fn explain(state: &State, effects: &[Effect], current: WriteId, (done, must): (u8, u8)) -> bool {
    if must & !done == 0 {
        return true;
    }
    effects.iter().enumerate().any(|(operation, effect)| {
        if done >> operation & 1 == 1 || state.operations[operation].before & must & !done != 0 {
            return false;
        }
        let after = (done | 1 << operation, must);
        match *effect {
            Effect::Nothing => false,
            Effect::Write(write_id) => explain(state, effects, write_id, after),
            Effect::Remove => explain(state, effects, NOTHING, after),
            Effect::Read(read) => read == current && explain(state, effects, current, after),
        }
    })
}
