//! Random walks, for what is too large to exhaust. A walk is replayed by its seed.

use crate::config::Config;
use crate::explore::Violation;
use std::time::{Duration, Instant};

/// A walk is cut off here.
const LONGEST: usize = 400;

/// Outcome of random walks.
#[derive(Debug)]
pub struct Walks {
    pub walks: u64,
    pub steps: u64,
    /// Seed of the walk that found the violation.
    pub seed: u64,
    pub violation: Option<Violation>,
}

impl Config {
    /// Walks from seeds `first_seed`, +1, ... until a violation, the number of walks, or the time is reached.
    pub fn walk(&self, first_seed: u64, walks: u64, time: Duration) -> Walks {
        let begun = Instant::now();
        let mut report = Walks {
            walks: 0,
            steps: 0,
            seed: first_seed,
            violation: None,
        };
        while report.walks < walks && begun.elapsed() < time {
            report.seed = first_seed + report.walks;
            report.walks += 1;
            if let Some((why, choices)) = self.walk_once(report.seed, &mut report.steps) {
                report.violation = Some(Violation {
                    why,
                    trace: self.retrace(&choices),
                });
                break;
            }
        }
        report
    }

    fn walk_once(&self, seed: u64, steps: &mut u64) -> Option<(&'static str, Vec<usize>)> {
        let mut chance = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut state = self.start();
        let mut choices = Vec::new();
        while choices.len() < LONGEST {
            let mut next = self.steps(&state, false);
            if next.is_empty() {
                break;
            }
            chance ^= chance << 13;
            chance ^= chance >> 7;
            chance ^= chance << 17;
            let choice = (chance >> 11) as usize % next.len();
            choices.push(choice);
            *steps += 1;
            let (_, after) = next.swap_remove(choice);
            if let Some(why) = self.judge(&state, &after) {
                return Some((why, choices));
            }
            state = after;
        }
        None
    }

    fn retrace(&self, choices: &[usize]) -> Vec<String> {
        let mut state = self.start();
        let mut texts = Vec::new();
        for choice in choices {
            let (text, next) = self.steps(&state, true).swap_remove(*choice);
            texts.push(text);
            state = next;
        }
        texts
    }
}
