//! MD5 of several bodies that arrive at the same time, computed together where the processor can.
//!
//! A stream may lag behind what it was given: its pieces wait until every other stream has some too, so that the kernel works on all of
//! them at once. Nobody waits longer than [`PENDING_BYTES`] of its own or [`ALL_PENDING_BYTES`] of all, and nobody for a slow client.
//! A stream alone is computed at once.

use crate::simd::md5::{BLOCK_BYTES, LANES, compress, is_supported};
use bytes::Bytes;
use md5::block_api::compress as compress_one;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

/// A stream lags behind by at most about this much.
const PENDING_BYTES: usize = 1 << 20;
/// And all of them together by this.
const ALL_PENDING_BYTES: usize = 4 << 20;
/// RFC 1321 section 3.3.
const START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];

/// Where streams meet: one for each thread that reads bodies.
#[derive(Clone, Debug, Default)]
pub struct Md5Lanes(Rc<RefCell<Streams>>);

#[derive(Debug, Default)]
struct Streams {
    open: BTreeMap<u64, Stream>,
    next: u64,
    pending_bytes: usize,
}

/// One body under way.
#[derive(Debug)]
struct Stream {
    state: [u32; 4],
    /// Bytes given.
    length: u64,
    /// Bytes behind the last whole block that was computed.
    partial: Vec<u8>,
    pending: VecDeque<Bytes>,
    pending_bytes: usize,
}

/// An MD5 over bytes that arrive in pieces. Dropped without `finish`, it is forgotten.
#[derive(Debug)]
pub struct LaneMd5 {
    lanes: Md5Lanes,
    id: u64,
}

impl Md5Lanes {
    /// No streams yet.
    pub fn new() -> Md5Lanes {
        Md5Lanes::default()
    }
    /// A digest of no bytes yet.
    pub fn stream(&self) -> LaneMd5 {
        let mut streams = self.0.borrow_mut();
        let id = streams.next;
        streams.next += 1;
        let stream = Stream {
            state: START,
            length: 0,
            partial: Vec::with_capacity(BLOCK_BYTES),
            pending: VecDeque::new(),
            pending_bytes: 0,
        };
        streams.open.insert(id, stream);
        LaneMd5 { lanes: self.clone(), id }
    }
}

impl LaneMd5 {
    /// Appends `bytes`; they are shared, not copied.
    pub fn push(&mut self, bytes: Bytes) {
        let mut streams = self.lanes.0.borrow_mut();
        if let Some(stream) = streams.open.get_mut(&self.id) {
            let before = stream.pending_bytes;
            stream.push(bytes);
            let added = stream.pending_bytes - before;
            streams.pending_bytes += added;
        }
        while streams.is_due() {
            streams.pass(self.id);
        }
    }
    /// The digest of all bytes given.
    pub fn finish(self) -> [u8; 16] {
        let mut streams = self.lanes.0.borrow_mut();
        while streams.open.get(&self.id).is_some_and(|stream| stream.pending_bytes > 0) {
            streams.pass(self.id);
        }
        streams.open.remove(&self.id).map(Stream::finish).unwrap_or_default()
    }
}

impl Drop for LaneMd5 {
    fn drop(&mut self) {
        let mut streams = self.lanes.0.borrow_mut();
        if let Some(stream) = streams.open.remove(&self.id) {
            streams.pending_bytes -= stream.pending_bytes;
        }
    }
}

impl Streams {
    /// Whether waiting for more would gain nothing, or cost too much memory.
    fn is_due(&self) -> bool {
        let full = if is_supported() { self.open.len().min(LANES) } else { 1 };
        let waiting = self.open.values().filter(|stream| stream.pending_bytes > 0).count();
        waiting > 0
            && (waiting >= full
                || self.pending_bytes > ALL_PENDING_BYTES
                || self.open.values().any(|stream| stream.pending_bytes > PENDING_BYTES))
    }
    /// Computes the blocks that all waiting streams (at most [`LANES`], `first` among them) have at the front, and takes at least one
    /// piece or block off `first` if it has any.
    fn pass(&mut self, first: u64) {
        let mut waiting: Vec<(&u64, &mut Stream)> = self.open.iter_mut().filter(|(_, stream)| stream.pending_bytes > 0).collect();
        waiting.sort_by_key(|(id, stream)| (**id != first, std::cmp::Reverse(stream.pending_bytes)));
        waiting.truncate(LANES);
        let mut heads: Vec<(&mut Stream, Bytes)> = Vec::with_capacity(LANES);
        for (_, stream) in waiting {
            if let Some(head) = stream.take_head() {
                heads.push((stream, head));
            }
        }
        let count = heads.iter().map(|(_, head)| head.len() / BLOCK_BYTES).min().unwrap_or(0);
        let mut lanes: Vec<(&mut [u32; 4], &[[u8; BLOCK_BYTES]])> = heads
            .iter_mut()
            .map(|(stream, head)| (&mut stream.state, &head.as_chunks().0[..count]))
            .collect();
        if lanes.len() < 2 || !compress(&mut lanes) {
            for (state, blocks) in lanes {
                compress_one(state, blocks);
            }
        }
        for (stream, mut head) in heads {
            stream.put(head.split_off(count * BLOCK_BYTES), true);
        }
        self.pending_bytes = self.open.values().map(|stream| stream.pending_bytes).sum();
    }
}

impl Stream {
    fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len() as u64;
        self.put(bytes, false);
    }
    /// Bytes at either end of what is pending.
    fn put(&mut self, bytes: Bytes, in_front: bool) {
        self.pending_bytes += bytes.len();
        match in_front {
            _ if bytes.is_empty() => {}
            true => self.pending.push_front(bytes),
            false => self.pending.push_back(bytes),
        }
    }
    /// The piece at the front from a block's start on, at least a block long; what stands before that, or is less, goes into `partial`.
    fn take_head(&mut self) -> Option<Bytes> {
        while let Some(mut head) = self.pending.pop_front() {
            self.pending_bytes -= head.len();
            if !self.partial.is_empty() {
                let missing = (BLOCK_BYTES - self.partial.len()).min(head.len());
                self.partial.extend_from_slice(&head.split_to(missing));
                if let Some(block) = self.partial.first_chunk::<BLOCK_BYTES>() {
                    compress_one(&mut self.state, std::slice::from_ref(block));
                    self.partial.clear();
                }
            }
            if head.len() >= BLOCK_BYTES {
                return Some(head);
            }
            self.partial.extend_from_slice(&head);
        }
        None
    }
    /// The padding of RFC 1321 sections 3.1 and 3.2; nothing is pending.
    fn finish(mut self) -> [u8; 16] {
        let mut last = std::mem::take(&mut self.partial);
        last.push(0x80);
        let padded = (last.len() + 8).next_multiple_of(BLOCK_BYTES);
        last.resize(padded - 8, 0);
        last.extend_from_slice(&self.length.wrapping_mul(8).to_le_bytes());
        compress_one(&mut self.state, last.as_chunks().0);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(self.state) {
            *bytes = word.to_le_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::md5::digest;
    use proptest::prelude::*;

    #[test]
    fn nothing_and_a_word() {
        let lanes = Md5Lanes::new();
        assert_eq!(lanes.stream().finish(), digest(b""));
        let mut stream = lanes.stream();
        stream.push(Bytes::from_static(b"abc"));
        assert_eq!(stream.finish(), digest(b"abc"));
        assert!(lanes.0.borrow().open.is_empty());
    }

    #[test]
    fn no_stream_lags_behind_without_bounds() {
        let lanes = Md5Lanes::new();
        let mut streams: Vec<LaneMd5> = (0..40).map(|_| lanes.stream()).collect();
        let piece = Bytes::from(vec![7; 200_000]);
        for round in 0..20 {
            for stream in streams.iter_mut().skip(round % 3) {
                stream.push(piece.clone());
                let held = lanes.0.borrow();
                assert!(held.pending_bytes <= ALL_PENDING_BYTES);
                assert_eq!(
                    held.pending_bytes,
                    held.open.values().map(|stream| stream.pending_bytes).sum::<usize>()
                );
                assert!(held.open.values().all(|stream| stream.pending_bytes <= PENDING_BYTES));
            }
        }
        drop(streams);
        assert_eq!(lanes.0.borrow().pending_bytes, 0);
    }

    proptest! {
        #[test]
        fn streams_side_by_side_have_the_digests_of_each_alone(
            steps in proptest::collection::vec((0..20usize, 0..3000usize), 1..200),
            forgotten in 0..20usize,
        ) {
            let lanes = Md5Lanes::new();
            let mut streams: Vec<Option<(LaneMd5, Vec<u8>)>> = (0..20).map(|_| Some((lanes.stream(), Vec::new()))).collect();
            for (at, (number, length)) in steps.into_iter().enumerate() {
                if at == 50 {
                    streams[forgotten] = None;
                }
                let Some((stream, all)) = &mut streams[number] else { continue };
                let bytes: Vec<u8> = (0..length).map(|index| (index * 31 + number * 7 + at) as u8).collect();
                all.extend_from_slice(&bytes);
                stream.push(bytes.into());
            }
            for (stream, all) in streams.into_iter().flatten() {
                prop_assert_eq!(stream.finish(), digest(&all));
            }
        }
    }
}
