//! One direction of a connection: pieces on their way, and bytes that arrived but were not yet received.

use super::random::SimRandom;
use crate::AlignedBuffer;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;

/// Bytes on their way or unread before a sender has to wait: as the kernel's buffers, large enough not to matter to throughput.
pub(crate) const WINDOW_BYTES: usize = 256 * 1024;

/// The largest piece that travels as one.
const PIECE_BYTES: usize = 64 * 1024;

pub(crate) struct Piece {
    pub(crate) bytes: Bytes,
    pub(crate) arrives_at: u64,
    /// The end of the stream comes with it.
    pub(crate) last: bool,
}

#[derive(Default)]
pub(crate) struct Pipe {
    pub(crate) transit: VecDeque<Piece>,
    in_transit: usize,
    arrived: VecDeque<Bytes>,
    unread: usize,
    /// The sender has ended the stream (its last piece may still be on its way).
    pub(crate) finished: bool,
    /// The end has arrived.
    pub(crate) ended: bool,
    /// Since when pieces (or the answers to them) do not get through.
    pub(crate) stalled_since: Option<u64>,
    /// A `Deliver` event is scheduled.
    pub(crate) delivering: bool,
    last_arrival: u64,
}

impl Pipe {
    fn room(&self) -> usize {
        WINDOW_BYTES.saturating_sub(self.in_transit + self.unread)
    }

    /// Whether it is worth sending some of a buffer of `length` bytes now. Filling every byte of room as it appears would cut the
    /// stream into ever smaller pieces (the silly window syndrome, RFC 1122 section 4.2.3.4).
    pub(crate) fn has_room_for(&self, length: usize) -> bool {
        self.room() >= length.min(WINDOW_BYTES / 4)
    }

    pub(crate) fn unread(&self) -> usize {
        self.unread
    }

    /// Cuts the next piece off `bytes`: as much as fits, sometimes less.
    pub(crate) fn cut(&self, bytes: &mut Bytes, random: &mut SimRandom) -> Bytes {
        let most = bytes.len().min(self.room()).min(PIECE_BYTES);
        let length = if random.below(8) == 0 {
            1 + random.below(most as u64) as usize
        } else {
            most
        };
        bytes.split_to(length.min(most))
    }

    /// Sends a piece; it arrives no earlier than `at` and than its predecessors. Returns when it arrives.
    pub(crate) fn push(&mut self, bytes: Bytes, at: u64, last: bool) -> u64 {
        self.last_arrival = self.last_arrival.max(at);
        self.in_transit += bytes.len();
        self.finished |= last;
        self.transit.push_back(Piece {
            bytes,
            arrives_at: self.last_arrival,
            last,
        });
        self.last_arrival
    }

    /// The next piece arrives; returns how many bytes it brought.
    pub(crate) fn arrive(&mut self) -> usize {
        let Some(piece) = self.transit.pop_front() else { return 0 };
        let count = piece.bytes.len();
        self.in_transit -= count;
        self.unread += count;
        if count > 0 {
            self.arrived.push_back(piece.bytes);
        }
        self.ended |= piece.last;
        count
    }

    /// Moves arrived bytes into a buffer: as many as fit, sometimes fewer.
    pub(crate) fn take(&mut self, buffer: &mut AlignedBuffer, random: &mut SimRandom) -> usize {
        let most = self.unread.min(buffer.capacity() - buffer.len());
        let wanted = if random.below(8) == 0 {
            1 + random.below(most as u64) as usize
        } else {
            most
        }
        .min(most);
        let mut left = wanted;
        while left > 0
            && let Some(front) = self.arrived.front_mut()
        {
            let count = buffer.append(&front[..left.min(front.len())]);
            front.advance(count);
            left -= count;
            if front.is_empty() {
                self.arrived.pop_front();
            }
        }
        self.unread -= wanted;
        wanted
    }

    /// Forgets everything: the connection broke.
    pub(crate) fn clear(&mut self) {
        self.transit.clear();
        self.arrived.clear();
        self.in_transit = 0;
        self.unread = 0;
        self.stalled_since = None;
    }
}
