//! One body whose digests are computed beside those of others: what of it waits, and how far its digests are.

use crate::lanes::LaneDigests;
use crate::simd::{fused, md5, sha256};
use ::md5::block_api::compress as compress_md5;
use bytes::Bytes;
use sha2::block_api::compress256 as compress_sha256;
use std::collections::VecDeque;

/// Both digests work on blocks of this length.
pub(crate) const BLOCK_BYTES: usize = md5::BLOCK_BYTES;
/// RFC 1321 section 3.3.
const MD5_START: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
/// FIPS 180-4 section 5.3.3.
const SHA256_START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// One body under way.
#[derive(Debug)]
pub(crate) struct Stream {
    md5: [u32; 4],
    /// Where it is wanted.
    sha256: Option<[u32; 8]>,
    /// Bytes given.
    length: u64,
    /// Bytes behind the last whole block that was computed.
    partial: Vec<u8>,
    pending: VecDeque<Bytes>,
    pending_bytes: usize,
}

impl Stream {
    /// No bytes yet.
    pub(crate) fn new(with_sha256: bool) -> Stream {
        Stream {
            md5: MD5_START,
            sha256: with_sha256.then_some(SHA256_START),
            length: 0,
            partial: Vec::with_capacity(2 * BLOCK_BYTES),
            pending: VecDeque::new(),
            pending_bytes: 0,
        }
    }
    /// Bytes that wait.
    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }
    /// Adds bytes behind those that wait.
    pub(crate) fn push(&mut self, bytes: Bytes) {
        self.length += bytes.len() as u64;
        self.pending_bytes += bytes.len();
        if !bytes.is_empty() {
            self.pending.push_back(bytes);
        }
    }
    /// Puts what is left of a head in front again.
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.pending_bytes += bytes.len();
        if !bytes.is_empty() {
            self.pending.push_front(bytes);
        }
    }
    /// The piece at the front from a block's start on, at least a block long; what stands before that, or is less, goes into `partial`.
    pub(crate) fn take_head(&mut self) -> Option<Bytes> {
        while let Some(mut head) = self.pending.pop_front() {
            self.pending_bytes -= head.len();
            if !self.partial.is_empty() {
                let missing = (BLOCK_BYTES - self.partial.len()).min(head.len());
                self.partial.extend_from_slice(&head.split_to(missing));
                if let Some(block) = self.partial.first_chunk::<BLOCK_BYTES>().copied() {
                    self.compress_alone(&[block]);
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
    /// Computes blocks of several streams, all of the same number.
    pub(crate) fn compress(slices: &mut [(&mut Stream, &[[u8; BLOCK_BYTES]])]) {
        if !fused::is_supported() {
            return compress_one_digest_after_the_other(slices);
        }
        let mut both: Vec<fused::Lane<'_>> = Vec::with_capacity(slices.len());
        let mut only_md5 = Vec::with_capacity(slices.len());
        for (stream, blocks) in slices {
            match &mut stream.sha256 {
                Some(sha256) => both.push((&mut stream.md5, sha256, *blocks)),
                None => only_md5.push((&mut stream.md5, *blocks)),
            }
        }
        for lanes in both.chunks_mut(fused::LANES) {
            fused::compress(lanes);
        }
        compress_md5s(only_md5);
    }

    fn compress_alone(&mut self, blocks: &[[u8; BLOCK_BYTES]]) {
        Stream::compress(&mut [(self, blocks)]);
    }
    /// The digests, when nothing waits: padding by RFC 1321 sections 3.1 and 3.2 and FIPS 180-4 section 5.1.1, which differ in the order
    /// of the length's bytes.
    pub(crate) fn finish(mut self) -> LaneDigests {
        let bits = self.length.wrapping_mul(8);
        let mut last = std::mem::take(&mut self.partial);
        last.push(0x80);
        let padded = (last.len() + 8).next_multiple_of(BLOCK_BYTES);
        last.resize(padded - 8, 0);
        let mut for_sha256 = last.clone();
        last.extend_from_slice(&bits.to_le_bytes());
        compress_md5(&mut self.md5, last.as_chunks().0);
        let mut digests = LaneDigests::default();
        for (bytes, word) in digests.md5.as_chunks_mut::<4>().0.iter_mut().zip(self.md5) {
            *bytes = word.to_le_bytes();
        }
        digests.sha256 = self.sha256.map(|mut state| {
            for_sha256.extend_from_slice(&bits.to_be_bytes());
            compress_sha256(&mut state, for_sha256.as_chunks().0);
            let mut digest = [0; 32];
            for (bytes, word) in digest.as_chunks_mut::<4>().0.iter_mut().zip(state) {
                *bytes = word.to_be_bytes();
            }
            digest
        });
        digests
    }
}

fn compress_one_digest_after_the_other(slices: &mut [(&mut Stream, &[[u8; BLOCK_BYTES]])]) {
    compress_md5s(slices.iter_mut().map(|(stream, blocks)| (&mut stream.md5, *blocks)).collect());
    let mut wanted = slices
        .iter_mut()
        .filter_map(|(stream, blocks)| stream.sha256.as_mut().map(|state| (state, *blocks)));
    while let Some((first, blocks)) = wanted.next() {
        let Some((second, others)) = wanted.next() else {
            return compress_sha256(first, blocks);
        };
        if !sha256::compress_pair([first, second], [blocks, others]) {
            compress_sha256(first, blocks);
            compress_sha256(second, others);
        }
    }
}

fn compress_md5s(mut lanes: Vec<(&mut [u32; 4], &[[u8; BLOCK_BYTES]])>) {
    if lanes.len() < 2 || !md5::compress(&mut lanes) {
        for (state, blocks) in lanes {
            compress_md5(state, blocks);
        }
    }
}
