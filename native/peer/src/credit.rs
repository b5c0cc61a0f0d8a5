//! Who may send how much bulk: a receiver hands out credit in bytes from its own budget, so that it never has to take in more than it
//! has room for, however many peers send at once.
//!
//! ```text
//! credit   granted u64     bytes of bulk that the sender may have sent since the link began; it only rises
//!
//! receiver   granted = bytes of finished requests + window,   window = budget / max(peers, sessions)
//! sender     sends a frame with bulk while sent < granted, and then stops
//! ```
//! Totals instead of differences, so that requests without an answer and requests that nobody waits for any more count too. A frame
//! may go beyond the credit that is left: one that is larger than a whole window must not wait for ever. Frames without bulk need none.
//! A window that shrinks because another peer came takes effect as requests end; what was granted stays granted.

use crate::codec::{Cursor, DecodeError, Wire, Writer};
use crate::frame::MAX_BULK_BYTES;
use std::cell::Cell;

/// A window below this would make a sender stop after each frame.
const LEAST_WINDOW_BYTES: u64 = 1 << 20;
/// More than a link carries in some tens of milliseconds does not make it faster.
const MOST_WINDOW_BYTES: u64 = 64 << 20;

/// The bytes of bulk that a peer may have sent in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credit {
    pub granted: u64,
}

impl Wire for Credit {
    const MIN_BYTES: usize = 8;
    fn encode(&self, writer: &mut Writer<'_>) {
        writer.u64(self.granted);
    }
    fn decode(cursor: &mut Cursor<'_>) -> Result<Credit, DecodeError> {
        Ok(Credit { granted: cursor.u64()? })
    }
}

/// The window of each session where `sharers` share `budget_bytes`.
pub fn window_bytes(budget_bytes: u64, sharers: usize) -> u64 {
    (budget_bytes / sharers.max(1) as u64).clamp(LEAST_WINDOW_BYTES, MOST_WINDOW_BYTES)
}

/// The receiver's book of one session.
#[derive(Debug, Default)]
pub struct Grants {
    /// Bytes of bulk that arrived, and of those the ones whose requests ended.
    taken: Cell<u64>,
    finished: Cell<u64>,
    granted: Cell<u64>,
}

impl Grants {
    /// Begins with a grant.
    pub fn new(granted: u64) -> Grants {
        Grants {
            granted: Cell::new(granted),
            ..Grants::default()
        }
    }

    /// Bulk arrived. An error when the sender had no credit for it.
    pub fn take(&self, bytes: usize) -> Result<(), String> {
        let (taken, granted) = (self.taken.get(), self.granted.get());
        // One frame may go beyond what is left, but something must be left.
        if bytes > 0 && taken >= granted {
            return Err(format!(
                "it sent {bytes} bytes of bulk without credit: {granted} bytes were granted, {taken} came before"
            ));
        }
        self.taken.set(taken + bytes as u64);
        Ok(())
    }

    /// A request with so much bulk ended. Returns the new credit when it is time to tell the sender: when a quarter of the window, or
    /// all that the sender has left, would be news.
    pub fn finish(&self, bytes: usize, window_bytes: u64) -> Option<Credit> {
        self.finished.set(self.finished.get() + bytes as u64);
        let due = self.finished.get() + window_bytes;
        let news = due.saturating_sub(self.granted.get());
        let sender_stopped = self.taken.get() >= self.granted.get();
        if news == 0 || (news < window_bytes / 4 && !sender_stopped) {
            return None;
        }
        self.granted.set(due);
        Some(Credit { granted: due })
    }
}

/// The sender's book of one connection.
#[derive(Debug)]
pub struct Allowance {
    granted: Cell<u64>,
    sent: Cell<u64>,
}

impl Allowance {
    /// Bounded by credit, of which there is `granted` at first.
    pub fn bounded(granted: u64) -> Allowance {
        Allowance {
            granted: Cell::new(granted),
            sent: Cell::new(0),
        }
    }

    /// For answers: whoever asked has room for them.
    pub fn unbounded() -> Allowance {
        Allowance::bounded(u64::MAX)
    }

    /// More was granted; an older grant that comes late changes nothing.
    pub fn raise(&self, credit: Credit) {
        self.granted.set(self.granted.get().max(credit.granted));
    }

    /// Whether a frame with bulk may be sent now.
    pub fn allows(&self) -> bool {
        self.sent.get() < self.granted.get()
    }

    /// Counts bulk that is sent now.
    pub fn spend(&self, bytes: usize) {
        self.sent.set(self.sent.get().saturating_add(bytes as u64));
    }
}

/// What a node takes in for its peers by default on one core, in bytes: two of the largest frames for each of eight peers.
pub const DEFAULT_BUDGET_BYTES: u64 = 16 * MAX_BULK_BYTES as u64;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn senders_never_stop_for_ever_and_never_hold_more_than_a_window_and_a_frame(
            frames in prop::collection::vec((1..MAX_BULK_BYTES, any::<bool>()), 1..60),
            budget in 0..256_u64 << 20,
            sessions in 1..40_usize,
        ) {
            let window = window_bytes(budget, sessions);
            let (grants, allowance) = (Grants::new(window), Allowance::bounded(window));
            let mut running = std::collections::VecDeque::new();
            for (bytes, finish_one) in frames {
                while !allowance.allows() {
                    // Ending what runs must set the sender free.
                    let Some(bytes) = running.pop_front() else {
                        return Err(TestCaseError::fail("stopped with nothing under way"));
                    };
                    if let Some(credit) = grants.finish(bytes, window) {
                        allowance.raise(credit);
                    }
                }
                allowance.spend(bytes);
                prop_assert_eq!(grants.take(bytes), Ok(()));
                running.push_back(bytes);
                prop_assert!(running.iter().sum::<usize>() as u64 <= window + MAX_BULK_BYTES as u64);
                if finish_one
                    && let Some(bytes) = running.pop_front()
                    && let Some(credit) = grants.finish(bytes, window)
                {
                    allowance.raise(credit);
                }
            }
        }
    }

    #[test]
    fn bulk_without_credit_is_an_error_that_says_how_much_there_was() {
        let grants = Grants::new(100);
        assert_eq!(grants.take(150), Ok(()), "the last frame may go beyond");
        assert_eq!(grants.take(0), Ok(()), "no bulk needs no credit");
        let refused = grants.take(1).expect_err("nothing is left");
        assert!(refused.contains("100 bytes were granted, 150 came before"), "{refused}");
    }

    #[test]
    fn a_smaller_window_takes_nothing_back() {
        let grants = Grants::new(64 << 20);
        let allowance = Allowance::bounded(64 << 20);
        allowance.spend(10);
        assert_eq!(grants.take(10), Ok(()));
        assert_eq!(
            grants.finish(10, 1 << 20),
            None,
            "more is granted already than the new window would"
        );
        allowance.raise(Credit { granted: 5 });
        assert!(allowance.allows());
    }

    #[test]
    fn a_window_is_a_fair_part_of_the_budget() {
        assert_eq!(window_bytes(128 << 20, 16), 8 << 20);
        assert_eq!(window_bytes(128 << 20, 0), 64 << 20);
        assert_eq!(window_bytes(0, 3), 1 << 20);
    }
}
