//! From keys to records. Here tables in memory, rebuilt from the log at every start; sorted runs can replace them behind the same
//! few calls.
//!
//! A hash table answers for single keys, which is what nearly all requests ask; an ordered set of the keys serves scans.

use crate::entry::Entry;
use crate::row::Row;
use crate::{Key, Space as NameSpace};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::rc::Rc;

/// All rows of a drive.
#[derive(Default)]
pub(crate) struct Index {
    rows: HashMap<Key, Row>,
    order: BTreeSet<Key>,
}

impl Index {
    /// The row of a key.
    pub fn get(&self, key: &Key) -> Option<&Row> {
        self.rows.get(key)
    }
    /// The row of a key, to be changed.
    pub fn get_mut(&mut self, key: &Key) -> Option<&mut Row> {
        self.rows.get_mut(key)
    }
    /// The row of a key, made if missing. `key` must not pin a request's memory: see [`Index::own_key`].
    pub fn get_or_insert(&mut self, key: Key) -> &mut Row {
        let order = &mut self.order;
        self.rows.entry(key).or_insert_with_key(|key| {
            order.insert(key.clone());
            Row::default()
        })
    }
    /// The key as the index holds it, or a copy of it.
    pub fn own_key(&self, key: &Key) -> Key {
        let copied = || Key {
            bucket: key.bucket,
            space: key.space,
            name: Bytes::copy_from_slice(&key.name),
        };
        self.rows.get_key_value(key).map_or_else(copied, |(own, _)| own.clone())
    }
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    /// Rows of one space of a bucket from a name (inclusive) on, in order.
    pub fn range(&self, bucket: u64, space: NameSpace, from: &Bytes) -> impl Iterator<Item = (&Key, &Row)> {
        let start = Key {
            bucket,
            space,
            name: from.clone(),
        };
        let keys = self.order.range((Bound::Included(start), Bound::Unbounded));
        let same = move |key: &&Key| key.bucket == bucket && key.space == space;
        keys.take_while(same).filter_map(|key| self.rows.get(key).map(|row| (key, row)))
    }
    /// Every record of every key, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Rc<Entry>)> {
        self.rows()
            .flat_map(|(key, row)| row.entries().iter().map(move |entry| (key, entry)))
    }
    /// Every row, in order: that of a hash table differs from run to run, and a simulation must not.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.order.iter().filter_map(|key| self.rows.get(key).map(|row| (key, row)))
    }
}
