//! From keys to records. Here an ordered map in memory, rebuilt from the log at every start; sorted runs can replace it behind the
//! same few calls.

use crate::entry::Entry;
use crate::row::Row;
use crate::{Key, Space as NameSpace};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::rc::Rc;

/// All rows of a drive.
#[derive(Default)]
pub(crate) struct Index {
    rows: BTreeMap<Key, Row>,
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
        self.rows.entry(key).or_default()
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
        let same = move |(key, _): &(&Key, &Row)| key.bucket == bucket && key.space == space;
        self.rows.range((Bound::Included(start), Bound::Unbounded)).take_while(same)
    }
    /// Every record of every key.
    pub fn entries(&self) -> impl Iterator<Item = (&Key, &Rc<Entry>)> {
        self.rows
            .iter()
            .flat_map(|(key, row)| row.entries().iter().map(move |entry| (key, entry)))
    }
    /// Every row.
    pub fn rows(&self) -> impl Iterator<Item = (&Key, &Row)> {
        self.rows.iter()
    }
}
