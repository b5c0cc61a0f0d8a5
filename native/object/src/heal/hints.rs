//! Hints: which slots missed a version that became complete without them. Keys only, no data; who loses them loses nothing but time.
//!
//! The coordinator keeps them, as nobody else knows who did not answer, and tells the slot when it can be reached again.

use crate::core::Core;
use bytes::Bytes;
use openlake_drive::{Answer, Key, Request};
use openlake_peer::SlotId;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

/// Keys kept for one slot; more are forgotten, and the slot is told so.
const KEYS_LIMIT: usize = 16_384;
/// Keys told at once.
const KEYS_A_MESSAGE: usize = 512;
const TELLING_TIME: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Waiting {
    keys: BTreeSet<Key>,
    lost: bool,
}

/// The hints of one core.
#[derive(Default)]
pub(crate) struct Hints {
    slots: RefCell<BTreeMap<SlotId, Waiting>>,
}

impl Hints {
    /// A version of `key` became complete without `slot`.
    pub fn note(&self, slot: SlotId, key: &Key) {
        let mut slots = self.slots.borrow_mut();
        let waiting = slots.entry(slot).or_default();
        if waiting.keys.len() >= KEYS_LIMIT {
            waiting.lost = true;
        } else {
            waiting.keys.insert(Key {
                name: Bytes::copy_from_slice(&key.name),
                ..*key
            });
        }
    }
    /// Hints held in all.
    pub fn held(&self) -> usize {
        self.slots.borrow().values().map(|waiting| waiting.keys.len()).sum()
    }
    /// Tells every slot that can be reached.
    pub async fn deliver(&self, core: &Rc<Core>) {
        let slots: Vec<SlotId> = self.slots.borrow().keys().copied().collect();
        for slot in slots
            .into_iter()
            .filter(|slot| core.slots.is_reachable(*slot) && !core.is_down(*slot))
        {
            while self.deliver_some(core, slot).await {}
        }
    }
    /// True: there are more, and the slot listens.
    async fn deliver_some(&self, core: &Rc<Core>, slot: SlotId) -> bool {
        let (keys, lost) = match self.slots.borrow().get(&slot) {
            Some(waiting) => (
                waiting.keys.iter().take(KEYS_A_MESSAGE).cloned().collect::<Vec<Key>>(),
                waiting.lost,
            ),
            None => return false,
        };
        let request = Request::Missed { keys: keys.clone(), lost };
        if !matches!(core.slots.call(slot, None, request, TELLING_TIME).await, Ok(Answer::Ack)) {
            return false;
        }
        let mut slots = self.slots.borrow_mut();
        let Some(waiting) = slots.get_mut(&slot) else { return false };
        for key in &keys {
            waiting.keys.remove(key);
        }
        waiting.lost = false;
        if waiting.keys.is_empty() {
            slots.remove(&slot);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlake_drive::Space;

    #[test]
    fn more_hints_than_fit_are_known_to_be_lost() {
        let hints = Hints::default();
        let slot = SlotId { set: 1, slot: 2 };
        for number in 0..=KEYS_LIMIT {
            let name = Bytes::from(number.to_string());
            let key = Key {
                bucket: 3,
                space: Space::Object,
                name,
            };
            assert!(!hints.slots.borrow().get(&slot).is_some_and(|waiting| waiting.lost));
            hints.note(slot, &key);
        }
        assert!(hints.slots.borrow().get(&slot).is_some_and(|waiting| waiting.lost));
        assert_eq!(hints.held(), KEYS_LIMIT);
    }
}
