//! What a set of drives' answers says about a key: protocol.md section 4, and nothing else. Pure.
//!
//! Newest version first: it is known complete, or provably not complete and skipped, or possibly complete, and then nothing older
//! may be looked at. Equal answers alone prove nothing; a version that cannot be decoded is never skipped for that reason.

use crate::quorum::Quorum;
use openlake_drive::told::HeadView;
use openlake_drive::{Ballot, Head, KeyState, RowView};
use std::borrow::Borrow;

/// Slots as bits: bit s is slot s.
pub type SlotMask = u64;

/// A version as the answers show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub head: Head,
    /// Slots that hold this ballot.
    pub accepted: SlotMask,
    /// Slots that hold its bytes, at whatever ballot it was published.
    pub holders: SlotMask,
    /// Some drive knows it to be complete.
    pub marked: bool,
}

/// The outcome of a scan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Nothing was ever complete.
    Absent,
    /// Too few drives answered, or too many of them are blank, to say that there is nothing newer than what they show.
    TooFew,
    Complete(Found),
    /// It may be complete, or may still become so by anyone's help.
    Possible(Found),
}

impl Finding {
    /// The version found, if any.
    pub fn found(&self) -> Option<&Found> {
        match self {
            Finding::Complete(found) | Finding::Possible(found) => Some(found),
            Finding::Absent | Finding::TooFew => None,
        }
    }
}

/// Bit of a slot.
pub fn bit(slot: u8) -> SlotMask {
    1u64.checked_shl(u32::from(slot)).unwrap_or(0)
}

/// Number of slots in a mask.
pub fn count(mask: SlotMask) -> usize {
    mask.count_ones() as usize
}

/// Scans the answers of different slots, each given as (slot, what its drive knows).
pub fn scan<State: Borrow<KeyState>>(quorum: Quorum, answers: &[(u8, State)]) -> Finding {
    let silent = quorum.slots().saturating_sub(answers.len());
    // Versions above `ballot` that no answer shows: could one of them be complete on the drives that said nothing and those that forgot?
    let may_hide_newer = |ballot: Ballot| {
        let forgetful = answers
            .iter()
            .filter(|(_, state)| state.borrow().dirty.is_some_and(|dirty| dirty > ballot))
            .count();
        silent + forgetful >= quorum.write()
    };
    let mut below: Option<Ballot> = None;
    while let Some(ballot) = next_ballot(answers, below) {
        below = Some(ballot);
        let mut head: Option<&Head> = None;
        let mut accepted = 0;
        let mut unknown = silent;
        let mut marked = false;
        for (slot, state) in answers {
            let state = state.borrow();
            match state.records.iter().find(|record| record.ballot == ballot) {
                Some(record) => {
                    accepted |= bit(*slot);
                    head = Some(record);
                    marked |= state.stable == Some(ballot);
                }
                None => unknown += usize::from(state.dirty.is_some_and(|dirty| dirty >= ballot)),
            }
        }
        let Some(head) = head else { continue };
        if may_hide_newer(ballot) {
            return Finding::TooFew;
        }
        if marked || count(accepted) >= quorum.write() {
            return Finding::Complete(found(answers, head, accepted, marked));
        }
        if count(accepted) + unknown >= quorum.write() {
            return Finding::Possible(found(answers, head, accepted, marked));
        }
    }
    if may_hide_newer(Ballot::ZERO) {
        Finding::TooFew
    } else {
        Finding::Absent
    }
}

/// The outcome at first sight, as most keys of a list allow it: every answer shows at most one version, and one of those that show the newest
/// knows it to be complete. So it is complete, and this is its head as the last of them shows it, with that row and its place in `answers`.
/// `None`: [`scan`] has to tell.
pub fn newest_known<'page>(quorum: Quorum, answers: &[(u8, Option<RowView<'page>>)]) -> Option<(usize, RowView<'page>, HeadView<'page>)> {
    if quorum.slots().saturating_sub(answers.len()) >= quorum.write() {
        return None;
    }
    let mut newest: Option<(Ballot, usize, RowView<'page>, HeadView<'page>)> = None;
    let mut marked = false;
    for (number, (_, row)) in answers.iter().enumerate() {
        let Some(row) = row else { continue };
        if row.state.dirty.is_some() || row.state.count() > 1 {
            return None;
        }
        let Some(head) = row.state.newest() else { continue };
        let ballot = head.ballot();
        let before = newest.map_or(Ballot::ZERO, |(ballot, ..)| ballot);
        if newest.is_none() || ballot >= before {
            marked = (marked && ballot == before) || row.state.stable == Some(ballot);
            newest = Some((ballot, number, *row, head));
        }
    }
    let (_, number, row, head) = newest.filter(|_| marked)?;
    Some((number, row, head))
}

/// The newest ballot in the answers below `below`.
fn next_ballot<State: Borrow<KeyState>>(answers: &[(u8, State)], below: Option<Ballot>) -> Option<Ballot> {
    let ballots = answers
        .iter()
        .flat_map(|(_, state)| state.borrow().records.iter().map(|record| record.ballot));
    ballots.filter(|ballot| below.is_none_or(|below| *ballot < below)).max()
}

fn found<State: Borrow<KeyState>>(answers: &[(u8, State)], head: &Head, accepted: SlotMask, marked: bool) -> Found {
    // Shards decode together only with equal write id, coding and length, and only the slot's own shard counts for it. The origin tells a
    // write's tries apart, which share their bytes: too few drives took the first one, so its writer knows that nobody can ever read it,
    // and those that took the second must not make it readable after all.
    let same = |slot: u8, other: &Head| {
        (other.write_id, other.origin) == (head.write_id, head.origin)
            && other.coding == head.coding
            && other.payload_size == head.payload_size
            && other.slot == slot
    };
    let mut holders = 0;
    for (slot, state) in answers {
        if state.borrow().records.iter().any(|record| same(*slot, record)) {
            holders |= bit(*slot);
        }
    }
    Found {
        head: head.clone(),
        accepted,
        holders,
        marked,
    }
}

#[cfg(test)]
mod tests;
