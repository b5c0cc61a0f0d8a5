//! Turns on contended keys: who was promised a ballot gets the time that a publish takes, before a higher one is promised.
//!
//! Without turns coordinators far apart keep each other from succeeding for ever: the publish of each meets the promise that the next one
//! was given while it was on its way. So where refusals show that a key is contended, prepares wait for each other, in order of their
//! ballots, which is the same on all drives. A turn ends with the publish, with a word that there will be none (a stable mark for a ballot
//! that nobody holds), or after about two of the times that publishes have lately taken to follow their promises.
//!
//! No promise and no answer means anything else than without turns: drives may always take their time. Docs: docs/decisions/0014.

use crate::core::Core;
use crate::signal::Signal;
use crate::{Ballot, Key};
use bytes::Bytes;
use openlake_io::Instant;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

/// A key is contended for so long after the last refusal or wait.
const CONTENDED_FOR: Duration = Duration::from_secs(5);
/// Keys in one table, and prepares that wait in it; beyond that they are answered at once.
const KEYS_LIMIT: usize = 256;
const WAITING_LIMIT: usize = 1_024;
/// The least and the most that a turn takes.
const TURN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// A prepare waits so long at most. Its coordinator gives up long before, and says so; this is for those that ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// Promises of a key whose publishes may still come and tell how long that took.
const REMEMBERED: usize = 16;

/// Whose turn it is on contended keys.
pub(crate) struct Turns {
    enabled: bool,
    keys: RefCell<HashMap<Key, Contention>>,
    waiting: Cell<usize>,
}

struct Contention {
    until: Instant,
    /// How long after its promise a publish came, of late at the longest.
    gap: Duration,
    promised: VecDeque<(Ballot, Instant)>,
    /// Whose turn it is, and how long.
    holder: Option<(Ballot, Instant)>,
    waiting: BTreeSet<Ballot>,
    changed: Rc<Signal>,
}

impl Contention {
    /// Until when a prepare or publish has to wait for another one's turn; `None`: it need not.
    fn blocked_until(&self, ballot: Ballot, now: Instant) -> Option<Instant> {
        let held = self.holder.filter(|(holder, until)| *holder < ballot && *until > now);
        let first = self.waiting.first().is_none_or(|first| *first >= ballot);
        match held {
            Some((_, until)) => Some(until),
            // Whoever is first was woken and takes its turn at once.
            None if !first => Some(now.after(TURN.0)),
            None => None,
        }
    }
    fn turn(&self) -> Duration {
        (self.gap * 2).clamp(TURN.0, TURN.1)
    }
}

/// A place in the queue of a key; left when dropped.
struct Place<'turns> {
    turns: &'turns Turns,
    key: &'turns Key,
    ballot: Ballot,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.turns.waiting.set(self.turns.waiting.get() - 1);
        if let Some(contention) = self.turns.keys.borrow_mut().get_mut(self.key) {
            contention.waiting.remove(&self.ballot);
            contention.changed.notify();
        }
    }
}

impl Turns {
    /// Nobody waits yet.
    pub fn new(enabled: bool) -> Turns {
        Turns {
            enabled,
            keys: RefCell::default(),
            waiting: Cell::default(),
        }
    }

    /// Something was refused because of another one's ballot.
    pub fn note_refusal(&self, key: &Key, now: Instant) {
        if !self.enabled {
            return;
        }
        let mut keys = self.keys.borrow_mut();
        if let Some(contention) = keys.get_mut(key) {
            contention.until = now.after(CONTENDED_FOR);
            return;
        }
        if keys.len() >= KEYS_LIMIT {
            keys.retain(|_, contention| contention.until > now || !contention.waiting.is_empty());
        }
        if keys.len() < KEYS_LIMIT {
            let own = Key {
                name: Bytes::copy_from_slice(&key.name),
                ..*key
            };
            keys.insert(
                own,
                Contention {
                    until: now.after(CONTENDED_FOR),
                    gap: Duration::ZERO,
                    promised: VecDeque::new(),
                    holder: None,
                    waiting: BTreeSet::new(),
                    changed: Rc::default(),
                },
            );
        }
    }

    /// Whether a publish that no prepare preceded would take another one's turn away.
    pub fn is_anothers(&self, key: &Key, ballot: Ballot, now: Instant) -> bool {
        let keys = self.keys.borrow();
        keys.get(key)
            .is_some_and(|contention| contention.blocked_until(ballot, now).is_some())
    }

    /// A publish came: the turns of its ballot and of all below are over.
    pub fn note_publish(&self, key: &Key, ballot: Ballot, now: Instant) {
        let mut keys = self.keys.borrow_mut();
        let Some(contention) = keys.get_mut(key) else { return };
        if let Some(at) = contention.promised.iter().position(|(promised, _)| *promised == ballot)
            && let Some((_, promised)) = contention.promised.remove(at)
        {
            contention.gap = now.since(promised).max(contention.gap - contention.gap / 16);
        }
        if contention.holder.is_some_and(|(holder, _)| holder <= ballot) {
            contention.holder = None;
            contention.changed.notify();
        }
    }

    /// Nothing will be published at this ballot.
    pub fn give_up(&self, key: &Key, ballot: Ballot) {
        if let Some(contention) = self.keys.borrow_mut().get_mut(key) {
            contention.promised.retain(|(promised, _)| *promised != ballot);
            let held = contention.holder.take_if(|(holder, _)| *holder == ballot).is_some();
            if contention.waiting.remove(&ballot) || held {
                contention.changed.notify();
            }
        }
    }

    /// Takes the turn of a prepare; otherwise, until when to wait.
    pub fn take(&self, key: &Key, ballot: Ballot, now: Instant) -> Result<(), Instant> {
        let mut keys = self.keys.borrow_mut();
        let Some(contention) = keys.get_mut(key) else { return Ok(()) };
        if let Some(until) = contention.blocked_until(ballot, now) {
            contention.until = now.after(CONTENDED_FOR);
            return Err(until);
        }
        contention.waiting.remove(&ballot);
        if contention.until <= now && contention.waiting.is_empty() {
            keys.remove(key);
            return Ok(());
        }
        contention.holder = Some((ballot, now.after(contention.turn())));
        contention.promised.push_back((ballot, now));
        if contention.promised.len() > REMEMBERED {
            contention.promised.pop_front();
        }
        Ok(())
    }

    /// Joins the queue of a contended key.
    fn join<'turns>(&'turns self, key: &'turns Key, ballot: Ballot) -> Option<(Place<'turns>, Rc<Signal>)> {
        let mut keys = self.keys.borrow_mut();
        let contention = keys.get_mut(key)?;
        if self.waiting.get() >= WAITING_LIMIT || !contention.waiting.insert(ballot) {
            return None;
        }
        self.waiting.set(self.waiting.get() + 1);
        let turns = self;
        Some((Place { turns, key, ballot }, contention.changed.clone()))
    }

    /// How the one who waits at a place stands.
    fn look(&self, place: &Place<'_>, now: Instant) -> Look {
        let (key, ballot) = (place.key, place.ballot);
        let is_wanted = |contention: &Contention| contention.waiting.contains(&ballot);
        if !self.keys.borrow().get(key).is_some_and(is_wanted) {
            return Look::GivenUp;
        }
        self.take(key, ballot, now).map_or_else(Look::Wait, |()| Look::Taken)
    }
}

enum Look {
    Taken,
    Wait(Instant),
    /// The coordinator said meanwhile that it does not need the turn any more.
    GivenUp,
}

impl Core {
    /// Waits for the turn of a prepare and takes it. False: others were first for so long that the coordinator had better ask again.
    pub async fn await_turn(&self, key: &Key, ballot: Ballot) -> bool {
        let runtime = &self.runtime;
        let Some((place, changed)) = self.turns.join(key, ballot) else {
            return false;
        };
        let limit = runtime.now().after(PATIENCE);
        loop {
            let now = runtime.now();
            let until = match self.turns.look(&place, now) {
                Look::Taken => return true,
                Look::GivenUp => return false,
                Look::Wait(_) if now >= limit => return false,
                Look::Wait(until) => until.min(limit),
            };
            // Woken for every change: only who is first goes on.
            let mut is_woken = false;
            let woken = changed.until(|| std::mem::replace(&mut is_woken, true).then_some(()));
            let _ = runtime.timeout(until.since(now), woken).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Space;

    fn key() -> Key {
        Key {
            bucket: 1,
            space: Space::Object,
            name: Bytes::from_static(b"hot"),
        }
    }
    fn ballot(clock: u64) -> Ballot {
        Ballot { clock, node: 1, boot: 1 }
    }
    fn at(ms: u64) -> Instant {
        Instant(ms * 1_000_000)
    }

    #[test]
    fn a_key_without_refusals_has_no_turns() {
        let turns = Turns::new(true);
        assert_eq!(turns.take(&key(), ballot(1), at(0)), Ok(()));
        assert_eq!(turns.take(&key(), ballot(2), at(0)), Ok(()));
        assert!(!turns.is_anothers(&key(), ballot(3), at(0)));
        assert!(turns.keys.borrow().is_empty());
    }

    #[test]
    fn a_turn_ends_with_its_publish_when_it_is_given_up_or_with_its_time() {
        let turns = Turns::new(true);
        turns.note_refusal(&key(), at(0));
        assert_eq!(turns.take(&key(), ballot(1), at(0)), Ok(()));
        assert_eq!(turns.take(&key(), ballot(2), at(1)), Err(at(10)));
        assert!(turns.is_anothers(&key(), ballot(3), at(1)), "nor without a prepare");
        assert!(!turns.is_anothers(&key(), ballot(1), at(1)));
        turns.note_publish(&key(), ballot(1), at(4));
        assert_eq!(turns.take(&key(), ballot(2), at(5)), Ok(()));
        assert!(turns.take(&key(), ballot(3), at(6)).is_err());
        turns.give_up(&key(), ballot(2));
        assert_eq!(turns.take(&key(), ballot(3), at(7)), Ok(()));
        assert!(turns.take(&key(), ballot(4), at(8)).is_err());
        assert_eq!(turns.take(&key(), ballot(4), at(17)), Ok(()), "it took too long");
    }

    #[test]
    fn turns_are_as_long_as_publishes_take_of_late() {
        let turns = Turns::new(true);
        turns.note_refusal(&key(), at(0));
        assert_eq!(turns.take(&key(), ballot(1), at(0)), Ok(()));
        assert_eq!(turns.take(&key(), ballot(2), at(20)), Ok(()));
        // It comes too late, but it tells how long such a thing takes here.
        turns.note_publish(&key(), ballot(1), at(100));
        assert_eq!(turns.take(&key(), ballot(3), at(100)), Ok(()));
        assert_eq!(turns.take(&key(), ballot(4), at(101)), Err(at(300)));
    }

    #[test]
    fn who_waits_goes_on_in_order_of_ballots_and_not_after_giving_up() {
        let turns = Turns::new(true);
        turns.note_refusal(&key(), at(0));
        assert_eq!(turns.take(&key(), ballot(1), at(0)), Ok(()));
        let name = key();
        let [second, third, fourth] = [2, 3, 4].map(|clock| turns.join(&name, ballot(clock)).expect("room").0);
        turns.note_publish(&key(), ballot(1), at(1));
        assert!(matches!(turns.look(&third, at(1)), Look::Wait(_)), "the second is first");
        assert!(turns.take(&key(), ballot(5), at(1)).is_err(), "nobody overtakes");
        turns.give_up(&key(), ballot(2));
        assert!(matches!(turns.look(&second, at(1)), Look::GivenUp));
        assert!(matches!(turns.look(&third, at(1)), Look::Taken));
        assert!(matches!(turns.look(&fourth, at(1)), Look::Wait(_)));
        drop([second, third, fourth]);
        assert_eq!(turns.waiting.get(), 0);
    }
}
