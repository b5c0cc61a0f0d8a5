//! Barriers and heal reads: what other drives of a set are asked while one of them is filled (protocol.md section 9 steps 3 and 4).
//!
//! An acknowledgement that a lost drive gave still counts at its writer. So the others raise their floors first: what was not
//! accepted by them at or below the barrier never will be, and what they then say of a key is final for those ballots.

use crate::core::Core;
use crate::index::{MergeCursor, RunError, decode_key, encode_key};
use crate::row::CLOCK_LIMIT_MS;
use crate::{Answer, Ballot, Key, LOCAL_BUCKET, Space};
use bytes::Bytes;
use std::rc::Rc;

/// A step of the search for the next space.
const READ_BYTES: usize = 4 << 10;

impl Core {
    /// Raises the floor of every key, durably. A floor that would keep all writes out for long is not taken.
    pub async fn barrier(self: &Rc<Core>, floor: Ballot) -> Answer {
        let now_ms = self.runtime.wall_ms();
        let highest = self.highest_ballot();
        if floor.time_ms() > now_ms + 2 * CLOCK_LIMIT_MS && floor.time_ms() > highest.time_ms() {
            return Answer::Clock { now_ms };
        }
        while self.cleaner.raised_floor.get() < floor {
            if let Some(text) = self.failure() {
                return Answer::Failed(text);
            }
            if let Err(answer) = self.raise_drive_floor(floor).await {
                return answer;
            }
        }
        Answer::Done {
            highest: self.highest_ballot(),
            dirty: self.acceptor.get().dirty.is_some(),
            keys: self.index.borrow().keys(),
        }
    }
    /// A record of this ballot is held, or was.
    pub fn note_record(&self, ballot: Ballot) {
        self.highest_record.set(self.highest_record.get().max(ballot));
    }
    /// The highest ballot that this drive knows of.
    fn highest_ballot(&self) -> Ballot {
        let (promise, record) = (self.highest_promise.get(), self.highest_record.get());
        promise.max(record).max(self.acceptor.get().drive_floor)
    }
    /// The first space behind `after` that may hold keys.
    pub async fn next_space(&self, after: Option<(u64, Space)>) -> Answer {
        let start = match after {
            None => Some((0, Space::Object)),
            Some((bucket, Space::Object)) => Some((bucket, Space::Upload)),
            Some((bucket, Space::Upload)) => Some((bucket, Space::Part)),
            Some((bucket, Space::Part)) => bucket.checked_add(1).map(|bucket| (bucket, Space::Object)),
        };
        let Some((bucket, space)) = start else { return Answer::Space(None) };
        let start = Key {
            bucket,
            space,
            name: Bytes::new(),
        };
        loop {
            let generation = self.index.borrow().generation();
            let stored = match self.next_stored(&start).await {
                Ok(stored) => stored,
                Err(error) => return self.index_failed(&error),
            };
            let index = self.index.borrow();
            if index.generation() != generation {
                continue;
            }
            let found = stored.into_iter().chain(index.first_space(&start)).min();
            return Answer::Space(found.filter(|(bucket, _)| *bucket < LOCAL_BUCKET));
        }
    }
    async fn next_stored(&self, start: &Key) -> Result<Option<(u64, Space)>, RunError> {
        let runs = self.index.borrow().runs();
        let mut cursor = MergeCursor::seek(&runs, &self.medium, &encode_key(start), READ_BYTES).await?;
        while let Some(key) = cursor.key().and_then(decode_key) {
            if !cursor.value().is_empty() {
                return Ok(Some((key.bucket, key.space)));
            }
            cursor.advance(&self.medium).await?;
        }
        Ok(None)
    }
    /// A page of one space, told only behind a barrier.
    pub async fn heal_scan(&self, (bucket, space): (u64, Space), from: Bytes, limit: u32, barrier: Ballot) -> Answer {
        let floor = self.acceptor.get().drive_floor;
        if floor < barrier {
            return Answer::Failed(format!("a heal read behind {barrier}, but the barrier stands at {floor}"));
        }
        self.scan(bucket, space, Bytes::new(), from, limit).await
    }
}
