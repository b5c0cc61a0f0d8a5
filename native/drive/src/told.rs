//! What a drive tells of a key, as bytes: the form in which heads and states travel, and lie in the pages of scans.
//!
//! A list looks at a thousand keys of two drives and needs a few fields of each. So the bytes are looked through where they lie, and a
//! value is made only of what somebody keeps. Their drawing stands in `peer/src/codec/state.rs`; numbers are little-endian.

use crate::{Ballot, Coding, Head, KeyState, Kind, WriteId};
use bytes::Bytes;

const TOMBSTONE: u8 = 1;
const UNCONDITIONAL: u8 = 2;
const WHOLE: u8 = 1;
const MANIFEST: u8 = 2;
/// The highest byte of flags, of a version and of its coding.
const ALL_FLAGS: u8 = 3;

const BALLOT_BYTES: usize = 16;
/// Ballot, write id, origin.
const NUMBERS_BYTES: usize = 48;
/// Flags, size, ETag, parts.
const SIZES_BYTES: usize = 27;
/// Coding, slot, payload size, inline.
const SHARD_BYTES: usize = 14;

/// The fewest bytes of a head.
pub const HEAD_MIN_BYTES: usize = NUMBERS_BYTES + 1 + SIZES_BYTES + 4 + SHARD_BYTES;
/// The fewest bytes of a state.
pub const STATE_MIN_BYTES: usize = 4 + 1 + 1 + BALLOT_BYTES;

fn put_ballot(bytes: &mut Vec<u8>, ballot: Ballot) {
    bytes.extend_from_slice(&ballot.clock.to_le_bytes());
    bytes.extend_from_slice(&ballot.node.to_le_bytes());
    bytes.extend_from_slice(&ballot.boot.to_le_bytes());
}

fn put_option(bytes: &mut Vec<u8>, ballot: Option<Ballot>) {
    bytes.push(u8::from(ballot.is_some()));
    if let Some(ballot) = ballot {
        put_ballot(bytes, ballot);
    }
}

/// Appends a head with `metadata` instead of its own.
pub(crate) fn put_head_with(bytes: &mut Vec<u8>, head: &Head, metadata: &[u8]) {
    put_ballot(bytes, head.ballot);
    bytes.extend_from_slice(&head.write_id.0);
    put_ballot(bytes, head.origin);
    put_option(bytes, head.base);
    let tombstone = if head.kind == Kind::Tombstone { TOMBSTONE } else { 0 };
    bytes.push(tombstone | if head.unconditional { UNCONDITIONAL } else { 0 });
    bytes.extend_from_slice(&head.size.to_le_bytes());
    bytes.extend_from_slice(&head.etag);
    bytes.extend_from_slice(&head.etag_parts.to_le_bytes());
    bytes.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
    bytes.extend_from_slice(metadata);
    let Coding {
        data,
        parity,
        block_shift,
        whole,
        manifest,
    } = head.coding;
    let flags = if whole { WHOLE } else { 0 } | if manifest { MANIFEST } else { 0 };
    bytes.extend_from_slice(&[data, parity, block_shift, flags, head.slot]);
    bytes.extend_from_slice(&head.payload_size.to_le_bytes());
    bytes.push(u8::from(head.inline));
}

/// Appends a head.
pub fn put_head(bytes: &mut Vec<u8>, head: &Head) {
    put_head_with(bytes, head, &head.metadata);
}

/// Appends how many heads a state begins with; they follow, newest first.
pub(crate) fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&(count as u32).to_le_bytes());
}

/// Appends what a state has behind its heads.
pub(crate) fn put_state_end(bytes: &mut Vec<u8>, stable: Option<Ballot>, dirty: Option<Ballot>, floor: Ballot) {
    put_option(bytes, stable);
    put_option(bytes, dirty);
    put_ballot(bytes, floor);
}

/// Appends a state.
pub fn put_state(bytes: &mut Vec<u8>, state: &KeyState) {
    put_count(bytes, state.records.len());
    state.records.iter().for_each(|head| put_head(bytes, head));
    put_state_end(bytes, state.stable, state.dirty, state.floor);
}

/// A head where it lies.
#[derive(Clone, Copy, Debug)]
pub struct HeadView<'page> {
    numbers: &'page [u8; NUMBERS_BYTES],
    base: Option<&'page [u8; BALLOT_BYTES]>,
    sizes: &'page [u8; SIZES_BYTES],
    metadata: &'page [u8],
    shard: &'page [u8; SHARD_BYTES],
}

impl<'page> HeadView<'page> {
    pub fn ballot(&self) -> Ballot {
        let (numbers, _) = self.numbers.as_chunks::<BALLOT_BYTES>();
        to_ballot(&numbers[0])
    }
    pub fn kind(&self) -> Kind {
        if self.sizes[0] & TOMBSTONE != 0 {
            Kind::Tombstone
        } else {
            Kind::Data
        }
    }
    /// Its metadata.
    pub fn metadata(&self) -> &'page [u8] {
        self.metadata
    }
    /// The whole head; `metadata` is kept as its own.
    pub fn to_head(&self, metadata: Bytes) -> Head {
        let (numbers, _) = self.numbers.as_chunks::<BALLOT_BYTES>();
        let sizes = self.sizes;
        let [data, parity, block_shift, flags, slot, payload_size @ .., inline] = *self.shard;
        Head {
            ballot: to_ballot(&numbers[0]),
            write_id: WriteId(numbers[1]),
            origin: to_ballot(&numbers[2]),
            base: self.base.map(to_ballot),
            kind: self.kind(),
            unconditional: sizes[0] & UNCONDITIONAL != 0,
            size: u64::from_le_bytes(std::array::from_fn(|at| sizes[1 + at])),
            etag: std::array::from_fn(|at| sizes[9 + at]),
            etag_parts: u16::from_le_bytes([sizes[25], sizes[26]]),
            metadata,
            coding: Coding {
                data,
                parity,
                block_shift,
                whole: flags & WHOLE != 0,
                manifest: flags & MANIFEST != 0,
            },
            slot,
            payload_size: u64::from_le_bytes(payload_size),
            inline: inline != 0,
        }
    }
}

/// A state where it lies.
#[derive(Clone, Copy, Debug)]
pub struct StateView<'page> {
    count: usize,
    /// The first head, which is the newest, and the bytes of the others.
    newest: Option<HeadView<'page>>,
    older: &'page [u8],
    pub stable: Option<Ballot>,
    pub dirty: Option<Ballot>,
    pub floor: Ballot,
}

impl<'page> StateView<'page> {
    /// Number of heads.
    pub fn count(&self) -> usize {
        self.count
    }
    /// The newest head.
    pub fn newest(&self) -> Option<HeadView<'page>> {
        self.newest
    }
    /// All heads, newest first.
    pub fn heads(&self) -> impl Iterator<Item = HeadView<'page>> {
        let mut older = self.older;
        self.newest.into_iter().chain(std::iter::from_fn(move || take_head(&mut older)))
    }
    /// The whole state; `keep` makes what is kept of each head's metadata.
    pub fn to_state(&self, keep: impl Fn(&'page [u8]) -> Bytes) -> KeyState {
        KeyState {
            records: self.heads().map(|head| head.to_head(keep(head.metadata))).collect(),
            stable: self.stable,
            dirty: self.dirty,
            floor: self.floor,
        }
    }
}

fn to_ballot(bytes: &[u8; BALLOT_BYTES]) -> Ballot {
    let number = u128::from_le_bytes(*bytes);
    Ballot {
        clock: number as u64,
        node: (number >> 64) as u32,
        boot: (number >> 96) as u32,
    }
}

pub(crate) fn take_array<'page, const N: usize>(rest: &mut &'page [u8]) -> Option<&'page [u8; N]> {
    let (taken, behind) = rest.split_first_chunk::<N>()?;
    *rest = behind;
    Some(taken)
}

/// Takes a length and so many bytes.
pub(crate) fn take_bytes<'page>(rest: &mut &'page [u8]) -> Option<&'page [u8]> {
    let length = u32::from_le_bytes(*take_array(rest)?) as usize;
    let (taken, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Some(taken)
}

fn take_option<'page>(rest: &mut &'page [u8]) -> Option<Option<&'page [u8; BALLOT_BYTES]>> {
    match take_array(rest)? {
        [0] => Some(None),
        [1] => take_array(rest).map(Some),
        _ => None,
    }
}

/// Takes a head off the front of `rest`; `None` when the bytes are none.
pub fn take_head<'page>(rest: &mut &'page [u8]) -> Option<HeadView<'page>> {
    let view = HeadView {
        numbers: take_array(rest)?,
        base: take_option(rest)?,
        sizes: take_array(rest)?,
        metadata: take_bytes(rest)?,
        shard: take_array(rest)?,
    };
    let [_, _, _, flags, .., inline] = *view.shard;
    (view.sizes[0] <= ALL_FLAGS && flags <= ALL_FLAGS && inline <= 1).then_some(view)
}

/// Takes a state off the front of `rest`; `None` when the bytes are none.
pub fn take_state<'page>(rest: &mut &'page [u8]) -> Option<StateView<'page>> {
    let count = u32::from_le_bytes(*take_array(rest)?) as usize;
    let newest = if count > 0 { Some(take_head(rest)?) } else { None };
    let start = *rest;
    for _ in 1..count {
        take_head(rest)?;
    }
    let older = start.get(..start.len() - rest.len())?;
    Some(StateView {
        count,
        newest,
        older,
        stable: take_option(rest)?.map(to_ballot),
        dirty: take_option(rest)?.map(to_ballot),
        floor: to_ballot(take_array(rest)?),
    })
}
