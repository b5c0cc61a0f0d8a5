//! Appending: records into the open batch, batches into segments, writes into flight. Pure: no I/O is done here.
//!
//! The owner of the drive is the only writer. Batches are acknowledged in log order, at most four are in flight, and there is no
//! timer: a batch leaves at once when nothing is in flight, otherwise it grows until a completion, so load makes its own groups. A
//! segment is opened only when its predecessor is durable to the end.
//!
//! Records that nobody waits for, the cleaner's copies, never make a batch leave before it is worth a write. Each alone in a page, as they
//! come where every row is read from the device first, they would take as much as what they were copied out of, and be cleaned again.

use super::batch::{OpenBatch, SealedBatch, Seat};
use super::head::Head;
use crate::format::{
    AcceptorState, BATCH_HEADER_BYTES, BATCH_LIMIT_BYTES, BatchKind, DriveSeed, PAGE_BYTES, SEGMENT_OPEN_BYTES, SegmentOpen,
};
use crate::space::Place;
use bytes::Bytes;
use std::collections::VecDeque;
use std::task::Waker;

/// More in flight gains nothing on drives that flush; fewer leaves the device idle between completions.
const IN_FLIGHT_LIMIT: usize = 4;
/// A batch this large leaves beside others; smaller ones wait and grow.
const WORTH_A_WRITE_BYTES: usize = 64 << 10;
/// Closed batches waiting for a write; beyond this the callers wait.
const CLOSED_LIMIT: usize = 4;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Done,
    Error,
}

pub(super) struct InFlight<E> {
    pub batch: SealedBatch<E>,
    pub outcome: Outcome,
}

/// A write to be issued.
pub(crate) struct LogWrite {
    pub sequence: u64,
    pub place: Place,
    pub bytes: Bytes,
}

/// The log's writing end. `E` is what a record does once it is durable.
pub(crate) struct Log<E> {
    pub(super) seed: DriveSeed,
    pub(super) segment_bytes: u32,
    pub(super) limit_bytes: usize,
    /// Behind all closed batches.
    pub(super) head: Head,
    /// Behind all acknowledged batches.
    pub(super) durable_head: Head,
    /// What the next segment's open record will say.
    pub(super) state: AcceptorState,
    pub(super) open: OpenBatch<E>,
    /// Whether the open batch holds something, or is itself, waited for.
    pub(super) hurries: bool,
    pub(super) next_ordinal: u64,
    pub(super) durable_ordinal: u64,
    pub(super) closed: VecDeque<SealedBatch<E>>,
    pub(super) in_flight: VecDeque<InFlight<E>>,
    /// Segments to be named as `next`, in order.
    pub(super) ready: VecDeque<u32>,
    /// A segment ahead that zeros are being written to.
    pub(super) zeroing: Option<u32>,
    pub(super) waiters: VecDeque<(u64, Vec<Waker>)>,
    pub(super) failing: bool,
    pub(super) failed: bool,
    pub(super) expected_bytes: usize,
}

impl<E> Log<E> {
    /// Continues behind `head`; nothing is written until [`Log::roll`].
    pub fn new(seed: DriveSeed, segment_bytes: u32, head: Head, state: AcceptorState) -> Log<E> {
        let limit_bytes = BATCH_LIMIT_BYTES.min(segment_bytes as usize / 2);
        Log {
            seed,
            segment_bytes,
            limit_bytes,
            head,
            durable_head: head,
            state,
            open: OpenBatch::new(1, 0, limit_bytes),
            hurries: false,
            next_ordinal: 2,
            durable_ordinal: 0,
            closed: VecDeque::new(),
            in_flight: VecDeque::new(),
            ready: VecDeque::new(),
            zeroing: None,
            waiters: VecDeque::new(),
            failing: false,
            failed: false,
            expected_bytes: 0,
        }
    }
    /// Most bytes of one record.
    pub fn record_limit_bytes(&self) -> usize {
        self.limit_bytes - BATCH_HEADER_BYTES
    }
    /// Behind all acknowledged batches.
    pub fn durable_head(&self) -> &Head {
        &self.durable_head
    }
    /// Behind all batches, those not durable yet included.
    pub fn head(&self) -> &Head {
        &self.head
    }
    /// Memory of batches that are open or on their way.
    pub fn memory_bytes(&self) -> usize {
        let closed = self.closed.iter().map(|batch| batch.bytes.len());
        let in_flight = self.in_flight.iter().map(|flight| flight.batch.bytes.len());
        self.open.used() + closed.chain(in_flight).sum::<usize>()
    }
    /// Whether the segment in use fills, so that those ahead are worth preparing.
    pub fn is_busy(&self) -> bool {
        self.head.offset > self.segment_bytes / 4
    }
    /// Segments that the log will use next, in order, but for one that it is about to enter.
    pub fn segments_ahead(&self) -> impl Iterator<Item = u32> {
        let far = (self.segment_bytes - self.head.offset) as usize > 2 * self.limit_bytes;
        Some(self.head.next).filter(|_| far).into_iter().chain(self.ready.iter().copied())
    }
    /// Keeps the log out of a segment ahead while zeros are written to it; false when it is not ahead any more.
    pub fn begin_zeroing(&mut self, segment: u32) -> bool {
        let ahead = self.segments_ahead().any(|ahead| ahead == segment);
        self.zeroing = ahead.then_some(segment);
        ahead
    }
    /// The log may enter again.
    pub fn end_zeroing(&mut self) {
        self.zeroing = None;
    }
    /// Ordinal of the last batch that holds a record (or would hold the next one).
    pub fn last_ordinal(&self) -> u64 {
        if self.open.is_empty() {
            self.open.ordinal - 1
        } else {
            self.open.ordinal
        }
    }
    /// Whether everything up to and including a batch is durable; an error once that can no longer happen.
    pub fn is_durable(&self, ordinal: u64) -> Option<Result<(), LogFailed>> {
        if self.durable_ordinal >= ordinal {
            return Some(Ok(()));
        }
        self.failed.then_some(Err(LogFailed))
    }
    /// Wakes `waker` when that changes. What is waited for leaves as soon as it can.
    pub fn wait(&mut self, ordinal: u64, waker: &Waker) {
        self.hurries |= ordinal >= self.open.ordinal;
        match self.waiters.iter_mut().find(|(waited, _)| *waited == ordinal) {
            Some((_, wakers)) => wakers.push(waker.clone()),
            None => self.waiters.push_back((ordinal, vec![waker.clone()])),
        }
    }
    /// Names the segment to follow, where the one that knew it is damaged.
    pub fn set_next(&mut self, segment: u32) {
        self.head.next = segment;
        self.durable_head.next = segment;
    }
    /// Gives a free segment to roll into later.
    pub fn add_ready(&mut self, segment: u32) {
        self.ready.push_back(segment);
    }
    /// Segments to roll into.
    pub fn ready_segments(&self) -> usize {
        self.ready.len()
    }
    /// What later segments' open records say; the caller appends the record of the change itself.
    pub fn set_state(&mut self, state: AcceptorState) {
        self.state = state;
    }
    /// Whether a record of `bytes` can be appended now (a failed log takes none, and says so at once), in the segment in use or, where
    /// it `may_roll`, in the next one.
    pub fn has_room(&self, bytes: usize, may_roll: bool) -> bool {
        if self.failed {
            return true;
        }
        let fits = self.fits_open(bytes) || self.fits_segment(self.head_if_closed(), bytes);
        !self.is_backed_up() && (fits || (may_roll && self.may_roll()))
    }
    /// Whether nothing more can be appended until some writes have ended.
    pub fn is_backed_up(&self) -> bool {
        self.failing || self.closed.len() >= CLOSED_LIMIT
    }
    fn may_roll(&self) -> bool {
        !self.ready.is_empty() && self.zeroing != Some(self.head.next)
    }
    fn fits_open(&self, bytes: usize) -> bool {
        self.open.used() + bytes <= self.limit_bytes.min((self.segment_bytes - self.head.offset) as usize)
    }
    fn fits_segment(&self, offset: u32, bytes: usize) -> bool {
        BATCH_HEADER_BYTES + bytes <= (self.segment_bytes - offset) as usize
    }
    fn head_if_closed(&self) -> u32 {
        let open = if self.open.is_empty() {
            0
        } else {
            self.open.used().next_multiple_of(PAGE_BYTES)
        };
        self.head.offset + open as u32
    }
    /// Appends a record that [`Log::has_room`] allowed, to leave as soon as it can; the ordinal of its batch.
    pub fn append(&mut self, bytes: usize, encode: impl FnOnce(&mut [u8])) -> Result<u64, LogFailed> {
        let ordinal = self.append_patiently(bytes, encode)?;
        self.hurries = true;
        Ok(ordinal)
    }
    /// Appends a record that [`Log::has_room`] allowed and that nobody waits for: it leaves with others that somebody does wait for, in a
    /// batch that is worth a write, or when [`Log::wait`] asks for it.
    pub fn append_patiently(&mut self, bytes: usize, encode: impl FnOnce(&mut [u8])) -> Result<u64, LogFailed> {
        if self.failed || BATCH_HEADER_BYTES + bytes > self.limit_bytes {
            return Err(LogFailed);
        }
        let idle_slots = self.in_flight.len() + self.closed.len() < IN_FLIGHT_LIMIT;
        if idle_slots && !self.failing && self.open.used() >= WORTH_A_WRITE_BYTES {
            // Several writes in flight beat one large one, and those in it need not wait for each other.
            self.close();
        }
        if !self.fits_open(bytes) {
            self.close();
            if !self.fits_segment(self.head.offset, bytes) && !self.roll() {
                return Err(LogFailed);
            }
        }
        self.open.push(bytes, encode);
        Ok(self.open.ordinal)
    }
    /// What the record appended last, of `bytes`, does once durable.
    pub fn set_last_effect(&mut self, bytes: usize, effect: E) {
        self.open.add_effect(bytes, effect);
    }
    /// Whether a record of `bytes` can be appended now without closing a batch that has records; `may_roll` as for [`Log::has_room`].
    pub fn fits_beside(&self, bytes: usize, may_roll: bool) -> bool {
        (self.open.is_empty() || self.fits_open(bytes)) && self.has_room(bytes, may_roll)
    }
    /// Whether the open batch should leave now.
    pub fn should_close(&self) -> bool {
        let is_large = self.open.used() >= WORTH_A_WRITE_BYTES;
        let worth = (self.in_flight.is_empty() && self.hurries) || (self.in_flight.len() < IN_FLIGHT_LIMIT && is_large);
        !self.open.is_empty() && self.closed.is_empty() && !self.failing && !self.failed && worth
    }
    /// Closes the open batch.
    pub fn close(&mut self) {
        if self.open.is_empty() {
            return;
        }
        // The next batch will likely be as large as this one.
        self.expected_bytes = self.open.used();
        let fresh = OpenBatch::new(self.next_ordinal, self.expected_bytes, self.limit_bytes);
        self.next_ordinal += 1;
        let batch = std::mem::replace(&mut self.open, fresh);
        self.hurries = false;
        self.seat(batch, BatchKind::Data, 0);
    }
    pub(super) fn seat(&mut self, batch: OpenBatch<E>, kind: BatchKind, next: u32) {
        let seat = Seat {
            kind,
            place: self.head.place(),
            generation: self.head.generation,
            sequence: self.head.sequence + 1,
            previous: self.head.crc,
            acknowledged: self.durable_head.sequence,
            next,
        };
        let sealed = batch.seal(seat, &self.seed);
        self.head.offset += sealed.bytes.len() as u32;
        self.head.sequence = sealed.sequence;
        self.head.crc = sealed.crc;
        self.closed.push_back(sealed);
    }
    /// Goes on in the next segment; false when no segment is ready to follow that one.
    pub fn roll(&mut self) -> bool {
        let Some(next) = self.ready.pop_front() else { return false };
        let record = SegmentOpen {
            next,
            predecessor: self.head.as_predecessor(),
            state: self.state,
        };
        self.head = Head {
            segment: self.head.next,
            generation: self.head.generation + 1,
            offset: 0,
            next,
            ..self.head
        };
        let mut first = OpenBatch::new(0, 0, PAGE_BYTES);
        first.push(SEGMENT_OPEN_BYTES, |bytes| record.encode(bytes));
        self.seat(first, BatchKind::Open, next);
        true
    }
    /// The next write to issue, if one may be now.
    pub fn next_write(&mut self) -> Option<LogWrite> {
        let front = self.closed.front()?;
        let waits = front.kind == BatchKind::Open && !self.in_flight.is_empty();
        if self.failed || self.failing || waits || self.in_flight.len() >= IN_FLIGHT_LIMIT {
            return None;
        }
        let batch = self.closed.pop_front()?;
        let write = LogWrite {
            sequence: batch.sequence,
            place: batch.place,
            bytes: batch.bytes.clone(),
        };
        self.in_flight.push_back(InFlight {
            batch,
            outcome: Outcome::Pending,
        });
        Some(write)
    }
    /// Whether nothing is open, closed or in flight.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.closed.is_empty() && self.in_flight.is_empty()
    }
}

/// The log takes no more records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogFailed;
