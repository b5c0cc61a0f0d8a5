//! What a drive counts.

use crate::latency::Latency;
use std::cell::Cell;

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    /// Adds `more`.
    pub fn add(&self, more: u64) {
        self.0.set(self.0.get().wrapping_add(more));
    }
    /// The count so far.
    pub fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counters since the drive was opened.
#[derive(Default)]
pub(crate) struct Counters {
    pub reads: Counter,
    pub read_bytes: Counter,
    pub writes: Counter,
    pub written_bytes: Counter,
    pub flushes: Counter,
    pub batches: Counter,
    pub records: Counter,
    pub errors: Counter,
    pub corrupt_blocks: Counter,
    pub cache_hits: Counter,
    pub cache_misses: Counter,
    /// Requests for what it holds, and to hold more.
    pub requests: Counter,
    /// Requests that waited because too many rows were unwritten.
    pub memory_waits: Counter,
    pub failed_checkpoints: Counter,
    pub read_latency: Latency,
    /// Durable writes only: plain ones end in the device's cache.
    pub write_latency: Latency,
    pub flush_latency: Latency,
}
