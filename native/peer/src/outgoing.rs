//! What is to leave on one connection: frames of a tick are gathered and leave in one send.
//!
//! Frames without bulk are appended to one growing byte string and go first; frames with bulk follow, a bounded number of bytes per
//! send and only while there is credit (see `credit`), so that a small question never waits behind megabytes. The order of frames means
//! nothing to the protocol.

use crate::codec::{Wire, Writer};
use crate::credit::{Allowance, Credit};
use crate::frame::{FrameError, FrameKind, HEADER_BYTES, Header, MAX_BULK_BYTES, MAX_HEAD_BYTES};
use crate::notify::Notify;
use crate::stream::Stream;
use bytes::Bytes;
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::rc::Rc;

/// Bulk frames join a send until it has this many bytes: enough to amortise a system call, little enough to overtake.
const SEND_BYTES: usize = 1 << 20;

/// A frame with bulk: header and head, then the bulk's pieces.
struct Large {
    parts: Vec<Bytes>,
    bytes: usize,
    bulk_bytes: usize,
}

#[derive(Default)]
struct Queue {
    small: Vec<u8>,
    large: VecDeque<Large>,
}

/// The outgoing half of a connection.
pub struct Outgoing {
    version: u8,
    allowance: Allowance,
    queue: RefCell<Queue>,
    /// Bytes queued or being sent.
    unsent_bytes: Cell<usize>,
    closed: Cell<bool>,
    frames: Cell<u64>,
    sends: Cell<u64>,
    work: Notify,
    /// Woken when bytes have left.
    room: Rc<Notify>,
}

impl Outgoing {
    /// An empty queue of frames of `version`, whose bulk is bounded by `allowance`; `room` is woken whenever bytes have left.
    pub fn new(version: u8, allowance: Allowance, room: Rc<Notify>) -> Outgoing {
        Outgoing {
            version,
            allowance,
            room,
            queue: RefCell::default(),
            unsent_bytes: Cell::default(),
            closed: Cell::default(),
            frames: Cell::default(),
            sends: Cell::default(),
            work: Notify::default(),
        }
    }

    /// The peer granted more.
    pub fn raise(&self, credit: Credit) {
        self.allowance.raise(credit);
        self.work.notify();
    }

    /// Queues one frame; it leaves with everything else queued in this tick. Returns its size in bytes.
    pub fn push(&self, kind: FrameKind, request: u64, message: &impl Wire) -> Result<usize, FrameError> {
        let mut queue = self.queue.borrow_mut();
        let Queue { small, large } = &mut *queue;
        let start = small.len();
        let mut bulk = Vec::new();
        small.resize(start + HEADER_BYTES, 0);
        message.encode(&mut Writer::new(small, &mut bulk));
        let (header, head) = small[start..].split_at_mut(HEADER_BYTES);
        let bulk_bytes: usize = bulk.iter().map(Bytes::len).sum();
        if head.len() > MAX_HEAD_BYTES || bulk_bytes > MAX_BULK_BYTES {
            let error = FrameError::Size {
                head: head.len(),
                bulk: bulk_bytes,
            };
            small.truncate(start);
            return Err(error);
        }
        header.copy_from_slice(&Header::encode(
            self.version,
            kind,
            request,
            head,
            bulk.iter().map(|part| &part[..]),
        ));
        let size = HEADER_BYTES + head.len() + bulk_bytes;
        if !bulk.is_empty() {
            bulk.insert(0, Bytes::copy_from_slice(&small[start..]));
            small.truncate(start);
            large.push_back(Large {
                parts: bulk,
                bytes: size,
                bulk_bytes,
            });
        }
        self.unsent_bytes.set(self.unsent_bytes.get() + size);
        self.frames.set(self.frames.get() + 1);
        drop(queue);
        self.work.notify();
        Ok(size)
    }

    /// Bytes that have not left yet.
    pub fn unsent_bytes(&self) -> usize {
        self.unsent_bytes.get()
    }

    /// Frames queued and sends made so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.frames.get(), self.sends.get())
    }

    /// Ends `run` once everything queued has left that may.
    pub fn close(&self) {
        self.closed.set(true);
        self.work.notify();
    }

    /// The parts of the next send and their bytes.
    fn take(&self) -> (Vec<Bytes>, usize) {
        let mut queue = self.queue.borrow_mut();
        let mut parts = Vec::new();
        let mut bytes = queue.small.len();
        if bytes > 0 {
            // The next batch is likely to be as large as this one.
            let next = Vec::with_capacity(bytes.min(SEND_BYTES));
            parts.push(Bytes::from(std::mem::replace(&mut queue.small, next)));
        }
        // At least one, or many small frames would hold bulk up for ever.
        while self.allowance.allows()
            && let Some(frame) = queue.large.pop_front()
        {
            self.allowance.spend(frame.bulk_bytes);
            parts.extend(frame.parts);
            bytes += frame.bytes;
            if bytes >= SEND_BYTES {
                break;
            }
        }
        (parts, bytes)
    }

    /// Sends what is queued until `close`, or until the connection breaks.
    pub async fn run(&self, runtime: &Runtime, stream: &Stream) -> io::Result<()> {
        loop {
            let work = self.work.wait();
            let (parts, bytes) = self.take();
            if bytes == 0 {
                if self.closed.get() {
                    return Ok(());
                }
                work.await;
                // Every other task that is ready now may add its frames first.
                runtime.yield_now().await;
                continue;
            }
            self.sends.set(self.sends.get() + 1);
            stream.send(parts).await?;
            self.unsent_bytes.set(self.unsent_bytes.get() - bytes);
            self.room.notify();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use openlake_drive::{Answer, Block, ShardBytes, WriteId};

    fn blocks(count: usize, bytes: usize) -> Answer {
        let block = Block {
            bytes: Bytes::from(vec![1; bytes]),
            checksum: 0,
        };
        Answer::Blocks(ShardBytes {
            write_id: WriteId::default(),
            first: 0,
            blocks: vec![Some(block); count],
        })
    }

    #[test]
    fn small_frames_overtake_bulk_and_share_a_part() {
        let outgoing = Outgoing::new(1, Allowance::unbounded(), Rc::default());
        for _ in 0..3 {
            outgoing.push(FrameKind::Answer, 1, &blocks(1, 1 << 20)).expect("it fits");
        }
        for _ in 0..10 {
            outgoing.push(FrameKind::Answer, 2, &Answer::Ack).expect("it fits");
        }
        let (parts, bytes) = outgoing.take();
        assert_eq!(parts[0].len(), 10 * (HEADER_BYTES + 1), "all small frames in one part");
        assert_eq!(parts.len(), 3, "and one of the three with bulk: its head and its block");
        assert_eq!(bytes, parts.iter().map(Bytes::len).sum::<usize>());
        let (rest, _) = outgoing.take();
        assert_eq!(rest.len(), 2);
    }

    #[test]
    fn bulk_waits_for_credit_and_small_frames_do_not() {
        let outgoing = Outgoing::new(1, Allowance::bounded(1), Rc::default());
        for _ in 0..2 {
            outgoing.push(FrameKind::Answer, 1, &blocks(1, 1 << 20)).expect("it fits");
        }
        outgoing.push(FrameKind::Answer, 2, &Answer::Ack).expect("it fits");
        assert_eq!(outgoing.take().0.len(), 3, "the small one, and one with bulk");
        outgoing.push(FrameKind::Answer, 2, &Answer::Ack).expect("it fits");
        assert_eq!(outgoing.take().0.len(), 1, "only the small one");
        outgoing.raise(Credit { granted: 1 << 20 });
        assert_eq!(outgoing.take().1, 0, "all of that is spent");
        outgoing.raise(Credit { granted: (1 << 20) + 1 });
        assert_eq!(outgoing.take().0.len(), 2);
    }

    #[test]
    fn a_frame_that_is_too_large_leaves_no_trace() {
        let outgoing = Outgoing::new(1, Allowance::unbounded(), Rc::default());
        outgoing.push(FrameKind::Answer, 1, &Answer::Ack).expect("it fits");
        let refused = outgoing.push(FrameKind::Answer, 2, &blocks(9, 1 << 20));
        assert!(
            matches!(refused, Err(FrameError::Size { bulk, .. }) if bulk == 9 << 20),
            "{refused:?}"
        );
        let refused = outgoing.push(FrameKind::Answer, 2, &Answer::Failed("x".repeat(MAX_HEAD_BYTES)));
        assert!(refused.is_err());
        assert_eq!(outgoing.unsent_bytes(), HEADER_BYTES + 1);
        assert_eq!(outgoing.take().1, HEADER_BYTES + 1);
    }
}
