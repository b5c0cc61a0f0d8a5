//! A row as the value of a run: everything durable of it, complete in itself.
//!
//! ```text
//!  row (numbers are varints unless a size is given)
//!      1 flags                1 stable, 2 stable is the first version's ballot, 4 mark, 8 the floor is the last version's ballot,
//!                             16 the mark is the trace of a collected tombstone
//!        versions             then each, oldest first
//!        stable               a ballot, if 1 without 2
//!        floor                a ballot, if not 8
//!        mark                 segment and offset, if 4
//!        oldest               generation of the oldest log segment that may hold a record of the key; 0: not known
//!        collected            generation of the newest log segment that the trace is kept for, if 16
//! ```
//! Versions and ballots are drawn in `version_codec`. No bytes at all: the key was removed.

use super::varint::{put_varint, take_varint};
use super::version_codec::{
    BULK, SAME_EXTENTS, StoredVersion, put_ballot, put_place, put_version, take_array, take_ballot, take_place, take_version,
};
use crate::entry::Entry;
use crate::row::Row;
use crate::space::{Extent, ExtentRegistry, ExtentSet, Place};
use crate::{Ballot, Key, KeyState, WriteId};
use bytes::Bytes;
use std::rc::Rc;

const STABLE: u8 = 1;
const STABLE_IS_FIRST: u8 = 2;
const MARK: u8 = 4;
const FLOOR_IS_LAST: u8 = 8;
const TRACE: u8 = 16;

/// The durable state of a row; empty when it has no durable version and no trace.
pub(crate) fn encode_row(row: &Row) -> Vec<u8> {
    let versions: Vec<_> = row.entries().iter().filter(|entry| entry.is_durable()).collect();
    if versions.is_empty() && row.trace().is_none() {
        return Vec::new();
    }
    let mut bytes = Vec::with_capacity(96 + versions.iter().map(|entry| entry.head.metadata.len()).sum::<usize>());
    let flag = |set: bool, flag: u8| if set { flag } else { 0 };
    let ballot = |entry: Option<&&Rc<Entry>>| entry.map_or(Ballot::ZERO, |entry| entry.head.ballot);
    let (first, last) = (ballot(versions.first()), ballot(versions.last()));
    let stable_is_first = row.stable() == Some(first);
    let floor_is_last = row.floor() == last;
    bytes.push(
        flag(row.stable().is_some(), STABLE)
            | flag(stable_is_first, STABLE_IS_FIRST)
            | flag(row.mark().is_some(), MARK)
            | flag(floor_is_last, FLOOR_IS_LAST)
            | flag(row.trace().is_some(), TRACE),
    );
    put_varint(&mut bytes, versions.len() as u64);
    let mut before: Option<&Rc<Entry>> = None;
    for entry in &versions {
        put_version(&mut bytes, entry, before);
        before = Some(entry);
    }
    if let Some(stable) = row.stable().filter(|_| !stable_is_first) {
        put_ballot(&mut bytes, stable);
    }
    if !floor_is_last {
        put_ballot(&mut bytes, row.floor());
    }
    if let Some(mark) = row.mark() {
        put_place(&mut bytes, mark);
    }
    put_varint(&mut bytes, row.oldest());
    if let Some(trace) = row.trace() {
        put_varint(&mut bytes, *trace.end());
    }
    bytes
}

/// The inverse of [`encode_row`]. `None`: the bytes are no row. `Some(None)`: the key was removed. Nothing is pinned of `value`.
pub(crate) fn decode_row(key: &Key, value: &[u8], registry: &Rc<ExtentRegistry>) -> Option<Option<Row>> {
    if value.is_empty() {
        return Some(None);
    }
    let own = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let stored = take_row(value, own)?;
    let mut entries: Vec<Rc<Entry>> = Vec::with_capacity(stored.versions.len());
    for version in &stored.versions {
        let before = entries.last().and_then(|entry| entry.extents.clone());
        let extents = match (version.flags & BULK != 0, version.flags & SAME_EXTENTS != 0) {
            (false, _) => None,
            (true, true) => before,
            // Versions that share are not always neighbours.
            (true, false) => shared_extents(&entries, version.head.write_id, &version.extents),
        };
        let extents = match extents {
            Some(shared) => {
                shared.publish();
                Some(shared)
            }
            None if version.flags & BULK != 0 => Some(ExtentSet::with_published(version.extents.clone(), 1, registry)),
            None => None,
        };
        entries.push(Rc::new(version.to_entry(key, extents)));
    }
    let StoredRow {
        stable,
        floor,
        mark,
        oldest,
        collected,
        ..
    } = stored;
    Some(Some(Row::restored(entries, stable, floor, mark, (oldest, collected))))
}

/// The set of one of `entries` that holds the same shard at the same place.
pub(crate) fn shared_extents(entries: &[Rc<Entry>], write_id: WriteId, extents: &[Extent]) -> Option<Rc<ExtentSet>> {
    let same = entries.iter().filter(|entry| entry.head.write_id == write_id);
    let mut sets = same.filter_map(|entry| entry.extents.as_ref());
    sets.find(|set| set.to_vec() == extents).cloned()
}

/// What an answer says of a row, straight from its bytes; metadata shares their memory. `None` and `Some(None)` as in
/// [`decode_row`].
pub(crate) fn decode_state(value: &Bytes, drive_floor: Ballot, dirty: Option<Ballot>) -> Option<Option<KeyState>> {
    if value.is_empty() {
        return Some(None);
    }
    let stored = take_row(value, |bytes| value.slice_ref(bytes))?;
    if stored.versions.is_empty() {
        return Some(None);
    }
    Some(Some(KeyState {
        records: stored.versions.into_iter().rev().map(|version| version.head).collect(),
        stable: stored.stable,
        dirty,
        floor: stored.floor.max(drive_floor),
    }))
}

struct StoredRow {
    versions: Vec<StoredVersion>,
    stable: Option<Ballot>,
    floor: Ballot,
    mark: Option<Place>,
    oldest: u64,
    /// 0: no trace.
    collected: u64,
}

fn take_row(value: &[u8], metadata: impl Fn(&[u8]) -> Bytes) -> Option<StoredRow> {
    let mut rest = value;
    let [flags] = take_array(&mut rest)?;
    let count = take_varint(&mut rest)?;
    let mut versions: Vec<StoredVersion> = Vec::with_capacity(count.min(8) as usize);
    for _ in 0..count {
        let version = take_version(&mut rest, versions.last(), &metadata)?;
        versions.push(version);
    }
    if versions.is_empty() && flags & TRACE == 0 {
        return None;
    }
    let ballot = |version: Option<&StoredVersion>| version.map_or(Ballot::ZERO, |version| version.head.ballot);
    let (first, last) = (ballot(versions.first()), ballot(versions.last()));
    if !versions.is_sorted_by(|earlier, later| earlier.head.ballot < later.head.ballot) {
        return None;
    }
    let stable = match (flags & STABLE != 0, flags & STABLE_IS_FIRST != 0) {
        (false, _) => None,
        (true, true) => Some(first),
        (true, false) => Some(take_ballot(&mut rest)?),
    };
    let floor = if flags & FLOOR_IS_LAST != 0 {
        last
    } else {
        take_ballot(&mut rest)?
    };
    let mark = if flags & MARK != 0 { Some(take_place(&mut rest)?) } else { None };
    let oldest = take_varint(&mut rest)?;
    let collected = if flags & TRACE != 0 { take_varint(&mut rest)? } else { 0 };
    rest.is_empty().then_some(StoredRow {
        versions,
        stable,
        floor,
        mark,
        oldest,
        collected,
    })
}
