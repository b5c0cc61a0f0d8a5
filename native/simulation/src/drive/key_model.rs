//! What a drive has said of one key so far, and what it must therefore say later (protocol.md sections 2 and 3).
//!
//! The model does not know what the drive decided on requests that were never answered: such a record may be held or not, until the
//! drive tells, and then for good. All else is exact: which records it lists, under which head, its mark and its floor.

use super::payload::Payload;
use openlake_drive::{Ballot, Head, KeyState, Kind, Record, Shard};
use openlake_io::Instant;
use std::collections::{BTreeMap, BTreeSet};

/// What became of a record that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Held or not.
    Open,
    /// Acknowledged, or told of.
    Held,
    /// Refused, or found missing when nothing was under way: never to be seen, unless it is sent again.
    Never,
}

/// A record that was sent.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub record: Record,
    pub payload: Payload,
    pub fate: Fate,
    /// Requests under way or without a final answer.
    pub unanswered: u32,
}

/// A promise that was told, with what it listed.
#[derive(Clone, Debug)]
struct Promise {
    ballot: Ballot,
    listed: BTreeSet<Ballot>,
    stable: Option<Ballot>,
}

/// What was known when a request was made; its answer must not fall behind that.
#[derive(Clone, Debug, Default)]
pub struct Before {
    pub held: Vec<Ballot>,
    pub stable: Option<Ballot>,
    pub floor: Ballot,
    /// Everything up to this was dropped for good.
    dropped: Option<Ballot>,
}

/// More promises than these are covered by the floor.
const PROMISES_KEPT: usize = 16;

/// The model of one key.
#[derive(Clone, Debug, Default)]
pub struct KeyModel {
    pub attempts: BTreeMap<Ballot, Attempt>,
    /// Ballots that were sent as stable.
    marks: BTreeSet<Ballot>,
    /// Highest mark told in this life.
    pub stable: Option<Ballot>,
    /// Highest mark that survives any end.
    durable_stable: Option<Ballot>,
    /// Marks that took effect in this life, and when.
    marked: Vec<(Ballot, Instant)>,
    promises: Vec<Promise>,
    /// Tombstones up to this one were told to go; whether they are gone yet is open.
    going: Option<Ballot>,
    /// Up to this, nothing is held any more.
    dropped: Option<Ballot>,
    /// Highest floor told by a promise, a refusal or an acknowledgement. Others are hints: they may rest on what is not durable yet.
    pub floor: Ballot,
    /// The device is unfaithful, so the drive may have lost anything; it still must not tell what was never sent.
    pub is_doubtful: bool,
}

impl KeyModel {
    /// A key that nothing is known of.
    pub fn new(is_doubtful: bool) -> KeyModel {
        KeyModel {
            is_doubtful,
            ..KeyModel::default()
        }
    }
    /// What is known now.
    pub fn before(&self) -> Before {
        let held = self.attempts.iter().filter(|(_, attempt)| attempt.fate == Fate::Held);
        Before {
            held: held
                .map(|(ballot, _)| *ballot)
                .filter(|ballot| Some(*ballot) >= self.stable)
                .collect(),
            stable: self.stable,
            floor: self.floor,
            dropped: self.dropped,
        }
    }
    /// The tombstone that is all the drive holds, as far as is known.
    pub fn collectable(&self) -> Option<Ballot> {
        let (ballot, attempt) = self.attempts.iter().rfind(|(_, attempt)| attempt.fate == Fate::Held)?;
        (attempt.record.kind == Kind::Tombstone && self.marks.contains(ballot)).then_some(*ballot)
    }
    /// A tombstone is told to go.
    pub fn drop_sent(&mut self, ballot: Ballot) {
        self.going = self.going.max(Some(ballot));
    }
    /// It is gone.
    pub fn drop_done(&mut self, ballot: Ballot) {
        self.dropped = self.dropped.max(Some(ballot));
        self.floor = self.floor.max(ballot);
    }
    /// Whether a version may be gone because its key's tombstone was told to go.
    pub fn may_be_gone(&self, ballot: Ballot) -> bool {
        self.going >= Some(ballot)
    }
    /// A record goes out, for the first time or again.
    pub fn sent(&mut self, record: &Record, payload: Payload) {
        let attempt = self.attempts.entry(record.ballot).or_insert_with(|| Attempt {
            record: record.clone(),
            payload,
            fate: Fate::Open,
            unanswered: 0,
        });
        attempt.unanswered += 1;
        if attempt.fate == Fate::Never {
            attempt.fate = Fate::Open;
        }
    }
    /// The final answer to a record was that it was not taken.
    pub fn not_taken(&mut self, ballot: Ballot) {
        if let Some(attempt) = self.attempts.get_mut(&ballot) {
            attempt.unanswered = attempt.unanswered.saturating_sub(1);
            if attempt.unanswered == 0 && attempt.fate == Fate::Open {
                attempt.fate = Fate::Never;
            }
        }
    }
    /// The record was acknowledged.
    ///
    /// # Errors
    /// A promise forbade it.
    pub fn acknowledged(&mut self, ballot: Ballot, before: &Before, is_first: bool) -> Result<(), String> {
        let attempt = self.attempts.get_mut(&ballot).ok_or("an acknowledgement of what was never sent")?;
        attempt.unanswered = attempt.unanswered.saturating_sub(1);
        attempt.fate = Fate::Held;
        if self.is_doubtful {
            return Ok(());
        }
        if before.dropped >= Some(ballot) {
            return Err(format!("{ballot} was acknowledged after the tombstone above it had been collected"));
        }
        let forbidding = self
            .promises
            .iter()
            .find(|promise| ballot < promise.ballot && !promise.listed.contains(&ballot) && promise.stable <= Some(ballot));
        if let Some(promise) = forbidding {
            return Err(format!("{ballot} was acknowledged, but {} was promised without it", promise.ballot));
        }
        if is_first && ballot < before.floor {
            return Err(format!("{ballot} was accepted below the floor {}", before.floor));
        }
        self.floor = self.floor.max(ballot);
        Ok(())
    }
    /// `ballot` was refused, for this floor and mark.
    ///
    /// # Errors
    /// It had to be taken, or was held.
    pub fn refused(&mut self, ballot: Ballot, before: &Before, floor: Ballot, stable: Option<Ballot>) -> Result<(), String> {
        if self.is_doubtful {
            return Ok(());
        }
        if ballot >= floor && stable < Some(ballot) {
            return Err(format!("{ballot} was refused for the floor {floor} and the mark {stable:?}"));
        }
        self.check_mark(before, stable)?;
        self.check_floor(before, floor)?;
        if before.held.contains(&ballot) && stable <= Some(ballot) && !self.may_be_gone(ballot) {
            return Err(format!("{ballot} was refused, but is held (mark {stable:?})"));
        }
        self.floor = self.floor.max(floor);
        Ok(())
    }
    /// A promise was given.
    ///
    /// # Errors
    /// It was forbidden, or says something wrong.
    pub fn promised(&mut self, ballot: Ballot, before: &Before, state: &KeyState) -> Result<(), String> {
        if ballot < before.floor && !self.is_doubtful {
            return Err(format!("{ballot} was promised below the floor {}", before.floor));
        }
        self.told(before, state)?;
        self.floor = self.floor.max(ballot);
        if self.promises.len() == PROMISES_KEPT {
            self.promises.remove(0);
        }
        self.promises.push(Promise {
            ballot,
            listed: state.records.iter().map(|head| head.ballot).collect(),
            stable: state.stable,
        });
        Ok(())
    }
    /// `stable(ballot)` goes out.
    pub fn mark_sent(&mut self, ballot: Ballot, now: Instant) {
        self.marks.insert(ballot);
        if self.attempts.get(&ballot).is_some_and(|attempt| attempt.fate == Fate::Held) {
            self.marked.push((ballot, now));
        }
    }

    /// The drive lists what it holds.
    ///
    /// # Errors
    /// What is wrong with the list.
    pub fn told(&mut self, before: &Before, state: &KeyState) -> Result<(), String> {
        let told: Vec<Ballot> = state.records.iter().map(|head| head.ballot).collect();
        if !told.is_sorted_by(|newer, older| newer > older) {
            return Err(format!("the records are not listed newest first: {told:?}"));
        }
        // What is promised for a collected key is kept beside the rows, where a read does not look.
        if self.going.is_none() {
            self.check_floor(before, state.floor)?;
        }
        self.check_mark(before, state.stable)?;
        if state.stable.is_some_and(|stable| told.last() != Some(&stable)) && !self.is_doubtful {
            return Err(format!("the mark is {:?}, the records are {told:?}", state.stable));
        }
        for head in &state.records {
            let attempt = self.attempts.get(&head.ballot).ok_or(format!("nobody sent {}", head.ballot))?;
            if attempt.fate == Fate::Never && !self.is_doubtful {
                return Err(format!("{} was refused or lost, and is listed", head.ballot));
            }
            if before.dropped >= Some(head.ballot) && !self.is_doubtful {
                return Err(format!("{} is back, though {:?} had been collected", head.ballot, before.dropped));
            }
            check_head(attempt, head).map_err(|text| format!("the head of {}: {text}", head.ballot))?;
        }
        let missing = |ballot: &&Ballot| Some(**ballot) >= state.stable && !told.contains(ballot) && !self.may_be_gone(**ballot);
        if let Some(missing) = before.held.iter().find(missing).filter(|_| !self.is_doubtful) {
            return Err(format!(
                "{missing} was acknowledged or told of, and is missing: {told:?}, mark {:?}, unknown up to {:?}",
                state.stable, state.dirty
            ));
        }
        for ballot in told {
            if let Some(attempt) = self.attempts.get_mut(&ballot) {
                attempt.fate = Fate::Held;
            }
        }
        self.stable = self.stable.max(state.stable);
        Ok(())
    }
    /// Floors never fall in a life. An unfaithful device may take a promise with the last batch of a life, and nothing on it tells so.
    fn check_floor(&self, before: &Before, floor: Ballot) -> Result<(), String> {
        (floor >= before.floor)
            .then_some(())
            .ok_or(format!("the floor fell from {} to {floor}", before.floor))
    }
    fn check_mark(&self, before: &Before, stable: Option<Ballot>) -> Result<(), String> {
        if stable.is_some_and(|stable| !self.marks.contains(&stable)) && !self.is_doubtful {
            return Err(format!("nobody said that {stable:?} is stable"));
        }
        (stable >= before.stable || self.is_doubtful || self.going >= before.stable)
            .then_some(())
            .ok_or(format!("the mark fell from {:?} to {stable:?}", before.stable))
    }

    /// A life has ended. `lived_until`: marks older than the time that the drive has for them are durable, if all went well.
    pub fn end_life(&mut self, marks_durable_before: Option<Instant>) {
        for (ballot, at) in self.marked.drain(..) {
            if marks_durable_before.is_some_and(|limit| at < limit) {
                self.durable_stable = self.durable_stable.max(Some(ballot));
            }
        }
        self.stable = self.durable_stable;
    }
    /// What the drive tells first in a new life, with nothing under way: from now on this is how its last life ended.
    ///
    /// # Errors
    /// What cannot be.
    pub fn recovered(&mut self, state: &KeyState) -> Result<(), String> {
        if self.is_doubtful {
            self.floor = self.floor.min(state.floor);
        }
        let before = self.before();
        let result = self.told(&before, state);
        self.durable_stable = self.durable_stable.max(state.stable);
        self.floor = self.floor.max(state.floor);
        if self.going.is_some() && !state.records.iter().any(|head| Some(head.ballot) <= self.going) {
            self.dropped = self.going;
        }
        for (ballot, attempt) in &mut self.attempts {
            attempt.unanswered = 0;
            if !state.records.iter().any(|head| head.ballot == *ballot) && (attempt.fate == Fate::Open || self.is_doubtful) {
                attempt.fate = Fate::Never;
            }
        }
        result
    }
    /// Whether a version above this one was sent as stable, so that this one may be dropped any time.
    pub fn was_marked_above(&self, ballot: Ballot) -> bool {
        self.marks.last() > Some(&ballot)
    }
    /// Records that may be held beside those known complete.
    pub fn unstable(&self) -> usize {
        let unstable = |(ballot, attempt): &(&Ballot, &Attempt)| attempt.fate != Fate::Never && Some(**ballot) > self.stable;
        self.attempts.iter().filter(unstable).count()
    }
}

/// Whether a head says what was sent.
fn check_head(attempt: &Attempt, head: &Head) -> Result<(), String> {
    let sent = &attempt.record;
    let is_inline = match sent.shard {
        Shard::None | Shard::Inline(_) => true,
        Shard::Staged { .. } => false,
        Shard::Held => head.inline,
    };
    let expected = Head {
        ballot: sent.ballot,
        write_id: sent.write_id,
        origin: sent.origin,
        base: sent.base,
        kind: sent.kind,
        unconditional: sent.unconditional,
        size: sent.size,
        etag: sent.etag,
        etag_parts: sent.etag_parts,
        metadata: sent.metadata.clone(),
        coding: sent.coding,
        slot: sent.slot,
        payload_size: sent.payload_size,
        inline: is_inline || sent.kind == Kind::Tombstone,
    };
    (expected == *head)
        .then_some(())
        .ok_or_else(|| format!("{head:?} instead of {expected:?}"))
}
