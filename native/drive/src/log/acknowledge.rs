//! What becomes of writes: acknowledged in log order, or, after an error, seated anew in the next segment.

use super::append::{Log, Outcome};
use super::batch::SealedBatch;
use super::head::Head;
use crate::format::BatchKind;
use crate::sabotage::{Sabotage, is_planted};
use std::task::Waker;

impl<E> Log<E> {
    /// Notes that a write ended. Returns the batches acknowledged by it, in order.
    pub fn complete(&mut self, sequence: u64, succeeded: bool) -> Vec<SealedBatch<E>> {
        if let Some(flight) = self.in_flight.iter_mut().find(|flight| flight.batch.sequence == sequence) {
            flight.outcome = if succeeded { Outcome::Done } else { Outcome::Error };
        }
        self.failing |= !succeeded;
        if is_planted(Sabotage::AcknowledgeOutOfOrder)
            && let Some(done) = self.in_flight.iter().rfind(|flight| flight.outcome == Outcome::Done)
        {
            self.durable_ordinal = self.durable_ordinal.max(done.batch.ordinal);
        }
        let mut acknowledged = Vec::new();
        while self.in_flight.front().is_some_and(|flight| flight.outcome == Outcome::Done) {
            let Some(flight) = self.in_flight.pop_front() else { break };
            let batch = flight.batch;
            if batch.kind == BatchKind::Open {
                let (segment, generation) = (batch.place.segment(), self.durable_head.generation + 1);
                self.durable_head = Head {
                    segment,
                    generation,
                    next: batch.next,
                    ..self.durable_head
                };
            }
            self.durable_head.offset = batch.place.offset() + batch.bytes.len() as u32;
            self.durable_head.sequence = batch.sequence;
            self.durable_head.crc = batch.crc;
            self.durable_ordinal = self.durable_ordinal.max(batch.ordinal);
            acknowledged.push(batch);
        }
        acknowledged
    }
    /// Wakes those whose batches are decided; call after the effects of [`Log::complete`] were applied.
    pub fn wake_decided(&mut self) {
        let (durable, failed) = (self.durable_ordinal, self.failed);
        self.waiters.retain_mut(|(ordinal, wakers)| {
            let decided = failed || *ordinal <= durable;
            if decided {
                wakers.drain(..).for_each(Waker::wake);
            }
            !decided
        });
    }
    /// Whether a write failed and no other is under way: time for [`Log::relocate`] or [`Log::fail`].
    pub fn is_stuck(&self) -> bool {
        self.failing && !self.failed && self.zeroing.is_none() && self.in_flight.iter().all(|flight| flight.outcome != Outcome::Pending)
    }
    /// Seals the segment where acknowledged batches end and seats everything behind in the next one. False when that is impossible:
    /// the failed write was the opening of that segment, or no segment is ready.
    pub fn relocate(&mut self) -> bool {
        let opening_failed = self.in_flight.front().is_some_and(|flight| flight.batch.kind == BatchKind::Open);
        if opening_failed {
            return false;
        }
        let behind: Vec<SealedBatch<E>> = self
            .in_flight
            .drain(..)
            .map(|flight| flight.batch)
            .chain(self.closed.drain(..))
            .collect();
        for batch in behind.iter().rev().filter(|batch| batch.kind == BatchKind::Open) {
            self.ready.push_front(batch.next);
        }
        self.head = self.durable_head;
        self.failing = false;
        if !self.roll() {
            return false;
        }
        for batch in behind.into_iter().filter(|batch| batch.kind == BatchKind::Data) {
            if batch.bytes.len() > (self.segment_bytes - self.head.offset) as usize && !self.roll() {
                return false;
            }
            self.seat(batch.reopen(), BatchKind::Data, 0);
        }
        self.open.used() <= (self.segment_bytes - self.head.offset) as usize || self.roll()
    }
    /// Ends the log: nothing more is acknowledged.
    pub fn fail(&mut self) {
        self.failed = true;
        self.wake_decided();
    }
}
