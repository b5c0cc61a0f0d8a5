//! A model of its own: drives of one set are lost, replaced by blank ones, adopted and filled, in any order and at any time (protocol.md
//! section 9 steps 1 and 2). Requests are handled late, in any order or never, answers are lost, and a blank drive gives up when it likes.
//!
//! What must hold: never more drives are adopted and not filled than the set bears, and of as many drives as a drive asks that comes back,
//! one knows that it was replaced.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};

/// A rule left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    None,
    /// One witness less.
    FewWitnesses,
    /// A drive takes an heir although a later round began.
    NoRounds,
    /// A blank drive learns nothing from the others before it is adopted.
    NoLearning,
    /// Only what drives say of themselves counts.
    OwnWordOnly,
    /// A drive that says that it is clean counts although another one took its place since.
    AnyCleanWord,
}

/// A set, and how far to go.
#[derive(Clone, Copy, Debug)]
pub struct Set {
    pub slots: usize,
    pub data: usize,
    /// The first so many drives may be lost, each once.
    pub lost: usize,
    /// How often a blank drive begins a round.
    pub rounds: usize,
    pub bug: Bug,
}

const SLOTS: usize = 6;
const ROUNDS: usize = 2;
/// Drives by their slots.
type Mask = u8;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    #[default]
    Serving,
    Blank,
    Announced,
    Taking,
    Adopted,
    Filled,
}

/// A slot: what its drive remembers, and how far its replacement is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Slot {
    stage: Stage,
    round: u8,
    heirs: Mask,
    filled: Mask,
    was_lost: bool,
    tries: u8,
    /// Of the last round: who answered, what they said.
    own_round: u8,
    answered: Mask,
    heard: Mask,
    heard_filled: Mask,
    dirty: Mask,
    clean: Mask,
    taken: Mask,
    /// On their way, by round.
    announces: [Mask; ROUNDS],
    takes: [Mask; ROUNDS],
}

type State = [Slot; SLOTS];

/// States seen, and the first violation.
pub fn explore(set: Set, limit: usize) -> (usize, bool, Option<&'static str>) {
    let hasher: BuildHasherDefault<DefaultHasher> = BuildHasherDefault::default();
    let first: State = State::default();
    let mut seen = HashSet::from([hasher.hash_one(first)]);
    let mut waiting = vec![first];
    while let Some(state) = waiting.pop() {
        let mut next = Vec::new();
        set.steps(&state, &mut next);
        for state in next {
            if !seen.insert(hasher.hash_one(state)) {
                continue;
            }
            if let Some(why) = set.judge(&state) {
                return (seen.len(), false, Some(why));
            }
            waiting.push(state);
        }
        if seen.len() > limit {
            return (seen.len(), false, None);
        }
    }
    (seen.len(), true, None)
}

fn bit(slot: usize) -> Mask {
    1 << slot
}

fn answers(slot: &Slot) -> bool {
    matches!(slot.stage, Stage::Serving | Stage::Adopted | Stage::Filled)
}

impl Set {
    fn witnesses(&self) -> u32 {
        let all = self.data.max(self.slots.div_ceil(2)).min(self.slots - 1);
        (all - usize::from(self.bug == Bug::FewWitnesses)) as u32
    }
    fn bearable(&self) -> usize {
        (self.slots - self.data) / 2
    }
    fn others(&self, slot: usize) -> Mask {
        (bit(self.slots) - 1) & !bit(slot)
    }

    fn judge(&self, state: &State) -> Option<&'static str> {
        let adopted = state.iter().filter(|slot| slot.stage == Stage::Adopted).count();
        if adopted > self.bearable().max(1) {
            return Some("more drives are being filled than the set bears");
        }
        let asked = self.slots - self.data.max(self.slots.div_ceil(2)).min(self.slots - 1);
        for (slot, _) in state
            .iter()
            .enumerate()
            .filter(|(_, slot)| matches!(slot.stage, Stage::Adopted | Stage::Filled))
        {
            let ignorant = |other: &usize| *other != slot && answers(&state[*other]) && state[*other].heirs & bit(slot) == 0;
            if (0..self.slots).filter(ignorant).count() >= asked {
                return Some("a drive that was replaced may come back");
            }
        }
        None
    }

    fn steps(&self, state: &State, next: &mut Vec<State>) {
        for slot in 0..self.lost {
            let own = &state[slot];
            let mut push = |change: &dyn Fn(&mut State)| {
                let mut changed = *state;
                change(&mut changed);
                next.push(changed);
            };
            match own.stage {
                Stage::Serving if !own.was_lost => push(&|state| {
                    state[slot] = Slot {
                        stage: Stage::Blank,
                        was_lost: true,
                        ..Slot::default()
                    }
                }),
                Stage::Blank if usize::from(own.tries) < self.rounds => push(&|state| self.announce(state, slot)),
                Stage::Announced if own.answered.count_ones() >= self.witnesses() => push(&|state| self.decide(state, slot)),
                Stage::Announced => push(&|state| state[slot].stage = Stage::Blank),
                Stage::Taking => {
                    if own.taken.count_ones() >= self.witnesses() {
                        push(&|state| self.adopt(state, slot));
                    }
                    push(&|state| state[slot].stage = Stage::Blank);
                }
                Stage::Adopted => push(&|state| {
                    state[slot].stage = Stage::Filled;
                    state[slot].filled |= bit(slot);
                }),
                Stage::Filled => {
                    for other in (0..self.slots).filter(|other| answers(&state[*other]) && state[*other].heirs & bit(slot) != 0) {
                        push(&|state| state[other].filled |= bit(slot));
                    }
                }
                Stage::Serving | Stage::Blank => {}
            }
            for other in (0..self.slots).filter(|other| *other != slot && answers(&state[*other])) {
                for number in 0..ROUNDS {
                    for heard in [true, false] {
                        if own.announces[number] & bit(other) != 0 {
                            push(&|state| self.hear(state, slot, other, number, heard));
                        }
                        if own.takes[number] & bit(other) != 0 {
                            push(&|state| self.take(state, slot, other, number, heard));
                        }
                    }
                }
            }
        }
    }

    fn round(&self, slot: usize, number: usize) -> u8 {
        (number * self.slots + slot + 1) as u8
    }

    fn announce(&self, state: &mut State, slot: usize) {
        let number = usize::from(state[slot].tries);
        let own = &mut state[slot];
        own.tries += 1;
        own.own_round = self.round(slot, number);
        (own.answered, own.heard, own.heard_filled, own.dirty, own.clean, own.taken) = (0, 0, 0, 0, 0, 0);
        own.announces[number] = self.others(slot);
        own.stage = Stage::Announced;
    }

    fn hear(&self, state: &mut State, slot: usize, other: usize, number: usize, heard: bool) {
        state[slot].announces[number] &= !bit(other);
        let round = self.round(slot, number);
        if round < state[other].round && self.bug != Bug::NoRounds {
            return;
        }
        state[other].round = state[other].round.max(round);
        let said = state[other];
        let own = &mut state[slot];
        if heard && own.stage == Stage::Announced && own.own_round == round {
            own.answered |= bit(other);
            own.heard |= said.heirs;
            own.heard_filled |= said.filled;
            if said.stage == Stage::Adopted {
                own.dirty |= bit(other);
            } else if said.stage == Stage::Filled || self.bug == Bug::AnyCleanWord {
                own.clean |= bit(other);
            }
        }
    }

    fn decide(&self, state: &mut State, slot: usize) {
        let own = &mut state[slot];
        let heirs = if self.bug == Bug::OwnWordOnly {
            0
        } else {
            own.heard & !own.heard_filled & !own.clean
        };
        let unknown = ((own.dirty | heirs) & !bit(slot)).count_ones() as usize;
        if unknown > 0 && unknown + 1 > self.bearable() {
            own.stage = Stage::Blank;
            return;
        }
        own.stage = Stage::Taking;
        own.takes[usize::from(own.tries) - 1] = self.others(slot);
    }

    fn take(&self, state: &mut State, slot: usize, other: usize, number: usize, heard: bool) {
        state[slot].takes[number] &= !bit(other);
        let round = self.round(slot, number);
        if round < state[other].round && self.bug != Bug::NoRounds {
            return;
        }
        state[other].round = state[other].round.max(round);
        state[other].heirs |= bit(slot);
        let own = &mut state[slot];
        if heard && own.stage == Stage::Taking && own.own_round == round {
            own.taken |= bit(other);
        }
    }

    fn adopt(&self, state: &mut State, slot: usize) {
        let own = &mut state[slot];
        let learned = if self.bug == Bug::NoLearning { 0 } else { own.heard };
        own.stage = Stage::Adopted;
        own.heirs = learned | bit(slot);
        own.filled = own.heard_filled & learned;
        own.round = own.own_round;
    }
}
