//! All steps that can follow a state.

use crate::config::{Config, Kind, Target};
use crate::record::{Ballot, NULL, Version, bit, descending};
use crate::state::{Answer, Phase, Reply, State};
use std::fmt::Write;

/// Steps out of a state; texts only when a trace is to be printed.
pub struct Steps {
    pub next: Vec<(String, State)>,
    named: bool,
    here: State,
    drives: usize,
}

impl Steps {
    /// No steps yet.
    pub fn new(named: bool, here: &State, drives: usize) -> Steps {
        Steps {
            next: Vec::new(),
            named,
            here: here.clone(),
            drives,
        }
    }
    fn add(&mut self, mut state: State, text: impl FnOnce() -> String) {
        state.drives[..self.drives].sort_unstable();
        if state != self.here {
            self.next.push((if self.named { text() } else { String::new() }, state));
        }
    }
}

fn shown(ballot: Ballot) -> String {
    format!("{}.{}", ballot >> 3, ballot & 7)
}

impl Config {
    /// The first state, in its normal form.
    pub fn start(&self) -> State {
        let mut state = self.first_state();
        state.drives[..self.drives].sort_unstable();
        state
    }

    /// All states that one step leads to.
    pub fn steps(&self, state: &State, named: bool) -> Vec<(String, State)> {
        let mut steps = Steps::new(named, state, self.drives);
        for operation in 0..self.operations.len() {
            match state.operations[operation].phase {
                Phase::Idle if self.may_begin(state, operation) => {
                    for begun in self.begin(state, operation) {
                        let ballot = begun.operations[operation].ballot;
                        steps.add(begun, || {
                            format!(
                                "operation {operation} {:?} begins, ballot {}",
                                self.operations[operation],
                                shown(ballot)
                            )
                        });
                    }
                }
                Phase::Idle | Phase::Done | Phase::Crashed => {}
                Phase::Fill => self.fills(state, operation, &mut steps),
                _ => {
                    self.handlings(state, operation, &mut steps);
                    self.decisions(state, operation, &mut steps);
                }
            }
        }
        self.late_publishes(state, &mut steps);
        self.marks_and_drops(state, &mut steps);
        self.faults(state, &mut steps);
        steps.next
    }

    fn may_begin(&self, state: &State, operation: usize) -> bool {
        let blank = state.drives[..self.drives].iter().any(|drive| drive.dirty != 0);
        match self.operations[operation] {
            Kind::Heal if !self.bugs.heal_early() && !blank => return false,
            Kind::Retry if state.operations[0].proposed == 0 || state.operations[0].phase == Phase::Done => return false,
            _ => {}
        }
        let earlier = self.order.iter().filter(|(_, second)| *second == operation);
        earlier
            .into_iter()
            .all(|(first, _)| matches!(state.operations[*first].phase, Phase::Done | Phase::Crashed))
    }

    /// Versions that an operation may be aimed at; one for those that are aimed at none.
    pub fn targets(&self, state: &State, kind: Kind) -> Vec<Version> {
        let (Kind::Remove(target) | Kind::GetVersion(target)) = kind else {
            return vec![NULL];
        };
        match target {
            Target::Initial => vec![self.newest_initial()],
            Target::Null => vec![NULL],
            Target::First | Target::Second => {
                let maker = state.operations[usize::from(target == Target::Second)];
                maker.attempts[..usize::from(maker.proposed)].to_vec()
            }
        }
    }

    fn fills(&self, state: &State, operation: usize, steps: &mut Steps) {
        let records = state.operations[operation].fill;
        for drive in (0..self.drives).filter(|drive| state.drives[*drive].dirty > 0) {
            let mut next = state.clone();
            self.fill(&mut next, drive, records);
            self.finish(&mut next, operation, crate::state::Outcome::None, 0);
            steps.add(next, || format!("operation {operation} fills {records:x} into blank drive {drive}"));
        }
    }

    fn handlings(&self, state: &State, operation: usize, steps: &mut Steps) {
        let mine = state.operations[operation];
        for drive in 0..self.drives {
            let held = state.drives[drive];
            let mut next = state.clone();
            if held.answers[operation].reply == Reply::None && self.handle(&mut next, operation, drive) {
                let reply = next.drives[drive].answers[operation].reply;
                let phase = mine.phase;
                steps.add(next, || {
                    format!(
                        "drive {drive} handles operation {operation} {phase:?} {} -> {reply:?}",
                        shown(mine.ballot)
                    )
                });
            }
            let version = (mine.phase == Phase::Publish).then(|| state.record(mine.ballot).version);
            let overtaken = version.is_some_and(|version| state.of_version(held.marks, version) >> mine.ballot > 1);
            if self.bugs.dup_refusal() && overtaken && held.answers[operation].reply == Reply::Ack {
                let mut next = state.clone();
                next.drives[drive].answers[operation] = Answer {
                    reply: Reply::Refuse,
                    floor: held.floor,
                    ..Answer::default()
                };
                steps.add(next, || {
                    format!("drive {drive} refuses a duplicate of operation {operation}'s publish that it had accepted")
                });
            }
        }
    }

    fn decisions(&self, state: &State, operation: usize, steps: &mut Steps) {
        let answered = (0..self.drives).filter(|drive| state.drives[*drive].answers[operation].reply != Reply::None);
        let answered = answered.fold(0_u32, |set, drive| set | 1 << drive);
        let mut subset = answered;
        while subset != 0 {
            if let Some(next) = self.decide(state, operation, subset) {
                let after = next.operations[operation];
                steps.add(next, || {
                    let mut text = format!("operation {operation} decides on {subset:04b}: {:?}", after.phase);
                    let end = if after.phase == Phase::Done {
                        format!(" {:?} {}", after.outcome, shown(after.result))
                    } else {
                        format!(" {} for {:?}", shown(after.ballot), after.goal)
                    };
                    let _ = write!(text, "{end}");
                    text
                });
            }
            subset = (subset - 1) & answered;
        }
    }

    /// Publishes on their way, whoever sent them: handled late, or twice.
    fn late_publishes(&self, state: &State, steps: &mut Steps) {
        for record in &state.records {
            let ballot = record.ballot;
            let initial = state.records.len() - self.initial().len();
            if initial < state.records.len() && self.initial().iter().any(|known| known.ballot == ballot) {
                continue;
            }
            for drive in 0..self.drives {
                let held = state.drives[drive];
                let awaited = |operation: usize| {
                    let other = state.operations[operation];
                    other.phase == Phase::Publish && other.ballot == ballot && held.answers[operation].reply == Reply::None
                };
                if held.records & bit(ballot) != 0 || (0..self.operations.len()).any(awaited) {
                    continue;
                }
                let mut next = state.clone();
                if self
                    .accept(&mut next, drive, ballot)
                    .is_some_and(|answer| answer.reply == Reply::Ack)
                {
                    steps.add(next, || format!("drive {drive} handles a late publish of {}", shown(ballot)));
                }
            }
        }
    }

    fn marks_and_drops(&self, state: &State, steps: &mut Steps) {
        for drive in 0..self.drives {
            for ballot in descending(if self.stable_marks { state.complete } else { 0 }) {
                if self.may_mark(state, drive, ballot) {
                    let mut next = state.clone();
                    self.mark(&mut next, drive, ballot);
                    steps.add(next, || format!("drive {drive} learns that {} is complete", shown(ballot)));
                }
            }
            for ballot in descending(state.dropped) {
                let mut next = state.clone();
                if self.drop_tombstone(&mut next, drive, ballot) {
                    steps.add(next, || format!("drive {drive} drops tombstone {}", shown(ballot)));
                }
            }
        }
    }

    fn faults(&self, state: &State, steps: &mut Steps) {
        for drive in 0..self.drives {
            if state.restarts > 0 {
                let mut next = state.clone();
                next.restarts -= 1;
                self.restart(&mut next, drive);
                steps.add(next, || format!("drive {drive} crashes and recovers"));
            }
            if state.blanks > 0 {
                let mut next = state.clone();
                next.blanks -= 1;
                self.replace_by_blank(&mut next, drive);
                steps.add(next, || format!("drive {drive} is replaced by a blank one"));
            }
        }
    }
}
