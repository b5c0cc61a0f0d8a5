//! A bounded cache: of what follows a record's head (block checksums, inline payload), and of blocks of the index.
//!
//! One pass over many items must not push out those in steady use. So items come into a small window first, and leave the cache from
//! there unless they are asked for again after they left; hits within the window say nothing, as one pass asks for a block several
//! times in a row. What comes back goes to the main part, which is a CLOCK. (2Q of Johnson and Shasha, VLDB 1994, with a CLOCK for its
//! LRU; what leaves the window while there is room goes to the main part at once.)
//!
//! ```text
//!  new --> window (1/8) --> gone, its key remembered --> asked for again --> main (CLOCK) --> gone
//!                 \--- while there is room ---------------------------------/
//! ```
//! Records are known by the generation of their segment and the offset in it, which no other record ever has: when the segment is used
//! again, what is left of it here is not found any more and goes in its turn.

use crate::table::Table;
use bytes::Bytes;
use std::collections::VecDeque;
use std::hash::Hash;

/// Counted for each item beside its bytes: table slot, place in a queue, allocation, a remembered key.
const ITEM_OVERHEAD_BYTES: usize = 224;
/// The window's share, and that of the largest item: one item may not push out most of the others.
const WINDOW_SHARE: usize = 8;
/// Keys that left the window are remembered for so many at least, else for as many as there are items.
const LEAST_REMEMBERED: usize = 64;

/// Queue entries looked at for each item that comes, where most of them are left from forgotten ones.
const STALE_STEPS: usize = 8;

/// Generation of the segment, offset in it.
pub(crate) type RecordKey = (u64, u32);

struct Item {
    bytes: Bytes,
    in_main: bool,
    /// Asked for since the hand passed.
    used: bool,
    /// Tells its entry in a queue from older ones of the same key.
    stamp: u64,
}

/// The cache. Its bytes were verified before they came in.
pub(crate) struct Cache<K = RecordKey> {
    limit_bytes: usize,
    held_bytes: usize,
    window_bytes: usize,
    items: Table<K, Item>,
    /// Oldest first; entries whose item is gone are skipped.
    window: VecDeque<(K, u64)>,
    main: VecDeque<(K, u64)>,
    /// Keys that left the window, oldest first.
    remembered: VecDeque<K>,
    is_remembered: Table<K, ()>,
    stamps: u64,
}

impl<K: Copy + Eq + Hash> Cache<K> {
    /// A cache of at most `limit_bytes`.
    pub fn new(limit_bytes: u64) -> Cache<K> {
        let limit_bytes = usize::try_from(limit_bytes).unwrap_or(usize::MAX);
        let most = limit_bytes / ITEM_OVERHEAD_BYTES;
        Cache {
            limit_bytes,
            held_bytes: 0,
            window_bytes: 0,
            items: Table::for_rows(most),
            window: VecDeque::new(),
            main: VecDeque::new(),
            remembered: VecDeque::new(),
            is_remembered: Table::for_rows(most),
            stamps: 0,
        }
    }
    /// Changes what it may hold.
    pub fn set_limit(&mut self, limit_bytes: usize) {
        self.limit_bytes = limit_bytes;
        self.shrink();
    }
    /// Bytes that it may hold.
    pub fn limit_bytes(&self) -> usize {
        self.limit_bytes
    }
    /// Bytes held, overhead included.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }
    /// Whether an item of this size would be taken.
    pub fn takes(&self, bytes: usize) -> bool {
        cost(bytes) <= self.limit_bytes / WINDOW_SHARE
    }
    /// The bytes of a key.
    pub fn get(&mut self, key: K) -> Option<Bytes> {
        let item = self.items.get_mut(&key)?;
        item.used = true;
        Some(item.bytes.clone())
    }
    /// Takes verified bytes in. `bytes` must own its memory alone.
    pub fn insert(&mut self, key: K, bytes: Bytes) {
        if self.takes(bytes.len()) && !self.items.contains_key(&key) {
            let came_back = self.is_remembered.remove(&key).is_some();
            self.put(key, bytes, came_back);
            self.shrink();
        }
    }
    /// Forgets a key.
    pub fn remove(&mut self, key: K) {
        self.take_out(key);
    }
    /// The same bytes have another key from now on, and keep their standing.
    pub fn rename(&mut self, from: K, to: K) {
        if let Some(item) = self.take_out(from).filter(|_| !self.items.contains_key(&to)) {
            self.put(to, item.bytes, item.in_main);
            self.shrink();
        }
    }
    fn put(&mut self, key: K, bytes: Bytes, in_main: bool) {
        self.held_bytes += cost(bytes.len());
        self.stamps += 1;
        let (used, stamp) = (false, self.stamps);
        if in_main {
            self.main.push_back((key, stamp));
        } else {
            self.window_bytes += cost(bytes.len());
            self.window.push_back((key, stamp));
        }
        let item = Item {
            bytes,
            in_main,
            used,
            stamp,
        };
        self.items.insert(key, item);
        // Entries whose item was forgotten may be all over the queues. While they are the most of one, some are looked at for each item
        // that comes, and never all at once; those that are held keep their order behind each other.
        let items = &self.items;
        for queue in [&mut self.window, &mut self.main] {
            for _ in 0..STALE_STEPS {
                if queue.len() <= items.len() * 2 + LEAST_REMEMBERED {
                    break;
                }
                if let Some((key, stamp)) = queue.pop_front()
                    && items.get(&key).is_some_and(|item| item.stamp == stamp)
                {
                    queue.push_back((key, stamp));
                }
            }
        }
    }
    fn take_out(&mut self, key: K) -> Option<Item> {
        let item = self.items.remove(&key)?;
        let bytes = cost(item.bytes.len());
        self.held_bytes -= bytes;
        if !item.in_main {
            self.window_bytes -= bytes;
        }
        Some(item)
    }
    fn shrink(&mut self) {
        let window_limit = self.limit_bytes / WINDOW_SHARE;
        while self.window_bytes > window_limit {
            let Some(key) = self.oldest_of_window() else { break };
            if self.held_bytes > self.limit_bytes {
                self.take_out(key);
                self.remember(key);
            } else if let Some(item) = self.take_out(key) {
                self.put(key, item.bytes, true);
            }
        }
        while self.held_bytes > self.limit_bytes {
            match self.victim_of_main().or_else(|| self.oldest_of_window()) {
                Some(key) => self.take_out(key),
                None => break,
            };
        }
    }
    fn oldest_of_window(&mut self) -> Option<K> {
        loop {
            let (key, stamp) = self.window.pop_front()?;
            if self.items.get(&key).is_some_and(|item| item.stamp == stamp) {
                return Some(key);
            }
        }
    }
    fn victim_of_main(&mut self) -> Option<K> {
        loop {
            let (key, stamp) = self.main.pop_front()?;
            match self.items.get_mut(&key) {
                Some(item) if item.stamp == stamp && item.used => {
                    item.used = false;
                    self.main.push_back((key, stamp));
                }
                Some(item) if item.stamp == stamp => return Some(key),
                _ => {}
            }
        }
    }
    fn remember(&mut self, key: K) {
        if self.is_remembered.insert(key, ()).is_none() {
            self.remembered.push_back(key);
        }
        while self.remembered.len() > self.items.len().max(LEAST_REMEMBERED) {
            if let Some(oldest) = self.remembered.pop_front() {
                self.is_remembered.remove(&oldest);
            }
        }
    }
}

fn cost(bytes: usize) -> usize {
    bytes + ITEM_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_forgotten_items_leave_in_the_queues_goes_bit_by_bit() {
        let mut cache = Cache::new(64 << 20);
        let bytes = Bytes::from_static(&[7; 100]);
        (0..1000_u64).for_each(|held| cache.insert(held, bytes.clone()));
        let mut most = 0;
        for passing in 1000..100_000_u64 {
            cache.insert(passing, bytes.clone());
            cache.remove(passing);
            let before = cache.window.len() + cache.main.len();
            cache.insert(passing, bytes.clone());
            assert!(
                before <= cache.window.len() + cache.main.len() + STALE_STEPS * 2,
                "many went at once"
            );
            cache.remove(passing);
            most = most.max(cache.window.len() + cache.main.len());
        }
        assert!(most <= 1000 * 3, "{most} entries for a thousand items");
        assert!((0..1000).all(|held| cache.get(held).is_some()));
    }
}
