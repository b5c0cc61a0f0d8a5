//! Decisions on the answers to a publish.

use crate::config::Config;
use crate::record::{Ballot, bit};
use crate::state::{Goal, Outcome, Reply, State};

impl Config {
    /// W acknowledgements, or a refusal that sends the operation on.
    pub fn decide_published(&self, state: &mut State, operation: usize, drives: &[usize], seen: Ballot) -> Option<()> {
        let mine = state.operations[operation];
        let acknowledged = |drive: &&usize| state.drives[**drive].answers[operation].reply == Reply::Ack;
        let acks = drives.iter().filter(acknowledged).count();
        if acks >= self.write_quorum {
            state.complete |= bit(mine.ballot);
            return self.goal_reached(state, operation, seen);
        }
        if acks == drives.len() {
            let early = self.bugs.stable_early() && acks > 0 && state.complete & bit(mine.ballot) == 0;
            state.complete |= if early { bit(mine.ballot) } else { 0 };
            return early.then_some(());
        }
        let last = usize::from(mine.proposed).checked_sub(1);
        if let Some(last) = last.filter(|last| mine.goal == Goal::Own && mine.attempts[*last] == mine.ballot) {
            for drive in drives {
                let held = &mut state.drives[*drive];
                let seen = if held.answers[operation].reply == Reply::Ack { 1 } else { 2 };
                held.attempts[operation] |= seen << (2 * last);
            }
            if acks > self.drives - self.write_quorum {
                let evidence = if mine.evidence == 0 {
                    mine.ballot
                } else {
                    mine.evidence.min(mine.ballot)
                };
                state.operations[operation].evidence = evidence;
            }
        }
        self.prepare_above(state, operation, seen)
    }

    fn goal_reached(&self, state: &mut State, operation: usize, seen: Ballot) -> Option<()> {
        let mine = state.operations[operation];
        match mine.goal {
            Goal::Own | Goal::Overwritten => self.finish(state, operation, Outcome::Success, mine.goal_value),
            Goal::Value => self.finish(state, operation, Outcome::Value, mine.goal_value),
            Goal::Failure => self.finish(state, operation, Outcome::Failure, 0),
            Goal::Settle | Goal::None => return self.prepare_above(state, operation, seen),
        }
        Some(())
    }
}
