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
use crate::{Ballot, Key, WriteId, told};
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
    let stored = take_row(value)?;
    let mut entries: Vec<Rc<Entry>> = Vec::with_capacity(1 + stored.later.len());
    for version in stored.versions() {
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

/// Appends what an answer says of a row, straight from its bytes. `None`: the bytes are no row. `Some(false)`: nothing, as the key was
/// removed, or only the trace of a collected tombstone is left.
pub(crate) fn put_stored_state(target: &mut Vec<u8>, value: &[u8], drive_floor: Ballot, dirty: Option<Ballot>) -> Option<bool> {
    if value.is_empty() {
        return Some(false);
    }
    let stored = take_row(value)?;
    if stored.first.is_none() {
        return Some(false);
    }
    told::put_count(target, 1 + stored.later.len());
    for version in stored.later.iter().rev().chain(&stored.first) {
        told::put_head_with(target, &version.head, version.metadata);
    }
    told::put_state_end(target, stored.stable, dirty, stored.floor.max(drive_floor));
    Some(true)
}

struct StoredRow<'value> {
    /// The oldest version; nearly always the only one, so that reading a row needs no memory.
    first: Option<StoredVersion<'value>>,
    later: Vec<StoredVersion<'value>>,
    stable: Option<Ballot>,
    floor: Ballot,
    mark: Option<Place>,
    oldest: u64,
    /// 0: no trace.
    collected: u64,
}

impl<'value> StoredRow<'value> {
    /// Oldest first.
    fn versions(&self) -> impl Iterator<Item = &StoredVersion<'value>> {
        self.first.iter().chain(&self.later)
    }
}

fn take_row(value: &[u8]) -> Option<StoredRow<'_>> {
    let mut rest = value;
    let [flags] = take_array(&mut rest)?;
    let count = take_varint(&mut rest)?;
    let first = if count > 0 { Some(take_version(&mut rest, None)?) } else { None };
    let mut later: Vec<StoredVersion<'_>> = Vec::new();
    for _ in 1..count {
        let before = later.last().or(first.as_ref());
        let version = take_version(&mut rest, before)?;
        if before.is_some_and(|before| before.head.ballot >= version.head.ballot) {
            return None;
        }
        later.push(version);
    }
    if first.is_none() && flags & TRACE == 0 {
        return None;
    }
    let ballot = |version: Option<&StoredVersion<'_>>| version.map_or(Ballot::ZERO, |version| version.head.ballot);
    let (lowest, highest) = (ballot(first.as_ref()), ballot(later.last().or(first.as_ref())));
    let stable = match (flags & STABLE != 0, flags & STABLE_IS_FIRST != 0) {
        (false, _) => None,
        (true, true) => Some(lowest),
        (true, false) => Some(take_ballot(&mut rest)?),
    };
    let floor = if flags & FLOOR_IS_LAST != 0 {
        highest
    } else {
        take_ballot(&mut rest)?
    };
    let mark = if flags & MARK != 0 { Some(take_place(&mut rest)?) } else { None };
    let oldest = take_varint(&mut rest)?;
    let collected = if flags & TRACE != 0 { take_varint(&mut rest)? } else { 0 };
    rest.is_empty().then_some(StoredRow {
        first,
        later,
        stable,
        floor,
        mark,
        oldest,
        collected,
    })
}
