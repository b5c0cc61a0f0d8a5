//! A bounded cache of what follows a record's head (block checksums, inline payload). The key is the generation of the record's
//! segment and the offset in it, which no other record ever has: when the segment is used again, what is left of it here is not found
//! any more and goes in its turn. CLOCK: one bit of memory per item, no list to relink on a hit.

use bytes::Bytes;
use std::collections::HashMap;

/// Counted for each item beside its bytes: table slot, ring slot, allocation.
const ITEM_OVERHEAD_BYTES: usize = 128;

/// Generation of the segment, offset in it.
pub(crate) type CacheKey = (u64, u32);

struct Slot {
    key: CacheKey,
    bytes: Bytes,
    used: bool,
}

/// The cache. Its bytes were verified before they came in.
pub(crate) struct Cache {
    limit_bytes: usize,
    held_bytes: usize,
    slots: Vec<Slot>,
    by_key: HashMap<CacheKey, usize>,
    hand: usize,
}

impl Cache {
    /// A cache of at most `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Cache {
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        Cache {
            limit_bytes,
            held_bytes: 0,
            slots: Vec::new(),
            by_key: HashMap::new(),
            hand: 0,
        }
    }
    /// Whether an item of this size would be taken: one item may not push out most of the others.
    pub fn takes(&self, bytes: usize) -> bool {
        bytes + ITEM_OVERHEAD_BYTES <= self.limit_bytes / 8
    }
    /// The bytes of a record.
    pub fn get(&mut self, key: CacheKey) -> Option<Bytes> {
        let slot = self.slots.get_mut(*self.by_key.get(&key)?)?;
        slot.used = true;
        Some(slot.bytes.clone())
    }
    /// Takes verified bytes in. `bytes` must own its memory alone.
    pub fn insert(&mut self, key: CacheKey, bytes: Bytes) {
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
    /// Forgets a record.
    pub fn remove(&mut self, key: CacheKey) {
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
