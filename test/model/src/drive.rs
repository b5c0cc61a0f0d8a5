//! What a drive does: protocol.md sections 2 and 3.

use crate::config::{Config, Kind};
use crate::record::{BLIND, Ballot, NULL, bit, descending};
use crate::state::{Answer, Phase, Reply, State};

impl Config {
    /// Drive `drive` handles the present request of `operation`; `false`: it gives no answer.
    pub fn handle(&self, state: &mut State, operation: usize, drive: usize) -> bool {
        let asked = state.operations[operation];
        let held = state.drives[drive];
        let mut answer = Answer {
            reply: Reply::List,
            floor: held.floor,
            dirty: held.dirty,
            records: held.records,
            marks: held.marks,
        };
        match asked.phase {
            Phase::Read => {
                if self.operations[operation] == Kind::Heal && !self.bugs.heal_nobarrier() {
                    let barrier = state.drives[..self.drives].iter().map(|drive| drive.dirty).max().unwrap_or(0);
                    state.drives[drive].floor = held.floor.max(barrier);
                }
            }
            Phase::Prepare if asked.ballot > held.floor => {
                state.drives[drive].floor = asked.ballot;
                answer.reply = Reply::Promise;
            }
            Phase::Prepare => answer = refusal(held.floor),
            Phase::Publish => match self.accept(state, drive, asked.ballot) {
                Some(given) => answer = given,
                None => return false,
            },
            _ => return false,
        }
        state.drives[drive].answers[operation] = answer;
        true
    }

    /// `publish`: accepts at or above the floor; never removes another record. `None`: no answer.
    pub fn accept(&self, state: &mut State, drive: usize, ballot: Ballot) -> Option<Answer> {
        let record = *state.record(ballot);
        let ack = Answer {
            reply: Reply::Ack,
            ..Answer::default()
        };
        let held = state.drives[drive];
        if held.records & bit(ballot) != 0 {
            return Some(ack);
        }
        let named = state.of_version(held.records, NULL) != held.records;
        if self.writer(record.write_id) == Some(Kind::Delete) && record.base == BLIND && named && !self.bugs.tombstone_over_versions() {
            return None;
        }
        let newer_stable = state.of_version(held.marks, record.version) >> ballot != 0;
        let allowed = if self.bugs.accept_older() {
            !newer_stable
        } else {
            ballot >= held.floor && !newer_stable
        };
        if !allowed {
            return Some(refusal(held.floor));
        }
        let target = &mut state.drives[drive];
        target.records = if self.bugs.early_discard() {
            bit(ballot)
        } else {
            held.records | bit(ballot)
        };
        target.marks &= target.records;
        target.floor = held.floor.max(ballot);
        Some(ack)
    }

    /// `stable`: marks a held record and drops those of its version below it.
    pub fn mark(&self, state: &mut State, drive: usize, ballot: Ballot) {
        let record = *state.record(ballot);
        let held = state.drives[drive].records;
        let below = if self.bugs.stable_drops_versions() {
            held
        } else {
            state.of_version(held, record.version)
        } & (bit(ballot) - 1);
        let target = &mut state.drives[drive];
        target.marks |= bit(ballot);
        target.records &= !below;
        if self.bugs.removal_forgets() && record.tombstone && matches!(self.writer(record.write_id), Some(Kind::Remove(_))) {
            target.records &= !bit(ballot);
        }
        target.marks &= target.records;
    }

    /// Whether a drive has a record that it would mark.
    pub fn may_mark(&self, state: &State, drive: usize, ballot: Ballot) -> bool {
        let held = state.drives[drive];
        let version = state.record(ballot).version;
        held.records & bit(ballot) != 0 && state.of_version(held.marks, version) >> ballot == 0
    }

    /// `drop`: a tombstone that is all that is left of its version goes, the floor of what is gone stays.
    pub fn drop_tombstone(&self, state: &mut State, drive: usize, ballot: Ballot) -> bool {
        let held = state.drives[drive];
        if state.of_version(held.records, state.record(ballot).version) != bit(ballot) {
            return false;
        }
        let target = &mut state.drives[drive];
        target.records &= !bit(ballot);
        target.marks &= target.records;
        target.floor = if self.bugs.gc_nofloor() { 0 } else { held.floor.max(ballot + 1) };
        true
    }

    /// A restart loses marks, nothing else.
    pub fn restart(&self, state: &mut State, drive: usize) {
        let target = &mut state.drives[drive];
        target.marks = 0;
        if self.bugs.volatile_promise() {
            target.floor = descending(target.records).next().unwrap_or(0);
        }
    }

    /// A blank drive takes the slot: its floor and what it does not know lie above all that the others have seen.
    pub fn replace_by_blank(&self, state: &mut State, drive: usize) {
        let floors = state.drives[..self.drives].iter().map(|drive| drive.floor);
        let ballots = state.operations.iter().map(|operation| operation.ballot);
        let sent = state.records.iter().map(|record| record.ballot);
        let above = floors.chain(ballots).chain(sent).max().unwrap_or(0) | 7;
        let target = &mut state.drives[drive];
        target.records = 0;
        target.marks = 0;
        target.floor = if self.bugs.blank_nofloor() { 0 } else { above };
        target.dirty = above;
    }

    /// `fill`: takes complete records, unless it knows newer ones of the same version to be complete.
    pub fn fill(&self, state: &mut State, drive: usize, records: u64) {
        for ballot in descending(records) {
            let version = state.record(ballot).version;
            let held = state.drives[drive];
            let below = state.of_version(held.records, version) & (bit(ballot) - 1);
            let target = &mut state.drives[drive];
            if self.bugs.heal_force() {
                target.records = bit(ballot);
            } else if state
                .records
                .iter()
                .any(|known| known.version == version && known.ballot >= ballot && held.marks & bit(known.ballot) != 0)
            {
                continue;
            } else {
                target.records |= bit(ballot);
            }
            if !self.bugs.heal_unstable() {
                target.marks |= bit(ballot);
                target.records &= !below;
            }
            target.marks &= target.records;
            target.floor = target.floor.max(ballot);
        }
        state.drives[drive].dirty = 0;
    }
}

fn refusal(floor: Ballot) -> Answer {
    Answer {
        reply: Reply::Refuse,
        floor,
        ..Answer::default()
    }
}
