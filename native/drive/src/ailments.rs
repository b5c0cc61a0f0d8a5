//! What a drive knows of its own gaps: how far a dirty one has been filled, keys that it missed, blocks that it found damaged.
//!
//! A dirty drive is filled in the order of its keys. How far it has come is one *cursor*: below it, what the drive lacks is absent
//! again. The cursor is durable as a record of a key that no bucket has, so log, checkpoints and cleaner keep it as any other. The
//! rest lives in memory: whoever loses it finds the same keys again by comparing digests, or by reading.

use crate::core::Core;
use crate::sabotage::{Sabotage, is_planted};
use crate::{Answer, Ballot, Key, Space};
use bytes::{BufMut, Bytes, BytesMut};
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

/// Bucket id of what a drive keeps for itself. No bucket bears it or the one above.
pub const LOCAL_BUCKET: u64 = u64::MAX - 1;
/// More keys than this are not remembered; a comparison with the other drives finds them.
const MISSED_LIMIT: usize = 65_536;
const DAMAGED_LIMIT: usize = 4_096;

/// What waits to be healed on a drive.
#[derive(Default)]
pub(crate) struct Ailments {
    /// Keys below this one are filled, of the dirt of this floor.
    healed: RefCell<Option<(Ballot, Key)>>,
    missed: RefCell<BTreeSet<Key>>,
    /// Keys were missed that nobody remembers.
    lost: Cell<bool>,
    damaged: RefCell<BTreeSet<Key>>,
}

/// How whole a drive is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealProgress {
    /// A replacement that is not adopted yet.
    pub blank: bool,
    /// For ballots up to this one, what it lacks is unknown, from `healed` on.
    pub dirty: Option<Ballot>,
    /// Keys below are filled.
    pub healed: Option<Key>,
    pub missed: u64,
    pub damaged: u64,
}

impl Ailments {
    /// Keys of which a version became complete without this drive; `lost`: and others.
    pub fn note_missed(&self, keys: Vec<Key>, lost: bool) {
        let mut missed = self.missed.borrow_mut();
        self.lost.set(self.lost.get() || lost || missed.len() + keys.len() > MISSED_LIMIT);
        let room = MISSED_LIMIT.saturating_sub(missed.len());
        missed.extend(keys.into_iter().take(room).map(|key| own(&key)));
    }
    /// A block of this key's record is damaged.
    pub fn note_damaged(&self, key: &Key) {
        let mut damaged = self.damaged.borrow_mut();
        if damaged.len() < DAMAGED_LIMIT && key.bucket < LOCAL_BUCKET {
            damaged.insert(own(key));
        }
    }
    /// Takes up to `limit` of the keys missed.
    pub fn take_missed(&self, limit: usize) -> Vec<Key> {
        take(&mut self.missed.borrow_mut(), limit)
    }
    /// Takes up to `limit` of the keys with damaged blocks.
    pub fn take_damaged(&self, limit: usize) -> Vec<Key> {
        take(&mut self.damaged.borrow_mut(), limit)
    }
    /// Whether keys were missed that nobody remembers; no more, once asked.
    pub fn take_lost(&self) -> bool {
        self.lost.take()
    }
    /// Keys missed, and keys with damaged blocks.
    pub fn waiting(&self) -> (usize, usize) {
        (self.missed.borrow().len(), self.damaged.borrow().len())
    }
}

/// A copy that pins no request's memory.
fn own(key: &Key) -> Key {
    Key {
        name: Bytes::copy_from_slice(&key.name),
        ..*key
    }
}

fn take(keys: &mut BTreeSet<Key>, limit: usize) -> Vec<Key> {
    let mut taken = Vec::new();
    while taken.len() < limit
        && let Some(key) = keys.pop_first()
    {
        taken.push(key);
    }
    taken
}

impl Core {
    /// For ballots up to this, a record of the key that the drive lacks is unknown rather than absent.
    pub fn dirty_of(&self, key: &Key) -> Option<Ballot> {
        self.dirty_of_name(key.bucket, key.space, &key.name)
    }
    /// The same by the key's parts.
    pub fn dirty_of_name(&self, bucket: u64, space: Space, name: &[u8]) -> Option<Ballot> {
        let dirty = self.acceptor.get().dirty?;
        let below = |cursor: &Key| (bucket, space, name) < (cursor.bucket, cursor.space, &cursor.name);
        let healed = self.ailments.healed.borrow().as_ref().is_some_and(|(_, cursor)| below(cursor));
        (!healed && !is_planted(Sabotage::BlankCounts)).then_some(dirty)
    }
    /// Whether some key of a space up to `to` (`None`: its end) is dirty, given that what lies before is asked for too.
    pub fn is_dirty_in(&self, bucket: u64, space: Space, to: Option<&Bytes>) -> bool {
        let healed = self.ailments.healed.borrow();
        let clean = healed.as_ref().is_some_and(|(_, cursor)| match to {
            Some(name) => (bucket, space, name) < (cursor.bucket, cursor.space, &cursor.name),
            None => (bucket, space) < (cursor.bucket, cursor.space),
        });
        self.acceptor.get().dirty.is_some() && !clean && !is_planted(Sabotage::BlankCounts)
    }
    /// How whole the drive is.
    pub fn heal_progress(&self) -> HealProgress {
        let (missed, damaged) = self.ailments.waiting();
        HealProgress {
            blank: self.generation.get() == 0,
            dirty: self.acceptor.get().dirty,
            healed: self.ailments.healed.borrow().as_ref().map(|(_, cursor)| cursor.clone()),
            missed: missed as u64,
            damaged: damaged as u64,
        }
    }
    /// Finds how far a run before this one had come.
    pub async fn restore_progress(&self) {
        let Some(dirty) = self.acceptor.get().dirty else { return };
        let key = cursor_key();
        if self.load(&key).await.is_err() {
            return;
        }
        let index = self.index.borrow();
        let metadata = index
            .get(&key)
            .and_then(|row| row.newest())
            .map(|entry| entry.head.metadata.clone());
        let found = metadata.and_then(|metadata| decode_cursor(&metadata));
        *self.ailments.healed.borrow_mut() = found.filter(|(of, _)| *of == dirty);
    }
    /// All keys below `cursor` are filled: durable first, then told.
    pub async fn note_healed(self: &Rc<Core>, cursor: Key) -> Result<(), Answer> {
        let Some(dirty) = self.acceptor.get().dirty else { return Ok(()) };
        self.keep_local(cursor_key(), encode_cursor(dirty, &cursor)).await?;
        if self.acceptor.get().dirty == Some(dirty) {
            *self.ailments.healed.borrow_mut() = Some((dirty, own(&cursor)));
        }
        Ok(())
    }
    /// Every key is filled: what the drive lacks is absent.
    pub async fn end_healing(self: &Rc<Core>) -> Result<(), Answer> {
        self.room(crate::format::STATE_RECORD_BYTES, crate::space::Claim::Mark).await?;
        let mut acceptor = self.acceptor.get();
        // Told before it is durable: after a crash the drive only says less than it knows.
        acceptor.dirty = None;
        self.acceptor.set(acceptor);
        self.append_bound(acceptor.bound_clock)
            .map_err(|_| Answer::Failed("the log cannot be written".to_owned()))?;
        self.wake_pump();
        *self.ailments.healed.borrow_mut() = None;
        self.all_durable().await
    }
}

fn cursor_key() -> Key {
    Key {
        bucket: LOCAL_BUCKET,
        space: Space::Object,
        name: Bytes::from_static(b"healed"),
    }
}

/// Floor of the dirt 16, bucket 8, space 1, name.
fn encode_cursor(dirty: Ballot, cursor: &Key) -> Bytes {
    let mut bytes = BytesMut::with_capacity(25 + cursor.name.len());
    bytes.put_slice(&dirty.to_bytes());
    bytes.put_u64(cursor.bucket);
    bytes.put_u8(cursor.space as u8);
    bytes.put_slice(&cursor.name);
    bytes.freeze()
}

fn decode_cursor(bytes: &Bytes) -> Option<(Ballot, Key)> {
    let (dirty, rest) = bytes.split_first_chunk::<16>()?;
    let (bucket, rest) = rest.split_first_chunk::<8>()?;
    let (space, name) = rest.split_first()?;
    let key = Key {
        bucket: u64::from_be_bytes(*bucket),
        space: Space::from_byte(*space)?,
        name: Bytes::copy_from_slice(name),
    };
    Some((Ballot::from_bytes(*dirty), key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let key = Key {
            bucket: 7,
            space: Space::Part,
            name: Bytes::from_static(b"a\0b"),
        };
        let dirty = Ballot {
            clock: 5,
            node: 6,
            boot: 7,
        };
        assert_eq!(decode_cursor(&encode_cursor(dirty, &key)), Some((dirty, key)));
        assert_eq!(decode_cursor(&Bytes::from_static(b"short")), None);
    }

    #[test]
    fn what_does_not_fit_is_known_to_be_lost() {
        let ailments = Ailments::default();
        let key = |number: usize| Key {
            bucket: 1,
            space: Space::Object,
            name: Bytes::from(number.to_string()),
        };
        ailments.note_missed((0..MISSED_LIMIT).map(key).collect(), false);
        assert!(!ailments.take_lost());
        ailments.note_missed(vec![key(MISSED_LIMIT)], false);
        assert!(ailments.take_lost() && !ailments.take_lost());
        assert_eq!(ailments.waiting().0, MISSED_LIMIT);
        assert_eq!(ailments.take_missed(3).len(), 3);
    }
}
