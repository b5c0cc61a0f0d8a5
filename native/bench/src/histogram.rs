//! Latencies in buckets of bounded relative error: 32 steps per power of two of nanoseconds, so about 3 %.

/// Steps per power of two, as a power of two.
const STEP_BITS: u32 = 5;
const STEPS: usize = 1 << STEP_BITS;

/// A histogram of durations.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
    sum_ns: u128,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram {
            counts: vec![0; STEPS * 60],
            total: 0,
            sum_ns: 0,
            max_ns: 0,
        }
    }
}

/// The bucket of a value: values below 32 have one each, then 32 per power of two.
fn bucket(value_ns: u64) -> usize {
    if value_ns < STEPS as u64 {
        return value_ns as usize;
    }
    let power = 63 - value_ns.leading_zeros();
    let step = (value_ns >> (power - STEP_BITS)) as usize & (STEPS - 1);
    STEPS * (power - STEP_BITS + 1) as usize + step
}

/// The upper end of a bucket.
fn upper_ns(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let power = (bucket / STEPS) as u32 + STEP_BITS - 1;
    let step = (bucket % STEPS) as u64;
    (1 << power) + ((step + 1) << (power - STEP_BITS)) - 1
}

impl Histogram {
    /// Counts one duration.
    pub fn record(&mut self, value_ns: u64) {
        let last = self.counts.len() - 1;
        self.counts[bucket(value_ns).min(last)] += 1;
        self.total += 1;
        self.sum_ns += u128::from(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }
    /// Adds another histogram's counts.
    pub fn merge(&mut self, other: &Histogram) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum_ns += other.sum_ns;
        self.max_ns = self.max_ns.max(other.max_ns);
    }
    /// The largest one.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }
    /// Their mean; 0 without any.
    pub fn mean_ns(&self) -> u64 {
        if self.total == 0 {
            0
        } else {
            (self.sum_ns / u128::from(self.total)) as u64
        }
    }
    /// The duration that the fraction `quantile` (0..=1) of all stays at or below, at most 3 % too high; 0 without any.
    pub fn quantile_ns(&self, quantile: f64) -> u64 {
        let rank = ((self.total as f64 * quantile).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_ns(index).min(self.max_ns);
            }
        }
        self.max_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantile_is_at_most_four_percent_too_high(mut values in prop::collection::vec(0u64..10_000_000_000, 1..200), quantile in 0.0f64..1.0) {
            let mut histogram = Histogram::default();
            for value in &values {
                histogram.record(*value);
            }
            values.sort_unstable();
            let rank = ((values.len() as f64 * quantile).ceil() as usize).max(1);
            let exact = values[rank - 1];
            let found = histogram.quantile_ns(quantile);
            prop_assert!(found >= exact && found as f64 <= exact as f64 * 1.04 + 1.0, "exact {exact}, found {found}");
        }
    }

    #[test]
    fn empty_histogram_has_zero_everywhere() {
        assert_eq!(Histogram::default().quantile_ns(0.99), 0);
        assert_eq!(Histogram::default().mean_ns(), 0);
    }
}
