//! The batch under construction: records are encoded straight into the aligned memory that will be written.

use crate::format::{BATCH_HEADER_BYTES, BatchHeader, BatchKind, DriveSeed, round_to_page};
use crate::space::Place;
use bytes::Bytes;
use openlake_io::AlignedBuffer;

/// First size of the memory: some small records fit.
const FIRST_BYTES: usize = 16 << 10;

/// Records gathered for one write, and what they do once it is durable (`E`, with the record's offset in the batch).
pub(crate) struct OpenBatch<E> {
    buffer: AlignedBuffer,
    records: u32,
    effects: Vec<(u32, E)>,
    /// Number of this batch in memory; unlike its sequence it never changes. 0: holds nothing that anyone waits for.
    pub ordinal: u64,
}

/// A batch that is ready to be written, is being written, or was.
pub(crate) struct SealedBatch<E> {
    pub ordinal: u64,
    pub kind: BatchKind,
    pub place: Place,
    pub generation: u64,
    pub sequence: u64,
    pub crc: u64,
    pub bytes: Bytes,
    pub records: u32,
    pub used: u32,
    pub effects: Vec<(u32, E)>,
    /// For a batch of kind open: the segment that its record names as next.
    pub next: u32,
}

/// Where and in which order a batch will lie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    pub kind: BatchKind,
    pub place: Place,
    pub generation: u64,
    pub sequence: u64,
    pub previous: u64,
    pub acknowledged: u64,
    pub next: u32,
}

impl<E> OpenBatch<E> {
    /// An empty batch; `expected_bytes` is a guess from those before.
    pub fn new(ordinal: u64, expected_bytes: usize, limit_bytes: usize) -> OpenBatch<E> {
        let capacity = expected_bytes.clamp(FIRST_BYTES.min(limit_bytes), limit_bytes);
        let mut buffer = AlignedBuffer::with_stale_capacity(round_to_page(capacity));
        buffer.extend_zeroed(BATCH_HEADER_BYTES);
        OpenBatch {
            buffer,
            records: 0,
            effects: Vec::new(),
            ordinal,
        }
    }
    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.records == 0
    }
    /// Bytes of header and records so far.
    pub fn used(&self) -> usize {
        self.buffer.len()
    }
    /// Adds a record of `length` bytes (a multiple of 8), which `encode` writes into zeroed memory.
    pub fn push(&mut self, length: usize, encode: impl FnOnce(&mut [u8])) {
        let start = self.buffer.len();
        let end = start + length;
        if end > self.buffer.capacity() {
            let mut larger = AlignedBuffer::with_stale_capacity(round_to_page(end.max(self.buffer.capacity() * 2)));
            larger.append(self.buffer.as_slice());
            self.buffer = larger;
        }
        self.buffer.extend_zeroed(length);
        encode(&mut self.buffer.as_mut_slice()[start..]);
        self.records += 1;
    }
    /// What the record pushed last, of `length` bytes, does once the batch is durable.
    pub fn add_effect(&mut self, length: usize, effect: E) {
        self.effects.push(((self.buffer.len() - length) as u32, effect));
    }
    /// Closes the batch for its place.
    pub fn seal(mut self, seat: Seat, seed: &DriveSeed) -> SealedBatch<E> {
        let used = self.buffer.len();
        self.buffer.extend_zeroed(round_to_page(used) - used);
        let length = self.buffer.len() as u32;
        let header = BatchHeader {
            kind: seat.kind,
            segment: seat.place.segment(),
            records: self.records,
            generation: seat.generation,
            sequence: seat.sequence,
            length,
            used: used as u32,
            previous: seat.previous,
            acknowledged: seat.acknowledged,
        };
        let crc = header.seal(self.buffer.as_mut_slice(), seat.place, seed);
        SealedBatch {
            ordinal: self.ordinal,
            kind: seat.kind,
            place: seat.place,
            generation: seat.generation,
            sequence: seat.sequence,
            crc,
            bytes: self.buffer.freeze(),
            records: self.records,
            used: used as u32,
            effects: self.effects,
            next: seat.next,
        }
    }
}

impl<E> SealedBatch<E> {
    /// The same records, to be written elsewhere.
    pub fn reopen(self) -> OpenBatch<E> {
        let mut buffer = AlignedBuffer::with_stale_capacity(self.bytes.len());
        buffer.append(&self.bytes[..self.used as usize]);
        OpenBatch {
            buffer,
            records: self.records,
            effects: self.effects,
            ordinal: self.ordinal,
        }
    }
}
