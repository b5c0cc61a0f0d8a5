//! What all coordinators do: begin, send rounds, propose, publish again, end. The decisions stand in `reading`, `prepared`, `removal`
//! and `published`.

use crate::config::{Config, Kind};
use crate::record::{BLIND, Ballot, ITSELF, NULL, Record};
use crate::scan::Found;
use crate::state::{ATTEMPTS, Answer, Goal, Operation, Outcome, Phase, Reply, State};

impl Config {
    /// What `operation` does on the answers of the drives in `subset`; `None`: it goes on waiting (or gives up with 503).
    pub fn decide(&self, state: &State, operation: usize, subset: u32) -> Option<State> {
        let drives: Vec<usize> = (0..self.drives).filter(|drive| subset >> drive & 1 == 1).collect();
        let answers: Vec<Answer> = drives.iter().map(|drive| state.drives[*drive].answers[operation]).collect();
        let seen = answers.iter().map(|answer| answer.floor).max().unwrap_or(0);
        let seen = seen.max(state.operations[operation].ballot);
        let mut next = state.clone();
        let done = match state.operations[operation].phase {
            Phase::Read => self.decide_read(&mut next, operation, &answers, seen),
            Phase::Prepare => self.decide_prepared(&mut next, operation, &answers, seen),
            Phase::Publish => self.decide_published(&mut next, operation, &drives, seen),
            _ => None,
        };
        done.map(|()| next)
    }

    /// First step of an operation: every state in which it has begun.
    pub fn begin(&self, state: &State, operation: usize) -> Vec<State> {
        let mut begun = state.clone();
        let ended = |other: &usize| state.operations[*other].phase == Phase::Done && state.operations[*other].outcome != Outcome::None;
        begun.operations[operation].before = (0..self.operations.len()).filter(ended).fold(0, |set, other| set | 1 << other);
        let kind = self.operations[operation];
        let reads_first = match kind {
            Kind::Get | Kind::GetVersion(_) | Kind::Collect | Kind::Heal => true,
            Kind::Create | Kind::Replace(_) => self.bugs.cond_read(),
            Kind::Remove(_) => self.bugs.removal_unprepared(),
            _ => false,
        };
        let mut states = Vec::new();
        for version in self.targets(state, kind) {
            let mut aimed = begun.clone();
            aimed.operations[operation].version = version;
            if reads_first {
                self.round(&mut aimed, operation, Phase::Read, 0);
                states.push(aimed);
                continue;
            }
            for clock in &self.clocks {
                let mut at_clock = aimed.clone();
                // Never below a ballot of its own, nor below one that was noted for it.
                let noted = if kind == Kind::Retry {
                    state.operations[0].attempts.iter().max().map_or(0, |ballot| (ballot >> 3) + 1)
                } else {
                    0
                };
                let ballot = clock.max(&noted) * 8 + operation as Ballot;
                if matches!(kind, Kind::Put | Kind::Delete | Kind::PutVersion | Kind::Marker) {
                    self.propose(&mut at_clock, operation, ballot, self.blind(operation, ballot));
                } else {
                    if kind == Kind::Retry {
                        self.take_over(&mut at_clock, operation);
                    }
                    at_clock.operations[operation].rounds += 1;
                    self.round(&mut at_clock, operation, Phase::Prepare, ballot);
                }
                states.push(at_clock);
            }
        }
        states
    }

    /// A later request goes on where the crashed coordinator of operation 0 stopped, with the ballots that it had noted.
    fn take_over(&self, state: &mut State, operation: usize) {
        let first = state.operations[0];
        state.operations[0].phase = Phase::Crashed;
        if !self.bugs.retry_knows_nothing() {
            state.operations[operation].attempts = first.attempts;
            state.operations[operation].proposed = first.proposed;
        }
    }

    /// A record that no prepare precedes.
    pub fn blind(&self, operation: usize, ballot: Ballot) -> Record {
        Record {
            base: BLIND,
            ..self.own(operation, ballot, NULL)
        }
    }

    /// A record of an operation's own, as the newest version; `base` is that of a null version.
    pub fn own(&self, operation: usize, ballot: Ballot, base: Ballot) -> Record {
        let kind = match self.operations[operation] {
            Kind::Retry => self.operations[0],
            kind => kind,
        };
        Record {
            ballot,
            write_id: self.write_id(operation),
            origin: ballot,
            base: if kind.makes_version() { 0 } else { base },
            version: if kind.makes_version() { ballot } else { NULL },
            newest: ITSELF,
            tombstone: kind == Kind::Delete,
            void: false,
        }
    }

    /// Ends an operation.
    pub fn finish(&self, state: &mut State, operation: usize, outcome: Outcome, result: Ballot) {
        let Operation {
            before,
            version,
            attempts,
            proposed,
            ..
        } = state.operations[operation];
        let keeps = self.operations[operation].makes_version() || self.operations[operation] == Kind::Retry;
        state.operations[operation] = Operation {
            phase: Phase::Done,
            outcome,
            result,
            before,
            version,
            attempts: if keeps { attempts } else { [0; ATTEMPTS] },
            proposed: if keeps { proposed } else { 0 },
            ..Operation::default()
        };
        for drive in &mut state.drives[..self.drives] {
            drive.answers[operation] = Answer::default();
            drive.attempts[operation] = 0;
        }
    }

    /// Begins a round; answers to the one before are forgotten.
    pub fn round(&self, state: &mut State, operation: usize, phase: Phase, ballot: Ballot) {
        state.operations[operation].phase = phase;
        state.operations[operation].ballot = ballot;
        for drive in &mut state.drives[..self.drives] {
            drive.answers[operation] = Answer::default();
        }
    }

    /// Prepares above all floors seen, if rounds are left.
    pub fn prepare_above(&self, state: &mut State, operation: usize, seen: Ballot) -> Option<()> {
        let clock = (seen >> 3) + 1;
        if clock > 7 || state.operations[operation].rounds >= self.rounds {
            return None;
        }
        let mine = &mut state.operations[operation];
        mine.rounds += 1;
        mine.goal = Goal::None;
        mine.goal_value = 0;
        self.round(state, operation, Phase::Prepare, clock * 8 + operation as Ballot);
        Some(())
    }

    /// Publishes a record of its own.
    pub fn propose(&self, state: &mut State, operation: usize, ballot: Ballot, record: Record) -> Option<()> {
        let mine = &mut state.operations[operation];
        let slot = mine.attempts.get_mut(usize::from(mine.proposed))?;
        *slot = ballot;
        mine.proposed += 1;
        mine.goal = Goal::Own;
        mine.goal_value = record.origin;
        state.send(record);
        self.round(state, operation, Phase::Publish, ballot);
        Some(())
    }

    /// Publishes a record that is not an attempt of its own: one found again, or a tombstone that settles a version.
    pub fn send_again(&self, state: &mut State, operation: usize, record: Record, goal: (Goal, u8)) {
        let mine = &mut state.operations[operation];
        (mine.goal, mine.goal_value) = goal;
        state.send(record);
        self.round(state, operation, Phase::Publish, record.ballot);
    }

    /// Publishes what a scan found again at the prepared ballot. Below a newer record of the key it needs that one complete, as it says
    /// which version is newest afterwards: the one with the higher origin.
    pub fn publish_again(
        &self,
        state: &mut State,
        operation: usize,
        answers: &[Answer],
        (found, top): (&Found, &Found),
        goal: (Goal, u8),
    ) -> Option<()> {
        let record = found.record?;
        let newest = top.record?;
        if found.holders < self.shards_of(&record) {
            return None;
        }
        let ballot = state.operations[operation].ballot;
        let again = Record {
            ballot,
            base: record.ballot,
            ..record
        };
        if record.ballot == newest.ballot {
            self.send_again(state, operation, again, goal);
            return Some(());
        }
        if !top.complete && !self.bugs.top_unsettled() {
            return self.settle(state, operation, answers, top);
        }
        if record.tombstone {
            return self.publish_removal(state, operation, answers, (again, top), goal);
        }
        let points_at = if self.bugs.republished_is_newest() || record.origin > newest.newest_origin() {
            ITSELF
        } else {
            newest.newest_origin()
        };
        self.send_again(
            state,
            operation,
            Record {
                newest: points_at,
                ..again
            },
            goal,
        );
        Some(())
    }

    /// Publishes the newest record again, to go on with a new prepare once it is complete.
    pub fn settle(&self, state: &mut State, operation: usize, answers: &[Answer], top: &Found) -> Option<()> {
        self.publish_again(state, operation, answers, (top, top), (Goal::Settle, 0))
    }

    /// Answers that are promises.
    pub fn promises(&self, answers: &[Answer]) -> Vec<Answer> {
        answers.iter().copied().filter(|answer| answer.reply == Reply::Promise).collect()
    }
}
