//! A hash table that never stops its core: what every request looks into several times, of any size.
//!
//! A table that grows moves all its rows at once; with a million of them that takes a second. This one is many small tables, chosen by
//! bits of the hash that these do not use themselves, so that only one of them moves at a time.
//!
//! ```text
//!  hash: | 7 bits: tag |  part  |  ...  slot within the part  |
//! ```
//! Hashing is foldhash: with the standard library's SipHash it took a tenth of a put. Its seed is drawn per process and nobody outside
//! sees a hash, so that clients cannot choose names that collide.

use foldhash::quality::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use std::borrow::Borrow;
use std::hash::{BuildHasher, Hash};

/// Rows of one part, about: moving so many takes some 50 microseconds.
const PART_ROWS: usize = 1024;
/// Parts at most: a hash has no more bits to spare.
const MOST_PARTS: usize = 1 << 13;
/// Where the bits of a hash begin that choose a part.
const PART_SHIFT: u32 = 40;

/// A map by hash.
pub(crate) struct Table<K, V> {
    /// A power of two of them.
    parts: Vec<HashTable<(K, V)>>,
    seed: RandomState,
    length: usize,
}

impl<K, V> Default for Table<K, V> {
    /// For some thousand rows.
    fn default() -> Table<K, V> {
        Table::for_rows(PART_ROWS)
    }
}

impl<K, V> Table<K, V> {
    /// An empty table that is expected to get `rows` at most; more of them only make its steps longer.
    pub fn for_rows(rows: usize) -> Table<K, V> {
        let parts = (rows / PART_ROWS).clamp(1, MOST_PARTS).next_power_of_two();
        Table {
            parts: (0..parts).map(|_| HashTable::new()).collect(),
            seed: RandomState::default(),
            length: 0,
        }
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.length
    }
    /// All values, in no order that means anything.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.parts.iter().flat_map(|part| part.iter().map(|(_, value)| value))
    }
    /// Forgets all rows.
    pub fn clear(&mut self) {
        if self.length > 0 {
            self.parts.iter_mut().for_each(HashTable::clear);
            self.length = 0;
        }
    }
    fn place(&self, hash: u64) -> usize {
        (hash >> PART_SHIFT) as usize & (self.parts.len() - 1)
    }
}

impl<K: Eq + Hash, V> Table<K, V> {
    /// The row of a key.
    pub fn get_key_value<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<(&K, &V)>
    where
        K: Borrow<Q>,
    {
        let hash = self.seed.hash_one(key);
        let part = self.parts.get(self.place(hash))?;
        part.find(hash, |(known, _)| known.borrow() == key).map(|(key, value)| (key, value))
    }
    /// The value of a key.
    pub fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.get_key_value(key).map(|(_, value)| value)
    }
    /// The value of a key, to be changed.
    pub fn get_mut<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let hash = self.seed.hash_one(key);
        let place = self.place(hash);
        let part = self.parts.get_mut(place)?;
        part.find_mut(hash, |(known, _)| known.borrow() == key).map(|(_, value)| value)
    }
    /// Whether there is a row of a key.
    pub fn contains_key<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.get(key).is_some()
    }
    /// The value of a key; `make` makes it, if there is none.
    pub fn get_or_insert_with(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let hash = self.seed.hash_one(&key);
        let place = self.place(hash);
        let (seed, length) = (&self.seed, &mut self.length);
        let entry = self.parts[place].entry(hash, |(known, _)| *known == key, |(known, _)| seed.hash_one(known));
        let row = entry.or_insert_with(|| {
            *length += 1;
            (key, make())
        });
        &mut row.into_mut().1
    }
    /// Puts a value in the place of the one that a key had, which is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let hash = self.seed.hash_one(&key);
        let place = self.place(hash);
        let seed = &self.seed;
        match self.parts[place].entry(hash, |(known, _)| *known == key, |(known, _)| seed.hash_one(known)) {
            Entry::Occupied(mut row) => Some(std::mem::replace(&mut row.get_mut().1, value)),
            Entry::Vacant(room) => {
                room.insert((key, value));
                self.length += 1;
                None
            }
        }
    }
    /// Takes the row of a key out.
    pub fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let hash = self.seed.hash_one(key);
        let place = self.place(hash);
        let entry = self.parts.get_mut(place)?.find_entry(hash, |(known, _)| known.borrow() == key);
        let ((_, value), _) = entry.ok()?.remove();
        self.length -= 1;
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u16, u8),
        GetOrInsert(u16, u8),
        Change(u16, u8),
        Remove(u16),
        Clear,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            6 => (0u16..300, any::<u8>()).prop_map(|(key, value)| Step::Insert(key, value)),
            4 => (0u16..300, any::<u8>()).prop_map(|(key, value)| Step::GetOrInsert(key, value)),
            2 => (0u16..300, any::<u8>()).prop_map(|(key, value)| Step::Change(key, value)),
            4 => (0u16..300).prop_map(Step::Remove),
            1 => Just(Step::Clear),
        ];
        prop::collection::vec(step, 0..400)
    }

    proptest! {
        #[test]
        fn it_is_a_map(rows in prop_oneof![Just(1usize), Just(100_000)], steps in steps()) {
            let (mut table, mut model) = (Table::for_rows(rows), HashMap::new());
            for step in steps {
                match step {
                    Step::Insert(key, value) => prop_assert_eq!(table.insert(key, value), model.insert(key, value)),
                    Step::GetOrInsert(key, value) => {
                        prop_assert_eq!(*table.get_or_insert_with(key, || value), *model.entry(key).or_insert(value));
                    }
                    Step::Change(key, value) => {
                        if let Some(held) = table.get_mut(&key) {
                            *held = value;
                        }
                        model.entry(key).and_modify(|held| *held = value);
                    }
                    Step::Remove(key) => prop_assert_eq!(table.remove(&key), model.remove(&key)),
                    Step::Clear => {
                        table.clear();
                        model.clear();
                    }
                }
                prop_assert_eq!(table.len(), model.len());
            }
            for key in 0..300 {
                prop_assert_eq!(table.get(&key), model.get(&key));
                prop_assert_eq!(table.contains_key(&key), model.contains_key(&key));
            }
            let (mut values, mut expected): (Vec<u8>, Vec<u8>) = (table.values().copied().collect(), model.into_values().collect());
            values.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(values, expected);
        }
    }

    #[test]
    fn no_part_gets_much_more_than_its_share() {
        let mut table = Table::for_rows(1 << 17);
        for number in 0u64..1 << 17 {
            table.insert(format!("folder/{number:08}"), ());
        }
        let largest = table.parts.iter().map(HashTable::len).max().unwrap_or_default();
        assert!(
            table.parts.len() == 128 && largest < PART_ROWS * 3 / 2,
            "{largest} rows in one part"
        );
    }
}
