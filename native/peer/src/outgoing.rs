//! What is to leave on one connection: frames of a tick are gathered and leave in one send.
//!
//! Heads are appended to one growing byte string; bulk is shared. While a send is under way the next batch gathers, so a busy link
//! makes its own batches.

use crate::codec::{Wire, Writer};
use crate::frame::{FrameError, FrameKind, HEADER_BYTES, Header, MAX_BULK_BYTES, MAX_HEAD_BYTES};
use crate::notify::Notify;
use bytes::Bytes;
use openlake_io::{Runtime, Socket};
use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;

/// Parts of one send at most; below the kernel's limit of 1024.
const MAX_SEND_PARTS: usize = 512;

#[derive(Default)]
struct Queue {
    /// Whole parts, then what `open` will become.
    parts: Vec<Bytes>,
    open: Vec<u8>,
    bulk: Vec<Bytes>,
}

/// The outgoing half of a connection.
#[derive(Default)]
pub struct Outgoing {
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
    /// An empty queue; `room` is woken whenever bytes have left.
    pub fn new(room: Rc<Notify>) -> Outgoing {
        Outgoing { room, ..Outgoing::default() }
    }

    /// Queues one frame; it leaves with everything else queued in this tick. Returns its size in bytes.
    pub fn push(&self, kind: FrameKind, request: u64, message: &impl Wire) -> Result<usize, FrameError> {
        let mut queue = self.queue.borrow_mut();
        let Queue { parts, open, bulk } = &mut *queue;
        let start = open.len();
        open.resize(start + HEADER_BYTES, 0);
        message.encode(&mut Writer::new(open, bulk));
        let (header, head) = open[start..].split_at_mut(HEADER_BYTES);
        let bulk_bytes: usize = bulk.iter().map(Bytes::len).sum();
        if head.len() > MAX_HEAD_BYTES || bulk_bytes > MAX_BULK_BYTES {
            let error = FrameError::Size { head: head.len(), bulk: bulk_bytes };
            open.truncate(start);
            bulk.clear();
            return Err(error);
        }
        header.copy_from_slice(&Header::encode(kind, request, head, bulk.iter().map(|part| &part[..])));
        let size = HEADER_BYTES + head.len() + bulk_bytes;
        if !bulk.is_empty() {
            parts.push(Bytes::from(std::mem::take(open)));
            parts.append(bulk);
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

    /// Ends `run` once everything queued has left.
    pub fn close(&self) {
        self.closed.set(true);
        self.work.notify();
    }

    fn take(&self) -> Vec<Bytes> {
        let mut queue = self.queue.borrow_mut();
        if !queue.open.is_empty() {
            let open = Bytes::from(std::mem::take(&mut queue.open));
            queue.parts.push(open);
        }
        if queue.parts.len() > MAX_SEND_PARTS {
            let rest = queue.parts.split_off(MAX_SEND_PARTS);
            return std::mem::replace(&mut queue.parts, rest);
        }
        std::mem::take(&mut queue.parts)
    }

    /// Sends what is queued until `close`, or until the connection breaks.
    pub async fn run(&self, runtime: &Runtime, socket: &Socket) -> io::Result<()> {
        loop {
            let work = self.work.wait();
            if self.unsent_bytes.get() == 0 {
                if self.closed.get() {
                    return Ok(());
                }
                work.await;
                // Every other task that is ready now may add its frames first.
                runtime.yield_now().await;
            }
            let parts = self.take();
            let size: usize = parts.iter().map(Bytes::len).sum();
            if size == 0 {
                continue;
            }
            self.sends.set(self.sends.get() + 1);
            socket.send(parts).await?;
            self.unsent_bytes.set(self.unsent_bytes.get() - size);
            self.room.notify();
        }
    }
}
