//! Digests of several bodies that arrive at the same time, computed together where the processor can: MD5 in the lanes of one register,
//! SHA-256 of two bodies at once.
//!
//! A stream may lag behind what it was given: its pieces wait until every other stream has some too, so that the kernels work on all of
//! them at once. Nobody waits longer than [`PENDING_BYTES`] of its own or [`ALL_PENDING_BYTES`] of all, and nobody for a slow client.
//! A stream alone is computed at once.

use crate::lane_stream::{BLOCK_BYTES, Stream};
use crate::simd::{md5, sha256};
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A stream lags behind by at most about this much.
const PENDING_BYTES: usize = 1 << 20;
/// And all of them together by this.
const ALL_PENDING_BYTES: usize = 4 << 20;
/// Blocks of each stream that go through one digest before the next one: they stay in the innermost cache meanwhile.
const SLICE_BLOCKS: usize = 32;

/// Where streams meet: one for each thread that reads bodies.
#[derive(Clone, Debug, Default)]
pub struct DigestLanes(Rc<RefCell<Streams>>);

#[derive(Debug, Default)]
struct Streams {
    open: BTreeMap<u64, Stream>,
    next: u64,
    pending_bytes: usize,
}

/// The digests of bytes that arrive in pieces. Dropped without `finish`, it is forgotten.
#[derive(Debug)]
pub struct LaneDigest {
    lanes: DigestLanes,
    id: u64,
}

/// What was computed of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneDigests {
    /// The MD5.
    pub md5: [u8; 16],
    /// The SHA-256, where it was asked for.
    pub sha256: Option<[u8; 32]>,
}

impl DigestLanes {
    /// No streams yet.
    pub fn new() -> DigestLanes {
        DigestLanes::default()
    }
    /// The MD5 of no bytes yet, and their SHA-256 where that is wanted.
    pub fn stream(&self, with_sha256: bool) -> LaneDigest {
        let mut streams = self.0.borrow_mut();
        let id = streams.next;
        streams.next += 1;
        streams.open.insert(id, Stream::new(with_sha256));
        LaneDigest { lanes: self.clone(), id }
    }
}

impl LaneDigest {
    /// Appends `bytes`; they are shared, not copied.
    pub fn push(&mut self, bytes: Bytes) {
        let mut streams = self.lanes.0.borrow_mut();
        if let Some(stream) = streams.open.get_mut(&self.id) {
            let before = stream.pending_bytes();
            stream.push(bytes);
            let added = stream.pending_bytes() - before;
            streams.pending_bytes += added;
        }
        while streams.is_due() {
            streams.pass(self.id);
        }
    }
    /// The digests of all bytes given.
    pub fn finish(self) -> LaneDigests {
        let mut streams = self.lanes.0.borrow_mut();
        while streams.open.get(&self.id).is_some_and(|stream| stream.pending_bytes() > 0) {
            streams.pass(self.id);
        }
        streams.open.remove(&self.id).map(Stream::finish).unwrap_or_default()
    }
}

impl Drop for LaneDigest {
    fn drop(&mut self) {
        let mut streams = self.lanes.0.borrow_mut();
        if let Some(stream) = streams.open.remove(&self.id) {
            streams.pending_bytes -= stream.pending_bytes();
        }
    }
}

/// How many streams at once cost less than one after the other.
fn most_at_once() -> usize {
    match (md5::is_supported(), sha256::is_supported()) {
        (true, _) => md5::LANES,
        (false, true) => 2,
        (false, false) => 1,
    }
}

impl Streams {
    /// Whether waiting for more would gain nothing, or cost too much memory.
    fn is_due(&self) -> bool {
        let full = self.open.len().min(most_at_once());
        let waiting = self.open.values().filter(|stream| stream.pending_bytes() > 0).count();
        waiting > 0
            && (waiting >= full
                || self.pending_bytes > ALL_PENDING_BYTES
                || self.open.values().any(|stream| stream.pending_bytes() > PENDING_BYTES))
    }
    /// Computes the blocks that all waiting streams (at most [`md5::LANES`], `first` among them) have at the front, and takes at least one
    /// piece or block off `first` if it has any.
    fn pass(&mut self, first: u64) {
        let mut waiting: Vec<(&u64, &mut Stream)> = self.open.iter_mut().filter(|(_, stream)| stream.pending_bytes() > 0).collect();
        waiting.sort_by_key(|(id, stream)| (**id != first, std::cmp::Reverse(stream.pending_bytes())));
        waiting.truncate(md5::LANES);
        let mut heads: Vec<(&mut Stream, Bytes)> = Vec::with_capacity(md5::LANES);
        for (_, stream) in waiting {
            if let Some(head) = stream.take_head() {
                heads.push((stream, head));
            }
        }
        let count = heads.iter().map(|(_, head)| head.len() / BLOCK_BYTES).min().unwrap_or(0);
        for from in (0..count).step_by(SLICE_BLOCKS) {
            let to = count.min(from + SLICE_BLOCKS);
            let mut slices: Vec<(&mut Stream, &[[u8; BLOCK_BYTES]])> = heads
                .iter_mut()
                .map(|(stream, head)| (&mut **stream, &head.as_chunks().0[from..to]))
                .collect();
            Stream::compress(&mut slices);
        }
        for (stream, mut head) in heads {
            stream.put_back(head.split_off(count * BLOCK_BYTES));
        }
        self.pending_bytes = self.open.values().map(Stream::pending_bytes).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::md5::digest;
    use crate::sha256;
    use proptest::prelude::*;

    #[test]
    fn nothing_and_a_word() {
        let lanes = DigestLanes::new();
        for with_sha256 in [false, true] {
            for text in ["", "abc"] {
                let mut stream = lanes.stream(with_sha256);
                stream.push(Bytes::from_static(text.as_bytes()));
                let expected = LaneDigests {
                    md5: digest(text.as_bytes()),
                    sha256: with_sha256.then(|| sha256::digest(text.as_bytes())),
                };
                assert_eq!(stream.finish(), expected);
            }
        }
        assert!(lanes.0.borrow().open.is_empty());
    }

    #[test]
    fn no_stream_lags_behind_without_bounds() {
        let lanes = DigestLanes::new();
        let mut streams: Vec<LaneDigest> = (0..40).map(|number| lanes.stream(number % 2 == 0)).collect();
        let piece = Bytes::from(vec![7; 200_000]);
        for round in 0..20 {
            for stream in streams.iter_mut().skip(round % 3) {
                stream.push(piece.clone());
                let held = lanes.0.borrow();
                assert!(held.pending_bytes <= ALL_PENDING_BYTES);
                assert_eq!(held.pending_bytes, held.open.values().map(Stream::pending_bytes).sum::<usize>());
                assert!(held.open.values().all(|stream| stream.pending_bytes() <= PENDING_BYTES));
            }
        }
        drop(streams);
        assert_eq!(lanes.0.borrow().pending_bytes, 0);
    }

    proptest! {
        #[test]
        fn streams_side_by_side_have_the_digests_of_each_alone(
            steps in proptest::collection::vec((0..20usize, 0..5000usize), 1..200),
            wanted: [bool; 20],
            forgotten in 0..20usize,
        ) {
            let lanes = DigestLanes::new();
            let mut streams: Vec<Option<(LaneDigest, Vec<u8>)>> =
                wanted.iter().map(|with_sha256| Some((lanes.stream(*with_sha256), Vec::new()))).collect();
            for (at, (number, length)) in steps.into_iter().enumerate() {
                if at == 50 {
                    streams[forgotten] = None;
                }
                let Some((stream, all)) = &mut streams[number] else { continue };
                let bytes: Vec<u8> = (0..length).map(|index| (index * 31 + number * 7 + at) as u8).collect();
                all.extend_from_slice(&bytes);
                stream.push(bytes.into());
            }
            for (number, entry) in streams.into_iter().enumerate() {
                let Some((stream, all)) = entry else { continue };
                let expected = LaneDigests {
                    md5: digest(&all),
                    sha256: wanted[number].then(|| sha256::digest(&all)),
                };
                prop_assert_eq!(stream.finish(), expected);
            }
        }
    }
}
