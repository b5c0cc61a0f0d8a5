//! A bounded cache: of what follows a record's head (block checksums, inline payload), and of blocks of the index. CLOCK: one bit of
//! memory per item, no list to relink on a hit.
//!
//! Records are known by the generation of their segment and the offset in it, which no other record ever has: when the segment is used
//! again, what is left of it here is not found any more and goes in its turn.

use bytes::Bytes;
use std::collections::HashMap;
use std::hash::Hash;

/// Counted for each item beside its bytes: table slot, ring slot, allocation.
const ITEM_OVERHEAD_BYTES: usize = 128;

/// Generation of the segment, offset in it.
pub(crate) type RecordKey = (u64, u32);

struct Slot<K> {
    key: K,
    bytes: Bytes,
    used: bool,
}

/// The cache. Its bytes were verified before they came in.
pub(crate) struct Cache<K = RecordKey> {
    limit_bytes: usize,
    held_bytes: usize,
    slots: Vec<Slot<K>>,
    by_key: HashMap<K, usize>,
    hand: usize,
}

impl<K: Copy + Eq + Hash> Cache<K> {
    /// A cache of at most `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Cache<K> {
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        Cache {
            limit_bytes,
            held_bytes: 0,
            slots: Vec::new(),
            by_key: HashMap::new(),
            hand: 0,
        }
    }
    /// Changes what it may hold.
    pub fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
        while self.held_bytes > self.limit_bytes {
            self.evict();
        }
    }
    /// Bytes that it may hold.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
    /// Bytes held, overhead included.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }
    /// Whether an item of this size would be taken: one item may not push out most of the others.
    pub fn takes(&self, bytes: usize) -> bool {
        bytes + ITEM_OVERHEAD_BYTES <= self.limit_bytes / 8
    }
    /// The bytes of a key.
    pub fn get(&mut self, key: K) -> Option<Bytes> {
        let slot = self.slots.get_mut(*self.by_key.get(&key)?)?;
        slot.used = true;
        Some(slot.bytes.clone())
    }
    /// Takes verified bytes in. `bytes` must own its memory alone.
    pub fn insert(&mut self, key: K, bytes: Bytes) {
        if !self.takes(bytes.len()) || self.by_key.contains_key(&key) {
            return;
        }
        self.held_bytes += bytes.len() + ITEM_OVERHEAD_BYTES;
        self.by_key.insert(key, self.slots.len());
        self.slots.push(Slot { key, bytes, used: false });
        while self.held_bytes > self.limit_bytes {
            self.evict();
        }
    }
    /// Forgets a key.
    pub fn remove(&mut self, key: K) {
        if let Some(at) = self.by_key.get(&key).copied() {
            self.take_out(at);
        }
    }
    fn evict(&mut self) {
        loop {
            let count = self.slots.len();
            if count == 0 {
                return;
            }
            let at = self.hand % count;
            self.hand = at + 1;
            match self.slots.get_mut(at) {
                Some(slot) if slot.used => slot.used = false,
                _ => return self.take_out(at),
            }
        }
    }
    fn take_out(&mut self, at: usize) {
        let slot = self.slots.swap_remove(at);
        self.by_key.remove(&slot.key);
        self.held_bytes -= slot.bytes.len() + ITEM_OVERHEAD_BYTES;
        if let Some(moved) = self.slots.get(at) {
            self.by_key.insert(moved.key, at);
        }
    }
}
