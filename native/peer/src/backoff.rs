//! How long to wait before connecting again.

use std::time::Duration;

const LEAST_MS: u64 = 50;
const MOST_MS: u64 = 2_000;

/// Doubling waits with jitter, so that nodes that lost a peer at once do not all come back at once.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    ceiling_ms: u64,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { ceiling_ms: LEAST_MS }
    }
}

impl Backoff {
    /// The next wait: between half of and the whole ceiling, which then doubles. `random` is any 64 bits.
    pub fn next(&mut self, random: u64) -> Duration {
        let ceiling = self.ceiling_ms;
        self.ceiling_ms = (2 * ceiling).min(MOST_MS);
        Duration::from_millis(ceiling / 2 + random % (ceiling / 2 + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_its_bound() {
        let mut backoff = Backoff::default();
        let most: Vec<u64> = (0..8).map(|_| backoff.next(25).as_millis() as u64).collect();
        assert_eq!(most[0], 50);
        assert_eq!(most[1], 75);
        assert!(most.iter().all(|wait| *wait <= MOST_MS));
        assert!(most[7] >= MOST_MS / 2);
    }
}
