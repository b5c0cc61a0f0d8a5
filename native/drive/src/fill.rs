//! `fill`: a complete version that this drive lacks, put in its place (protocol.md section 9 step 4). It never removes anything newer.
//!
//! Floors do not bar it, as complete versions are facts. One thing does: a floor of the whole drive that has risen since the healer
//! began to look, because the version's tombstone may have been collected since (section 10).

use crate::core::{Core, Repair};
use crate::entry::Entry;
use crate::format::mark_bytes;
use crate::publish::{Seat, Sourced, claim_of, inline_bytes, unfit};
use crate::sabotage::{Sabotage, is_planted};
use crate::{Answer, Ballot, Key, Kind, Record};
use std::rc::Rc;

/// Under what terms a version is filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// The drive's floor when the healer began to look at the key.
    pub drive_floor: Ballot,
    /// The drive holds the version, but its bytes are damaged: these take their place.
    pub replaces: bool,
}

/// What is to be done about a version.
enum Need {
    Nothing,
    /// Held, but perhaps not known to be complete.
    Mark,
    Add,
    Replace(Rc<Entry>),
    Refuse,
}

impl Core {
    /// Takes a complete version, its bytes inline or staged before. `Ack`: held, durably, or something newer is known complete.
    /// `Refuse`: look again, the drive's floor has risen.
    pub async fn fill(self: &Rc<Core>, key: Key, record: Record, filling: Filling) -> Answer {
        if let Some(text) = unfit(&key, &record) {
            return Answer::Failed(text);
        }
        let inline = inline_bytes(&record);
        let mut flushed = false;
        loop {
            if let Err(answer) = self.load(&key).await {
                return answer;
            }
            if let Some(text) = self.failure() {
                return Answer::Failed(text);
            }
            if !matches!(self.need_of(&key, record.ballot, filling), Need::Add | Need::Replace(_)) {
                return self.fill_without_bytes(&key, record.ballot, filling).await;
            }
            let removes = record.kind == Kind::Tombstone;
            if !self.has_memory(removes) {
                match self.await_memory(removes).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            let bytes = match &inline {
                Some(bytes) => bytes.clone(),
                None => match self.source(&key, &record, &mut flushed, |_| true).await {
                    Sourced::Ready(bytes) => bytes,
                    Sourced::Again => continue,
                    Sourced::Answer(answer) => return answer,
                },
            };
            // Finding the bytes may have taken time.
            if let Err(answer) = self.load(&key).await {
                return answer;
            }
            let place = match self.need_of(&key, record.ballot, filling) {
                Need::Add => Seat::Filled,
                Need::Replace(damaged) => Seat::Instead(damaged),
                Need::Nothing | Need::Mark | Need::Refuse => continue,
            };
            let claim = claim_of(&bytes);
            if !self.has_room_for(claim) {
                match self.await_room_for(claim).await {
                    Ok(()) => continue,
                    Err(answer) => return answer,
                }
            }
            match self.append_record(&key, &record, &bytes, place) {
                Err(needed) if needed > self.log.borrow().record_limit_bytes() => {
                    return Answer::Failed(format!("a record of {needed} bytes does not fit into a batch of the log"));
                }
                Ok(ordinal) => {
                    self.wake_pump();
                    let durable = self.durable(ordinal).await;
                    self.start_mark_timer();
                    return durable.map_or_else(|answer| answer, |()| Answer::Ack);
                }
                Err(needed) => {
                    if let Err(answer) = self.room(needed, claim).await {
                        return answer;
                    }
                }
            }
        }
    }

    async fn fill_without_bytes(self: &Rc<Core>, key: &Key, ballot: Ballot, filling: Filling) -> Answer {
        match self.need_of(key, ballot, filling) {
            Need::Refuse => return self.refuse(key).await,
            Need::Mark => {
                self.mark_stable(key, ballot);
                self.start_mark_timer();
            }
            Need::Nothing | Need::Add | Need::Replace(_) => {}
        }
        self.all_durable().await.map_or_else(|answer| answer, |()| Answer::Ack)
    }

    fn need_of(&self, key: &Key, ballot: Ballot, filling: Filling) -> Need {
        if self.acceptor.get().drive_floor > filling.drive_floor {
            return Need::Refuse;
        }
        let index = self.index.borrow();
        let Some(row) = index.get(key) else { return Need::Add };
        if is_planted(Sabotage::HealByForce) && row.entries().iter().all(|entry| entry.head.ballot != ballot) {
            return Need::Add;
        }
        let held = row.entries().iter().find(|entry| entry.head.ballot == ballot);
        let stable = row.stable();
        match held {
            Some(held) if filling.replaces && held.is_durable() && !held.replacing.get() => Need::Replace(held.clone()),
            Some(_) if stable < Some(ballot) => Need::Mark,
            Some(_) => Need::Nothing,
            None if stable >= Some(ballot) => Need::Nothing,
            None => Need::Add,
        }
    }

    /// A filled record was appended: what becomes of it once it is durable.
    pub fn note_filled(&self, entry: &Entry) {
        entry.stable_early.set(true);
        if is_planted(Sabotage::HealByForce)
            && let Some(row) = self.index.borrow_mut().change(&entry.key)
        {
            row.forget_above(entry.head.ballot);
        }
    }

    /// A sound copy is durable: it takes the damaged one's place, unless that was superseded meanwhile.
    pub fn note_repaired(&self, repair: &Repair) -> bool {
        let mut index = self.index.borrow_mut();
        let Some(row) = index.change(&repair.entry.key) else { return false };
        if !row.entries().iter().any(|held| Rc::ptr_eq(held, &repair.damaged)) {
            return false;
        }
        if Some(repair.entry.head.ballot) <= row.stable() {
            repair.entry.settled.set(true);
        }
        let before = row.accept(repair.entry.clone());
        if repair.stable
            && row.stable() == Some(repair.entry.head.ballot)
            && let Some(mark) = row.set_mark(None)
        {
            let bytes = mark_bytes(&repair.entry.key) as u64;
            self.space.borrow_mut().remove_live(mark.segment(), bytes);
        }
        drop(index);
        if let Some((damaged, place)) = before.as_ref().and_then(|entry| Some((entry, entry.place()?))) {
            self.space.borrow_mut().remove_live(place.segment(), u64::from(damaged.total));
            self.cache.borrow_mut().remove(self.cache_key(place));
        }
        self.departed.borrow_mut().add(before.as_slice(), &self.leases, self.runtime.now());
        true
    }
}
