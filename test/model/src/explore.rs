//! Exploration of all states: breadth first (gives the shortest trace) or depth first (less memory).

use crate::config::Config;
use crate::state::{Mix, Phase, State};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Outcome of an exploration.
#[derive(Debug)]
pub struct Report {
    pub states: usize,
    pub steps: u64,
    /// All of it was seen.
    pub exhausted: bool,
    pub violation: Option<Violation>,
}

/// A state that must not be, and how it came about.
#[derive(Debug)]
pub struct Violation {
    pub why: &'static str,
    pub trace: Vec<String>,
}

/// How far to go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub states: usize,
    pub time: Duration,
    /// Keep how each state was reached.
    pub traces: bool,
}

impl Config {
    /// What is wrong with `next`, reached from `state`.
    pub fn judge(&self, state: &State, next: &State) -> Option<&'static str> {
        let ended = |operation: usize| next.operations[operation].phase == Phase::Done && state.operations[operation].phase != Phase::Done;
        if (0..self.operations.len()).any(ended) {
            if !self.newest_is_linearizable(next) {
                return Some("not linearizable");
            }
            if !self.versions_are_linearizable(next) {
                return Some("a version is not linearizable, or shows twice");
            }
        }
        (!self.is_decodable(next)).then_some("undecodable within tolerance")
    }

    /// Visits every reachable state within the limits.
    pub fn explore(&self, limits: Limits) -> Report {
        let begun = Instant::now();
        let first = self.start();
        let mut seen: HashSet<u64, Mix> = HashSet::default();
        let mut parents: HashMap<u64, u64, Mix> = HashMap::default();
        seen.insert(first.fingerprint());
        let mut waiting = VecDeque::from([first]);
        let mut report = Report {
            states: 1,
            steps: 0,
            exhausted: false,
            violation: None,
        };
        while let Some(state) = if limits.traces { waiting.pop_front() } else { waiting.pop_back() } {
            for (_, next) in self.steps(&state, false) {
                report.steps += 1;
                let fingerprint = next.fingerprint();
                if !seen.insert(fingerprint) {
                    continue;
                }
                if limits.traces {
                    parents.insert(fingerprint, state.fingerprint());
                }
                if let Some(why) = self.judge(&state, &next) {
                    report.states = seen.len();
                    let trace = self.trace(&parents, fingerprint);
                    report.violation = Some(Violation { why, trace });
                    return report;
                }
                waiting.push_back(next);
            }
            if seen.len() > limits.states || begun.elapsed() > limits.time {
                break;
            }
        }
        report.states = seen.len();
        report.exhausted = waiting.is_empty();
        report
    }

    fn trace(&self, parents: &HashMap<u64, u64, Mix>, last: u64) -> Vec<String> {
        let mut path = vec![last];
        while let Some(parent) = path.last().and_then(|state| parents.get(state)) {
            path.push(*parent);
        }
        let mut state = self.start();
        let mut texts = Vec::new();
        for fingerprint in path.into_iter().rev().skip(1) {
            let step = self
                .steps(&state, true)
                .into_iter()
                .find(|(_, next)| next.fingerprint() == fingerprint);
            let Some((text, next)) = step else { break };
            texts.push(text);
            state = next;
        }
        texts
    }
}
