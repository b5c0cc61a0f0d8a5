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
//!  ballot
//!      8 clock
//!        node, boot
//!  version
//!      2 flags                1 tombstone, 2 unconditional, 4 base, 8 the base is zero, 16 the origin is the ballot, 32 whole,
//!                             64 manifest, 128 bulk, 256 write id of the version before, 512 extents of the version before,
//!                             1024 the payload has the object's size, 2048 the record's payload has the shard's length,
//!                             4096 etag is zero
//!        ballot
//!     16 write id             unless 256
//!        origin, base         ballots, unless 16; if 4 without 8
//!        size, etag parts
//!     16 etag                 unless 4096
//!        metadata             length, then the bytes
//!      4 k, m, block shift, slot
//!        payload size         unless 1024
//!        segment, offset      of the record
//!        total, tail offset   of the record
//!        shard length
//!        payload              of the record, unless 2048
//!        extents              count, then segment, first granule, granules - 1 of each; if 128 without 512
//! ```
//! No bytes at all: the key was removed.

use super::varint::{put_varint, take_bytes, take_varint};
use crate::entry::Entry;
use crate::row::Row;
use crate::space::{Extent, ExtentRegistry, ExtentSet, Place};
use crate::{Ballot, Coding, Head, Key, KeyState, Kind, WriteId};
use bytes::Bytes;
use std::rc::Rc;

const STABLE: u8 = 1;
const STABLE_IS_FIRST: u8 = 2;
const MARK: u8 = 4;
const FLOOR_IS_LAST: u8 = 8;
const TRACE: u8 = 16;

const TOMBSTONE: u16 = 1;
const UNCONDITIONAL: u16 = 2;
const BASE: u16 = 4;
const BASE_IS_ZERO: u16 = 8;
const ORIGIN_IS_BALLOT: u16 = 16;
const WHOLE: u16 = 32;
const MANIFEST: u16 = 64;
const BULK: u16 = 128;
const SAME_WRITE_ID: u16 = 256;
const SAME_EXTENTS: u16 = 512;
const PAYLOAD_IS_SIZE: u16 = 1024;
const INLINE_WHOLE: u16 = 2048;
const NO_ETAG: u16 = 4096;

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

fn put_ballot(bytes: &mut Vec<u8>, ballot: Ballot) {
    bytes.extend_from_slice(&ballot.clock.to_le_bytes());
    put_varint(bytes, u64::from(ballot.node));
    put_varint(bytes, u64::from(ballot.boot));
}

fn put_place(bytes: &mut Vec<u8>, place: Place) {
    put_varint(bytes, u64::from(place.segment()));
    put_varint(bytes, u64::from(place.offset()));
}

fn put_version(bytes: &mut Vec<u8>, entry: &Entry, before: Option<&Rc<Entry>>) {
    let head = &entry.head;
    let same_extents = match (&entry.extents, before.and_then(|before| before.extents.as_ref())) {
        (Some(own), Some(before)) => Rc::ptr_eq(own, before),
        _ => false,
    };
    let flag = |set: bool, flag: u16| if set { flag } else { 0 };
    let flags = flag(head.kind == Kind::Tombstone, TOMBSTONE)
        | flag(head.unconditional, UNCONDITIONAL)
        | flag(head.base.is_some(), BASE)
        | flag(head.base == Some(Ballot::ZERO), BASE_IS_ZERO)
        | flag(head.origin == head.ballot, ORIGIN_IS_BALLOT)
        | flag(head.coding.whole, WHOLE)
        | flag(head.coding.manifest, MANIFEST)
        | flag(!head.inline, BULK)
        | flag(before.is_some_and(|before| before.head.write_id == head.write_id), SAME_WRITE_ID)
        | flag(same_extents, SAME_EXTENTS)
        | flag(head.payload_size == head.size, PAYLOAD_IS_SIZE)
        | flag(u64::from(entry.payload) == entry.shard_length, INLINE_WHOLE)
        | flag(head.etag == [0; 16], NO_ETAG);
    bytes.extend_from_slice(&flags.to_le_bytes());
    put_ballot(bytes, head.ballot);
    if flags & SAME_WRITE_ID == 0 {
        bytes.extend_from_slice(&head.write_id.0);
    }
    if flags & ORIGIN_IS_BALLOT == 0 {
        put_ballot(bytes, head.origin);
    }
    if let Some(base) = head.base.filter(|base| *base != Ballot::ZERO) {
        put_ballot(bytes, base);
    }
    put_varint(bytes, head.size);
    put_varint(bytes, u64::from(head.etag_parts));
    if flags & NO_ETAG == 0 {
        bytes.extend_from_slice(&head.etag);
    }
    put_varint(bytes, head.metadata.len() as u64);
    bytes.extend_from_slice(&head.metadata);
    let coding = head.coding;
    bytes.extend_from_slice(&[coding.data, coding.parity, coding.block_shift, head.slot]);
    if flags & PAYLOAD_IS_SIZE == 0 {
        put_varint(bytes, head.payload_size);
    }
    put_place(bytes, entry.place().unwrap_or(Place::PENDING));
    put_varint(bytes, u64::from(entry.total));
    put_varint(bytes, u64::from(entry.tail_offset));
    put_varint(bytes, entry.shard_length);
    if flags & INLINE_WHOLE == 0 {
        put_varint(bytes, u64::from(entry.payload));
    }
    if flags & (BULK | SAME_EXTENTS) == BULK {
        let extents = entry.extents.as_ref().map(|extents| extents.to_vec()).unwrap_or_default();
        put_varint(bytes, extents.len() as u64);
        for extent in extents {
            put_varint(bytes, u64::from(extent.segment));
            put_varint(bytes, u64::from(extent.first));
            put_varint(bytes, u64::from(extent.granules.saturating_sub(1)));
        }
    }
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

struct StoredVersion {
    flags: u16,
    head: Head,
    place: Place,
    total: u32,
    tail_offset: u32,
    payload: u32,
    shard_length: u64,
    extents: Vec<Extent>,
}

impl StoredVersion {
    fn to_entry(&self, key: &Key, extents: Option<Rc<ExtentSet>>) -> Entry {
        let mut entry = Entry::restored(key.clone(), self.head.clone(), self.shard_length, extents, self.place);
        (entry.total, entry.tail_offset, entry.payload) = (self.total, self.tail_offset, self.payload);
        entry
    }
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

fn take_version(rest: &mut &[u8], before: Option<&StoredVersion>, metadata: impl Fn(&[u8]) -> Bytes) -> Option<StoredVersion> {
    let flags = u16::from_le_bytes(take_array(rest)?);
    let has = |flag: u16| flags & flag != 0;
    let ballot = take_ballot(rest)?;
    let write_id = if has(SAME_WRITE_ID) {
        before?.head.write_id
    } else {
        WriteId(take_array(rest)?)
    };
    let origin = if has(ORIGIN_IS_BALLOT) { ballot } else { take_ballot(rest)? };
    let base = match (has(BASE), has(BASE_IS_ZERO)) {
        (false, _) => None,
        (true, true) => Some(Ballot::ZERO),
        (true, false) => Some(take_ballot(rest)?),
    };
    let (size, etag_parts) = (take_varint(rest)?, u16::try_from(take_varint(rest)?).ok()?);
    let etag = if has(NO_ETAG) { [0; 16] } else { take_array(rest)? };
    let length = usize::try_from(take_varint(rest)?).ok()?;
    let metadata = metadata(take_bytes(rest, length)?);
    let [data, parity, block_shift, slot] = take_array(rest)?;
    let payload_size = if has(PAYLOAD_IS_SIZE) { size } else { take_varint(rest)? };
    let place = take_place(rest)?;
    let (total, tail_offset, shard_length) = (take_u32(rest)?, take_u32(rest)?, take_varint(rest)?);
    let payload = if has(INLINE_WHOLE) {
        u32::try_from(shard_length).ok()?
    } else {
        take_u32(rest)?
    };
    let mut extents = Vec::new();
    if has(BULK) && has(SAME_EXTENTS) {
        before.filter(|before| before.flags & BULK != 0)?;
    } else if has(BULK) {
        for _ in 0..take_varint(rest)? {
            let (segment, first, more) = (take_u32(rest)?, take_varint(rest)?, take_varint(rest)?);
            extents.push(Extent {
                segment,
                first: u16::try_from(first).ok()?,
                granules: u32::from(u16::try_from(more).ok()?) + 1,
            });
        }
    }
    let coding = Coding {
        data,
        parity,
        block_shift,
        whole: has(WHOLE),
        manifest: has(MANIFEST),
    };
    let head = Head {
        ballot,
        write_id,
        origin,
        base,
        kind: if has(TOMBSTONE) { Kind::Tombstone } else { Kind::Data },
        unconditional: has(UNCONDITIONAL),
        size,
        etag,
        etag_parts,
        metadata,
        coding,
        slot,
        payload_size,
        inline: !has(BULK),
    };
    Some(StoredVersion {
        flags,
        head,
        place,
        total,
        tail_offset,
        payload,
        shard_length,
        extents,
    })
}

fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_varint(rest)?).ok()
}

fn take_ballot(rest: &mut &[u8]) -> Option<Ballot> {
    let clock = u64::from_le_bytes(take_array(rest)?);
    Some(Ballot {
        clock,
        node: take_u32(rest)?,
        boot: take_u32(rest)?,
    })
}

fn take_place(rest: &mut &[u8]) -> Option<Place> {
    Some(Place::new(take_u32(rest)?, take_u32(rest)?))
}
