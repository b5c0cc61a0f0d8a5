//! The book of one publish round: who acknowledged, who refused for good, who may still answer.

use crate::decide::Attempt;
use crate::proposal::Proposal;
use crate::scan::{SlotMask, bit, count};
use openlake_drive::sabotage::{Sabotage, is_planted};
use openlake_drive::{Ballot, KeyState};
use std::rc::Rc;

/// After so many answerless tries a slot is not counted on any more.
const STRUGGLING_AFTER: u8 = 3;

/// One ballot sent to the slots of a set.
pub(crate) struct Round {
    pub proposal: Rc<Proposal>,
    /// Whether this is a proposal of the writer's own record under its own origin.
    pub own: bool,
    pub acked: SlotMask,
    refused: SlotMask,
    any_refusal: bool,
    /// Slots whose last word is known.
    closed: SlotMask,
    struggling: SlotMask,
    untaken: SlotMask,
    pub flipped: SlotMask,
    targets: SlotMask,
    tries: Vec<u8>,
}

/// How a round stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Complete,
    /// Refused somewhere, and W acknowledgements are out of reach.
    Refused,
    /// Refused somewhere; W is only reached if stragglers answer.
    Doubtful,
    /// No refusal, and W is out of reach.
    Silent,
    Open,
}

impl Round {
    /// A round at the proposal's ballot; `held`: slots known to hold it at that ballot already.
    pub fn new(proposal: Rc<Proposal>, own: bool, held: SlotMask, slots: usize) -> Round {
        let targets = proposal.targets() & !held;
        Round {
            proposal,
            own,
            acked: held,
            refused: 0,
            any_refusal: false,
            closed: 0,
            struggling: 0,
            untaken: 0,
            flipped: 0,
            targets,
            tries: vec![0; slots],
        }
    }
    pub fn ballot(&self) -> Ballot {
        self.proposal.ballot()
    }
    /// Slots that are still to answer, or to be sent to.
    pub fn targets(&self) -> SlotMask {
        self.targets
    }
    /// Counts a sending.
    pub fn note_sent(&mut self, slot: u8) {
        if let Some(tries) = self.tries.get_mut(usize::from(slot)) {
            *tries = tries.saturating_add(1);
        }
    }
    /// How often the ballot was sent to a slot.
    pub fn tries(&self, slot: u8) -> u8 {
        self.tries.get(usize::from(slot)).copied().unwrap_or(u8::MAX)
    }
    pub fn note_ack(&mut self, slot: u8) {
        self.acked |= bit(slot);
        self.closed |= bit(slot);
    }
    /// A refusal is final. It counts as "never accepted there" only if the drive cannot have accepted the ballot and dropped it under a
    /// newer stable version since: it got it once, or its stable mark is older. Nor can a drive tell that up to `dirty` forgot what it had.
    pub fn note_refusal(&mut self, slot: u8, stable: Option<Ballot>, dirty: Option<Ballot>) {
        self.any_refusal = true;
        self.closed |= bit(slot);
        let once = self.tries(slot) == 1;
        let older = |ballot: Option<Ballot>| ballot.is_none_or(|ballot| ballot < self.ballot());
        if once || (older(stable) && older(dirty)) {
            self.refused |= bit(slot);
        }
    }
    /// The slot holds too many unsettled versions for one more without a prepare, and took nothing. A ballot that went there once was thus
    /// never accepted there, as after a refusal.
    pub fn note_unsettled(&mut self, slot: u8) {
        self.any_refusal = true;
        self.closed |= bit(slot);
        if self.tries(slot) == 1 {
            self.refused |= bit(slot);
        }
    }
    /// A promise of a higher ballot tells all that the slot holds, and that it takes nothing lower any more: it holds this ballot, which is
    /// as good as its acknowledgement, or it never accepted it, unless it forgot or dropped what it had.
    pub fn note_promise(&mut self, slot: u8, state: &KeyState) {
        let ballot = self.ballot();
        if state.records.iter().any(|record| record.ballot == ballot) {
            return self.note_ack(slot);
        }
        let forgot = state.dirty.is_some_and(|dirty| dirty >= ballot) || state.stable.is_some_and(|stable| stable >= ballot);
        if !forgot && state.floor > ballot {
            self.any_refusal = true;
            self.closed |= bit(slot);
            self.refused |= bit(slot);
        }
    }
    /// The slot has no room, or knows a newer state of the bucket, and took nothing. A ballot that went there once was thus never accepted
    /// there, as after a refusal.
    pub fn note_untaken(&mut self, slot: u8) {
        self.untaken |= bit(slot);
        self.closed |= bit(slot);
        if self.tries(slot) == 1 {
            self.refused |= bit(slot);
        }
    }
    /// Whether drives took nothing and the last words of others are still to come: together they may show that nothing took effect.
    pub fn awaits_more_untaken(&self) -> bool {
        self.untaken != 0 && self.targets & !self.closed & !self.acked != 0
    }
    /// No answer; whether trying again makes sense.
    pub fn note_silence(&mut self, slot: u8, hopeless: bool) -> bool {
        if hopeless {
            self.closed |= bit(slot);
            return false;
        }
        if self.tries(slot) >= STRUGGLING_AFTER {
            self.struggling |= bit(slot);
        }
        true
    }
    /// How the round stands against a write quorum of `write` drives.
    pub fn standing(&self, write: usize) -> Standing {
        let write = if is_planted(Sabotage::EarlySuccess) { write - 1 } else { write };
        if count(self.acked) >= write {
            return Standing::Complete;
        }
        let open = self.targets & !self.closed & !self.acked;
        let within_reach = |open: SlotMask| count(self.acked | open) >= write;
        match (within_reach(open), within_reach(open & !self.struggling), self.any_refusal) {
            (false, _, true) => Standing::Refused,
            (false, _, false) | (true, false, false) => Standing::Silent,
            (true, _, true) => Standing::Doubtful,
            (true, true, false) => Standing::Open,
        }
    }
    pub fn attempt(&self) -> Attempt {
        Attempt {
            ballot: self.ballot(),
            acked: self.acked,
            refused: self.refused & !self.acked,
        }
    }
}
