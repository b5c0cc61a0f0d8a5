//! What a run found: counts, rates and latencies per operation, and what was wrong.

use crate::histogram::Histogram;
use std::time::Duration;

/// At most this many failures are kept as texts.
pub const KEPT_FAILURES: usize = 20;

/// One operation's figures.
#[derive(Clone, Debug, Default)]
pub struct OperationReport {
    pub count: u64,
    /// Failed for good, after retries.
    pub errors: u64,
    pub retries: u64,
    pub bytes: u64,
    pub(crate) latency: Histogram,
}

impl OperationReport {
    /// Latency at a quantile, microseconds.
    pub fn quantile_us(&self, quantile: f64) -> f64 {
        self.latency.quantile_ns(quantile) as f64 / 1000.0
    }
    /// Mean latency, microseconds.
    pub fn mean_us(&self) -> f64 {
        self.latency.mean_ns() as f64 / 1000.0
    }
    /// Largest latency, microseconds.
    pub fn max_us(&self) -> f64 {
        self.latency.max_ns() as f64 / 1000.0
    }
}

/// A whole run, or a part of it.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub elapsed: Duration,
    /// By operation name.
    pub operations: Vec<(&'static str, OperationReport)>,
    /// Bodies or absences that no correct store could have returned.
    pub violations: u64,
    /// The first failures and violations, in words.
    pub failures: Vec<String>,
}

impl Report {
    /// The figures of an operation, made when first asked for.
    pub(crate) fn operation(&mut self, name: &'static str) -> &mut OperationReport {
        let index = match self.operations.iter().position(|(known, _)| *known == name) {
            Some(index) => index,
            None => {
                self.operations.push((name, OperationReport::default()));
                self.operations.len() - 1
            }
        };
        &mut self.operations[index].1
    }
    /// Keeps a failure's text, if there is room.
    pub(crate) fn failure(&mut self, text: String) {
        if self.failures.len() < KEPT_FAILURES {
            self.failures.push(text);
        }
    }
    /// Adds another part of the same run.
    pub(crate) fn merge(&mut self, other: Report) {
        self.elapsed = self.elapsed.max(other.elapsed);
        self.violations += other.violations;
        for text in other.failures {
            self.failure(text);
        }
        for (name, theirs) in other.operations {
            let mine = self.operation(name);
            mine.count += theirs.count;
            mine.errors += theirs.errors;
            mine.retries += theirs.retries;
            mine.bytes += theirs.bytes;
            mine.latency.merge(&theirs.latency);
        }
    }
}
