//! A version of a key in the row of a run; also ballots and places, the numbers that rows are made of.
//!
//! ```text
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

use super::varint::{put_varint, take_bytes, take_varint};
use crate::entry::Entry;
use crate::space::{Extent, ExtentSet, Place};
use crate::{Ballot, Coding, Head, Key, Kind, WriteId};
use bytes::Bytes;
use std::rc::Rc;

const TOMBSTONE: u16 = 1;
const UNCONDITIONAL: u16 = 2;
const BASE: u16 = 4;
const BASE_IS_ZERO: u16 = 8;
const ORIGIN_IS_BALLOT: u16 = 16;
const WHOLE: u16 = 32;
const MANIFEST: u16 = 64;
pub(super) const BULK: u16 = 128;
const SAME_WRITE_ID: u16 = 256;
pub(super) const SAME_EXTENTS: u16 = 512;
const PAYLOAD_IS_SIZE: u16 = 1024;
const INLINE_WHOLE: u16 = 2048;
const NO_ETAG: u16 = 4096;

/// Appends a ballot.
pub(super) fn put_ballot(bytes: &mut Vec<u8>, ballot: Ballot) {
    bytes.extend_from_slice(&ballot.clock.to_le_bytes());
    put_varint(bytes, u64::from(ballot.node));
    put_varint(bytes, u64::from(ballot.boot));
}

/// Appends a place.
pub(super) fn put_place(bytes: &mut Vec<u8>, place: Place) {
    put_varint(bytes, u64::from(place.segment()));
    put_varint(bytes, u64::from(place.offset()));
}

/// Appends a version; `before` is the one before it in its row.
pub(super) fn put_version(bytes: &mut Vec<u8>, entry: &Entry, before: Option<&Rc<Entry>>) {
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

/// A version read from bytes.
pub(super) struct StoredVersion<'value> {
    pub flags: u16,
    /// Without its metadata, which stays where it lies.
    pub head: Head,
    pub metadata: &'value [u8],
    place: Place,
    total: u32,
    tail_offset: u32,
    payload: u32,
    shard_length: u64,
    pub extents: Vec<Extent>,
}

impl StoredVersion<'_> {
    /// The version as a row in memory has it; `extents` are those of its shard. Nothing is pinned of the value that it was read from.
    pub fn to_entry(&self, key: &Key, extents: Option<Rc<ExtentSet>>) -> Entry {
        let head = Head {
            metadata: Bytes::copy_from_slice(self.metadata),
            ..self.head.clone()
        };
        let mut entry = Entry::restored(key.clone(), head, self.shard_length, extents, self.place);
        (entry.total, entry.tail_offset, entry.payload) = (self.total, self.tail_offset, self.payload);
        entry
    }
}

/// Takes a version off the front of `rest`; `None` when the bytes are none.
pub(super) fn take_version<'value>(rest: &mut &'value [u8], before: Option<&StoredVersion<'_>>) -> Option<StoredVersion<'value>> {
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
    let metadata = take_bytes(rest, length)?;
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
        metadata: Bytes::new(),
        coding,
        slot,
        payload_size,
        inline: !has(BULK),
    };
    Some(StoredVersion {
        flags,
        head,
        metadata,
        place,
        total,
        tail_offset,
        payload,
        shard_length,
        extents,
    })
}

/// Takes the next `N` bytes.
pub(super) fn take_array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(*taken)
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_varint(rest)?).ok()
}

/// Takes a ballot.
pub(super) fn take_ballot(rest: &mut &[u8]) -> Option<Ballot> {
    let clock = u64::from_le_bytes(take_array(rest)?);
    Some(Ballot {
        clock,
        node: take_u32(rest)?,
        boot: take_u32(rest)?,
    })
}

/// Takes a place.
pub(super) fn take_place(rest: &mut &[u8]) -> Option<Place> {
    Some(Place::new(take_u32(rest)?, take_u32(rest)?))
}
