//! When an answer is late: a running mean of round trips and of their deviation, after RFC 6298.

use std::time::Duration;

/// The least and most that a hedge waits: below 2 ms it would double the load of an ordinary jitter, above 200 ms a client notices.
const HEDGE_MICROSECONDS: (u64, u64) = (2_000, 200_000);
/// Before the first answer.
const UNKNOWN: Duration = Duration::from_millis(20);

/// Round trips of one peer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Estimate {
    mean_us: u64,
    deviation_us: u64,
    known: bool,
}

impl Estimate {
    /// Learns one round trip.
    pub fn add(&mut self, round_trip: Duration) {
        // A day bounds the sums below; no request lives that long.
        let sample = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX).min(86_400_000_000);
        if !self.known {
            *self = Estimate {
                mean_us: sample,
                deviation_us: sample / 2,
                known: true,
            };
            return;
        }
        let difference = sample.abs_diff(self.mean_us);
        self.deviation_us = (3 * self.deviation_us + difference) / 4;
        self.mean_us = (7 * self.mean_us + sample) / 8;
    }

    /// The mean in microseconds; 0 before the first answer.
    pub fn mean_us(&self) -> u64 {
        self.mean_us
    }

    /// Mean and four deviations, about the 95th percentile of a long-tailed peer: then another slot is to be asked.
    pub fn hedge_after(&self) -> Duration {
        if !self.known {
            return UNKNOWN;
        }
        Duration::from_micros((self.mean_us + 4 * self.deviation_us).clamp(HEDGE_MICROSECONDS.0, HEDGE_MICROSECONDS.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_round_trips_within_its_bounds() {
        let mut estimate = Estimate::default();
        assert_eq!(estimate.hedge_after(), UNKNOWN);
        for _ in 0..100 {
            estimate.add(Duration::from_micros(300));
        }
        assert_eq!(estimate.mean_us(), 300);
        assert_eq!(estimate.hedge_after(), Duration::from_millis(2));
        for _ in 0..100 {
            estimate.add(Duration::from_millis(30));
        }
        assert!(estimate.hedge_after() > Duration::from_millis(29) && estimate.hedge_after() < Duration::from_millis(60));
        estimate.add(Duration::from_secs(u64::MAX));
        assert_eq!(estimate.hedge_after(), Duration::from_millis(200));
    }
}
