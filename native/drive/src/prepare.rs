//! `prepare`: promises, kept in memory up to a bound that is durable ahead of them (protocol.md section 2).

use crate::core::Core;
use crate::format::STATE_RECORD_BYTES;
use crate::row::{clock_allows, may_promise};
use crate::space::Claim;
use crate::{Answer, Ballot, Key, KeyState};
use std::rc::Rc;

/// The bound lies so far ahead of the ballot that moved it, milliseconds.
pub(crate) const BOUND_AHEAD_MS: u64 = 1_000;
/// Without a prepare for this long the bound is not moved any more, milliseconds.
pub(crate) const BOUND_IN_USE_MS: u64 = 10_000;
/// Promises for keys without records; beyond this the drive's floor rises over them instead.
const PROMISES_LIMIT: usize = 16_384;

/// The clock of a bound that covers `ballot` and the near future.
///
/// It follows the ballots, which were judged by more clocks than this node's: a bound taken from a wrong wall clock would become the
/// drive's floor at the next start, and keep all writes out for as long as that clock was ahead.
pub(crate) fn bound_clock(ballot: Ballot) -> u64 {
    ballot.clock.saturating_add(BOUND_AHEAD_MS << 16) | 0xffff
}

impl Core {
    /// Promises to accept nothing below `ballot`, or refuses.
    pub async fn prepare(self: &Rc<Core>, key: Key, ballot: Ballot) -> Answer {
        let mut has_turn = false;
        loop {
            if let Err(answer) = self.load(&key).await {
                return answer;
            }
            if let Some(text) = self.failure() {
                return Answer::Failed(text);
            }
            if let Some(answer) = self.check_clock(&key, ballot) {
                return answer;
            }
            if !may_promise(self.floor(&key), ballot) {
                self.turns.note_refusal(&key, self.runtime.now());
                self.turns.give_up(&key, ballot);
                return self.refuse(&key).await;
            }
            if !std::mem::replace(&mut has_turn, true) && self.turns.take(&key, ballot, self.runtime.now()).is_err() {
                if !self.await_turn(&key, ballot).await {
                    return self.refuse(&key).await;
                }
                continue;
            }
            if !self.has_memory(false) {
                match self.await_memory(false).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            let uncovered = ballot.clock > self.acceptor.get().bound_clock;
            if uncovered && !self.has_log_room(STATE_RECORD_BYTES, Claim::Removal) {
                match self.room(STATE_RECORD_BYTES, Claim::Removal).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            let now = self.runtime.wall_ms();
            self.last_prepare_ms.set(now);
            if uncovered {
                if self.append_bound(bound_clock(ballot)).is_err() {
                    continue;
                }
                self.wake_pump();
            }
            // Decided: from here on the promise holds. It is told when everything it says can no longer be undone.
            let (state, pending) = self.promise(&key, ballot);
            if (pending || ballot.clock > self.durable_bound.get())
                && let Err(answer) = self.all_durable().await
            {
                return answer;
            }
            return Answer::Promise(state);
        }
    }
    fn promise(&self, key: &Key, ballot: Ballot) -> (KeyState, bool) {
        self.highest_promise.set(self.highest_promise.get().max(ballot));
        if let Some(row) = self.index.borrow_mut().change(key) {
            row.raise_floor(ballot);
            let acceptor = self.acceptor.get();
            return (row.state(acceptor.drive_floor, self.dirty_of(key), true), row.has_pending());
        }
        let mut promises = self.promises.borrow_mut();
        let own = Key {
            bucket: key.bucket,
            space: key.space,
            name: bytes::Bytes::copy_from_slice(&key.name),
        };
        promises.insert(own, ballot);
        let mut acceptor = self.acceptor.get();
        if promises.len() > PROMISES_LIMIT {
            // Floors may rise at any time; all of these are below the bound, which is what a restart would make of them.
            acceptor.drive_floor = acceptor.drive_floor.max(promises.values().copied().max().unwrap_or(Ballot::ZERO));
            self.acceptor.set(acceptor);
            promises.clear();
        }
        let floor = acceptor.drive_floor.max(ballot);
        (
            KeyState {
                records: Vec::new(),
                stable: None,
                dirty: self.dirty_of(key),
                floor,
            },
            false,
        )
    }
    /// A refusal is final for its ballot, so it is given only when what it rests on is durable.
    pub async fn refuse(self: &Rc<Core>, key: &Key) -> Answer {
        let stable = self.index.borrow().get(key).and_then(|row| row.stable());
        let (floor, dirty) = (self.floor(key), self.dirty_of(key));
        match self.all_durable().await {
            Ok(()) => Answer::Refuse { floor, stable, dirty },
            Err(answer) => answer,
        }
    }
    /// `Clock` when a ballot lies too far ahead.
    pub fn check_clock(&self, key: &Key, ballot: Ballot) -> Option<Answer> {
        let now_ms = self.runtime.wall_ms();
        let newest = self
            .index
            .borrow()
            .get(key)
            .and_then(|row| row.entries().last().map(|entry| entry.head.ballot));
        (!clock_allows(ballot, newest, now_ms)).then_some(Answer::Clock { now_ms })
    }
}
