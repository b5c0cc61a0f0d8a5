//! Collecting a tombstone (protocol.md section 10): when all slots of a set hold nothing else of a key, its last record goes.
//!
//! First the drive's floor rises above the tombstone, durably: whatever of the key still travels is refused by it. Then a `drop` mark
//! takes the tombstone's place in the log, for the log may still hold older records of the key, and a rebuild that saw those but no
//! tombstone would bring them back. The mark is the key's *trace*: a row without versions, which nobody is told of. It goes when no
//! segment is left that is as old as the key.

use crate::core::{Core, Effect};
use crate::entry::Entry;
use crate::format::{MarkKind, MarkParts, STATE_RECORD_BYTES, mark_bytes};
use crate::sabotage::{Sabotage, is_planted};
use crate::space::{Claim, Place};
use crate::{Answer, Ballot, Key, Kind};
use std::rc::Rc;

/// Traces looked at between two looks at what else there is to do.
const TRACES_A_STEP: usize = 64;

impl Core {
    /// Drops the tombstone `ballot` if it is the only record of `key`, and stable. `Ack`: nothing is left; `Refuse`: something else is
    /// held, or what is missing is unknown.
    pub async fn drop_key(self: &Rc<Core>, key: Key, ballot: Ballot) -> Answer {
        loop {
            if let Some(text) = self.failure() {
                return Answer::Failed(text);
            }
            if let Err(answer) = self.load(&key).await {
                return answer;
            }
            let entry = match self.collectable(&key, ballot) {
                Ok(Some(entry)) => entry,
                Ok(None) => return Answer::Ack,
                Err(()) => return self.refuse(&key).await,
            };
            if !self.has_memory(true) {
                match self.await_memory(true).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            if self.cleaner.raised_floor.get() <= ballot {
                match self.raise_drive_floor(just_above(ballot)).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            let parts = MarkParts {
                kind: MarkKind::Drop,
                key: &entry.key,
                ballot,
                floor: ballot,
                moved: false,
            };
            let bytes = parts.encoded_bytes();
            if !self.has_log_room(bytes, Claim::Removal) {
                match self.room(bytes, Claim::Removal).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            let salt = self.seed.salt;
            let ordinal = {
                let mut log = self.log.borrow_mut();
                let Ok(ordinal) = log.append(bytes, |target| parts.encode(target, salt)) else {
                    continue;
                };
                entry.going.set(true);
                log.set_last_effect(bytes, Effect::Dropped(entry.clone()));
                ordinal
            };
            self.wake_pump();
            return self.durable(ordinal).await.map_or_else(|answer| answer, |()| Answer::Ack);
        }
    }
    /// The tombstone, if it may go; `None` if nothing is held.
    fn collectable(&self, key: &Key, ballot: Ballot) -> Result<Option<Rc<Entry>>, ()> {
        let index = self.index.borrow();
        let Some(row) = index.get(key).filter(|row| !row.entries().is_empty()) else {
            return if self.acceptor.get().drive_floor > ballot {
                Ok(None)
            } else {
                Err(())
            };
        };
        match row.entries() {
            [only]
                if only.head.ballot == ballot
                    && only.head.kind == Kind::Tombstone
                    && only.is_durable()
                    && row.stable() == Some(ballot)
                    && self.dirty_of(key).is_none() =>
            {
                Ok(Some(only.clone()))
            }
            _ => Err(()),
        }
    }
    /// Raises the floor of every key, durably.
    pub async fn raise_drive_floor(self: &Rc<Core>, floor: Ballot) -> Result<(), Answer> {
        self.room(STATE_RECORD_BYTES, Claim::Removal).await?;
        let mut acceptor = self.acceptor.get();
        acceptor.drive_floor = acceptor.drive_floor.max(floor);
        self.acceptor.set(acceptor);
        let Ok(ordinal) = self.append_bound(acceptor.bound_clock) else {
            return Ok(());
        };
        self.wake_pump();
        self.durable(ordinal).await?;
        self.cleaner
            .raised_floor
            .set(self.cleaner.raised_floor.get().max(acceptor.drive_floor));
        Ok(())
    }

    /// The `drop` mark of a tombstone is durable at `place`.
    pub fn note_dropped(&self, entry: &Entry, place: Place, generation: u64, sequence: u64) {
        let key = &entry.key;
        let mut index = self.index.borrow_mut();
        let Some(row) = index.change(key) else { return };
        let Some((dropped, mark)) = row.drop_up_to(entry.head.ballot) else {
            return;
        };
        row.note_generation(generation);
        row.leave_trace(place, generation);
        let promised = row.take_promise();
        drop(index);
        let mut space = self.space.borrow_mut();
        let bytes = mark_bytes(key) as u64;
        space.add_live(place.segment(), bytes, sequence);
        if let Some(mark) = mark {
            space.remove_live(mark.segment(), bytes);
        }
        for place in dropped.iter().filter_map(|entry| entry.place()) {
            space.remove_live(place.segment(), u64::from(entry.total));
        }
        drop(space);
        // A row that says nothing has no floor either: what was promised for its key is remembered beside the rows.
        if let Some(promised) = promised.filter(|promised| *promised > self.acceptor.get().drive_floor) {
            self.promises.borrow_mut().insert(key.clone(), promised);
        }
        self.keep_trace(key);
        self.cleaner.traces_due.set(true);
    }
    /// Lets go of traces that no segment is left for.
    pub async fn review_traces(&self) {
        let traces: Vec<Key> = self.cleaner.traces.borrow().iter().cloned().collect();
        for (number, key) in traces.into_iter().enumerate() {
            if number % TRACES_A_STEP == TRACES_A_STEP - 1 {
                self.runtime.yield_now().await;
            }
            if self.load(&key).await.is_err() {
                return;
            }
            let mut index = self.index.borrow_mut();
            let Some((mark, range)) = index.get(&key).and_then(|row| Some((row.mark()?, row.trace()?))) else {
                self.cleaner.traces.borrow_mut().remove(&key);
                continue;
            };
            let from = if is_planted(Sabotage::TombstoneDroppedEarly) {
                *range.end()
            } else {
                *range.start()
            };
            let mut space = self.space.borrow_mut();
            let as_old =
                |number: u32, generation: u64| generation > 0 && number != mark.segment() && (from..=*range.end()).contains(&generation);
            if space.log_segments().any(|(number, segment)| as_old(number, segment.generation)) {
                continue;
            }
            if let Some(row) = index.change(&key) {
                row.forget_trace();
            }
            space.remove_live(mark.segment(), mark_bytes(&key) as u64);
            self.cleaner.traces.borrow_mut().remove(&key);
        }
        self.turn_traces();
    }
    /// Notes the traces that a start found.
    pub fn find_traces(&self) {
        let index = self.index.borrow();
        let traces: Vec<Key> = index
            .rows()
            .filter(|(_, row)| row.trace().is_some())
            .map(|(key, _)| key.clone())
            .collect();
        drop(index);
        for key in &traces {
            self.keep_trace(key);
        }
        self.cleaner.traces_due.set(true);
    }
}

/// The lowest ballot above one.
fn just_above(ballot: Ballot) -> Ballot {
    let number = u128::from_be_bytes(ballot.to_bytes());
    Ballot::from_bytes(number.saturating_add(1).to_be_bytes())
}
