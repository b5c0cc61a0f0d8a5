//! Who took whose place: what the drives of a set remember for one another, so that two replacements at one instant see each other, and
//! a drive that was replaced while it was away learns of it before it answers anything (protocol.md section 9).
//!
//! A blank drive becomes the *heir* of its slot in two rounds to the other drives. `Announce` makes each of them promise to take no heir
//! of an earlier round any more, and tells the heirs that it knows; `Take` notes the new one. Either needs so many of the others that
//! any two such groups share a drive: of two replacements, one sees the other. An heir is *filled* once its drive has all that is complete.
//!
//! What a drive remembers is durable as a record of a key that no bucket has, as the cursor of healing is (`ailments.rs`). A drive learns
//! all that others tell it, and a blank one learns before it is adopted: so replacing drives one by one forgets nothing.

use crate::ailments::LOCAL_BUCKET;
use crate::core::Core;
use crate::signal::Signal;
use crate::{Answer, Ballot, Drive, Key, Space};
use bytes::{BufMut, Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The last drive that took over a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heir {
    pub slot: u8,
    pub generation: u32,
    pub drive: [u8; 16],
    /// It was filled with all that was complete: nothing that it lacks is unknown.
    pub filled: bool,
}

/// What is asked of a drive about the slots of its set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Only to tell what it knows; the one request that a drive answers before it knows itself to be the heir of its slot.
    Ask,
    /// To take no heir of an earlier round any more.
    Announce { round: Ballot },
    /// To remember an heir.
    Take { round: Ballot, heir: Heir },
    /// The heir of a slot was filled.
    Filled { slot: u8, generation: u32 },
}

/// What a drive knows of its set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its own.
    pub generation: u32,
    /// Some of what it lacks is unknown.
    pub dirty: bool,
    /// It knows itself to be its slot's heir, and answers everything.
    pub serves: bool,
    /// Of the last announcement.
    pub round: Ballot,
    pub heirs: Vec<Heir>,
}

/// The memory of a drive.
#[derive(Default)]
pub(crate) struct Succession {
    round: Cell<Ballot>,
    heirs: RefCell<Vec<Heir>>,
    /// Counts changes; those up to `written` are durable.
    changes: Cell<u64>,
    written: Cell<u64>,
    writing: Cell<bool>,
    was_written: Signal,
    /// What an earlier run wrote could not be read: nothing can be told.
    pub(crate) is_lost: Cell<bool>,
}

impl Succession {
    /// Remembers an heir, unless it is an older one than is known. Whether that is news.
    fn note(&self, heir: Heir) -> bool {
        let mut heirs = self.heirs.borrow_mut();
        match heirs.iter_mut().find(|known| known.slot == heir.slot) {
            Some(known) if known.generation > heir.generation => return false,
            Some(known) if known.generation == heir.generation => {
                if known.drive != heir.drive || known.filled || !heir.filled {
                    return false;
                }
                known.filled = true;
            }
            Some(known) => *known = heir,
            None => heirs.push(heir),
        }
        self.changes.set(self.changes.get() + 1);
        true
    }
    fn raise(&self, round: Ballot) {
        if round > self.round.get() {
            self.round.set(round);
            self.changes.set(self.changes.get() + 1);
        }
    }
    fn has_other(&self, heir: &Heir) -> bool {
        let other = |known: &Heir| {
            known.slot == heir.slot
                && (known.generation, known.drive) != (heir.generation, heir.drive)
                && known.generation >= heir.generation
        };
        self.heirs.borrow().iter().any(other)
    }
}

impl Core {
    /// What the drive knows of its set.
    pub fn standing(&self) -> Standing {
        Standing {
            generation: self.generation.get(),
            dirty: self.acceptor.get().dirty.is_some(),
            serves: !self.held.get(),
            round: self.succession.round.get(),
            heirs: self.succession.heirs.borrow().clone(),
        }
    }
    /// Answers a question about its set. `Refuse`: a later round began, or the slot has another heir.
    pub async fn succession(self: &Rc<Core>, step: Step) -> Answer {
        let known = &self.succession;
        if known.is_lost.get() {
            return Answer::Failed("the drive cannot read what it knew of the other slots' drives".to_owned());
        }
        if self.held.get() && step != Step::Ask {
            return Answer::Failed(HELD.to_owned());
        }
        let refusal = || Answer::Refuse {
            floor: known.round.get(),
            stable: None,
            dirty: None,
        };
        match step {
            Step::Ask => {}
            Step::Announce { round } if round < known.round.get() => return refusal(),
            Step::Announce { round } => known.raise(round),
            Step::Take { round, heir } if round < known.round.get() || known.has_other(&heir) => return refusal(),
            Step::Take { round, heir } => {
                known.raise(round);
                known.note(heir);
            }
            Step::Filled { slot, generation } => {
                let filled = known.heirs.borrow().iter().copied().find(|heir| heir.slot == slot);
                if let Some(heir) = filled.filter(|heir| heir.generation == generation) {
                    known.note(Heir { filled: true, ..heir });
                }
            }
        }
        if step != Step::Ask
            && let Err(answer) = self.keep_succession().await
        {
            return answer;
        }
        Answer::Standing(self.standing())
    }
    /// Remembers what others know, durably.
    pub async fn learn_heirs(self: &Rc<Core>, round: Ballot, heirs: &[Heir]) -> Result<(), Answer> {
        self.succession.raise(round);
        for heir in heirs {
            self.succession.note(*heir);
        }
        self.keep_succession().await
    }
    /// Waits until all that is known is durable, writing it if nobody else does.
    async fn keep_succession(self: &Rc<Core>) -> Result<(), Answer> {
        let known = &self.succession;
        let wanted = known.changes.get();
        while known.written.get() < wanted {
            if known.writing.get() {
                known.was_written.until(|| (!known.writing.get()).then_some(())).await;
                continue;
            }
            known.writing.set(true);
            let (changes, bytes) = (known.changes.get(), encode(known.round.get(), &known.heirs.borrow()));
            let result = self.keep_local(memory_key(), bytes).await;
            known.writing.set(false);
            if result.is_ok() {
                known.written.set(known.written.get().max(changes));
            }
            known.was_written.notify();
            result?;
        }
        Ok(())
    }
    /// Finds what an earlier run knew.
    pub async fn restore_succession(&self) {
        let key = memory_key();
        if self.load(&key).await.is_err() {
            return self.succession.is_lost.set(true);
        }
        let index = self.index.borrow();
        let Some(entry) = index.get(&key).and_then(|row| row.newest()) else {
            return;
        };
        match decode(&entry.head.metadata) {
            Some((round, heirs)) => {
                self.succession.round.set(round);
                *self.succession.heirs.borrow_mut() = heirs;
            }
            None => self.succession.is_lost.set(true),
        }
    }
    /// Why the drive answers nothing but questions about its set, if so.
    pub fn why_held(&self) -> Option<&'static str> {
        self.held.get().then_some(HELD)
    }
}

impl Drive {
    /// Lets it answer nothing until it is admitted: it may have been replaced while it was away.
    pub fn hold(&self) {
        self.core().held.set(true);
    }
    /// No other drive took its place: it serves.
    pub fn admit(&self) {
        self.core().held.set(false);
    }
    pub fn is_held(&self) -> bool {
        self.core().held.get()
    }
    /// What it knows of the drives of its set.
    pub fn standing(&self) -> Standing {
        self.core().standing()
    }
    /// Remembers what others know of them, durably. In words, why not.
    pub async fn learn_heirs(&self, round: Ballot, heirs: &[Heir]) -> Result<(), String> {
        self.refuse_unless_serving()?;
        let learned = self.core().learn_heirs(round, heirs).await;
        learned.map_err(|answer| format!("{answer:?}"))
    }
}

const HELD: &str = "the drive has yet to learn whether it was replaced while it was away";

fn memory_key() -> Key {
    Key {
        bucket: LOCAL_BUCKET,
        space: Space::Object,
        name: Bytes::from_static(b"heirs"),
    }
}

/// Bytes of an heir: slot 1, generation 4, drive 16, filled 1.
const HEIR_BYTES: usize = 22;

/// Round 16, heirs.
pub(crate) fn encode(round: Ballot, heirs: &[Heir]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(16 + heirs.len() * HEIR_BYTES);
    bytes.put_slice(&round.to_bytes());
    for heir in heirs {
        bytes.put_u8(heir.slot);
        bytes.put_u32(heir.generation);
        bytes.put_slice(&heir.drive);
        bytes.put_u8(u8::from(heir.filled));
    }
    bytes.freeze()
}

pub(crate) fn decode(bytes: &[u8]) -> Option<(Ballot, Vec<Heir>)> {
    let (round, rest) = bytes.split_first_chunk::<16>()?;
    let (rows, []) = rest.as_chunks::<HEIR_BYTES>() else { return None };
    let heirs = rows.iter().map(|row| {
        let (slot, rest) = row.split_first()?;
        let (generation, rest) = rest.split_first_chunk::<4>()?;
        let (drive, rest) = rest.split_first_chunk::<16>()?;
        Some(Heir {
            slot: *slot,
            generation: u32::from_be_bytes(*generation),
            drive: *drive,
            filled: rest == [1],
        })
    });
    Some((Ballot::from_bytes(*round), heirs.collect::<Option<Vec<Heir>>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heir(slot: u8, generation: u32, filled: bool) -> Heir {
        Heir {
            slot,
            generation,
            drive: [slot + generation as u8; 16],
            filled,
        }
    }

    #[test]
    fn what_is_known_is_read_as_it_was_written() {
        let round = Ballot {
            clock: 5,
            node: 6,
            boot: 7,
        };
        let heirs = vec![heir(0, 2, true), heir(3, 9, false)];
        assert_eq!(decode(&encode(round, &heirs)), Some((round, heirs)));
        assert_eq!(decode(b"short"), None);
        assert_eq!(decode(&[0; 17]), None);
    }

    #[test]
    fn later_heirs_replace_earlier_ones_and_a_filled_one_stays_filled() {
        let known = Succession::default();
        assert!(known.note(heir(1, 2, false)) && known.note(heir(1, 2, true)));
        assert!(!known.note(heir(1, 2, false)) && !known.note(heir(1, 1, true)));
        assert_eq!(*known.heirs.borrow(), [heir(1, 2, true)]);
        assert!(known.has_other(&heir(1, 1, false)) && !known.has_other(&heir(1, 3, false)));
        assert!(known.note(heir(1, 3, false)) && known.note(heir(0, 2, false)));
        assert_eq!(*known.heirs.borrow(), [heir(1, 3, false), heir(0, 2, false)]);
    }
}
