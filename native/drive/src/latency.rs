//! How long the device takes: counts by upper bounds that double, so that a quantile is right within a factor of two and adding costs
//! nothing worth naming.

use crate::counters::Counter;
use openlake_io::Instant;
use std::time::Duration;

/// Buckets; the first ends at 16 us, each next at twice that, the last takes all the rest.
pub const LATENCY_BUCKETS: usize = 20;
const FIRST_BOUND_US: u64 = 16;

/// The distribution of one kind of operation since the drive was opened.
#[derive(Default)]
pub(crate) struct Latency {
    buckets: [Counter; LATENCY_BUCKETS],
    total_us: Counter,
}

/// The same at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencySnapshot {
    /// Operations by bucket, not cumulative; see [`latency_bound_us`].
    pub buckets: [u64; LATENCY_BUCKETS],
    pub total_us: u64,
}

/// Upper bound of a bucket in microseconds; the last bucket has none.
pub fn latency_bound_us(bucket: usize) -> Option<u64> {
    (bucket + 1 < LATENCY_BUCKETS).then(|| FIRST_BOUND_US << bucket)
}

impl Latency {
    /// Adds an operation that took from `start` to `end`.
    pub fn add(&self, start: Instant, end: Instant) {
        let micros = end.since(start).as_micros() as u64;
        let bucket = micros.div_ceil(FIRST_BOUND_US).max(1).next_power_of_two().trailing_zeros() as usize;
        self.buckets[bucket.min(LATENCY_BUCKETS - 1)].add(1);
        self.total_us.add(micros);
    }
    /// Everything so far.
    pub fn snapshot(&self) -> LatencySnapshot {
        LatencySnapshot {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].get()),
            total_us: self.total_us.get(),
        }
    }
}

impl LatencySnapshot {
    /// What came since an earlier snapshot of the same distribution.
    pub fn since(&self, earlier: &LatencySnapshot) -> LatencySnapshot {
        LatencySnapshot {
            buckets: std::array::from_fn(|bucket| self.buckets[bucket].wrapping_sub(earlier.buckets[bucket])),
            total_us: self.total_us.wrapping_sub(earlier.total_us),
        }
    }
    /// Operations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
    /// The bound below which the share `quantile` (0 to 1) of the operations lies; `None` without any.
    pub fn quantile(&self, quantile: f64) -> Option<Duration> {
        let wanted = (self.count() as f64 * quantile).ceil() as u64;
        let mut seen = 0;
        let bucket = self.buckets.iter().position(|count| {
            seen += count;
            seen >= wanted && seen > 0
        })?;
        Some(Duration::from_micros(FIRST_BOUND_US << bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_end_at_doubling_bounds() {
        let latency = Latency::default();
        for micros in [0, 16, 17, 32, 33, u64::from(u32::MAX)] {
            latency.add(Instant(5), Instant(5 + micros * 1_000));
        }
        let snapshot = latency.snapshot();
        assert_eq!(snapshot.buckets[..3], [2, 2, 1]);
        assert_eq!(snapshot.buckets[LATENCY_BUCKETS - 1], 1);
        assert_eq!(snapshot.count(), 6);
        assert_eq!(snapshot.quantile(0.5), Some(Duration::from_micros(32)));
        assert_eq!(snapshot.since(&snapshot).quantile(0.5), None);
    }
}
