//! The incoming half of a connection: frames out of a stream of bytes.
//!
//! Heads are read in place from one buffer that is used again and again. Bulk gets an aligned buffer of its own, so that it can be
//! kept, or written to a drive, without a copy and without keeping anything else alive.

use crate::frame::{FrameError, HANDSHAKE_VERSION, HEADER_BYTES, Header, MAX_BULK_BYTES, MAX_HEAD_BYTES};
use crate::stream::Stream;
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Runtime};
use std::cell::Cell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

/// The buffer's usual size: many small frames in one receive.
const BUFFER_BYTES: usize = 64 << 10;
/// Room kept behind a head for what is received beyond its bulk's end: a bulk buffer is larger than its bulk by less than this.
const OVERRUN_BYTES: usize = 4096;

/// Why no frame came.
#[derive(Debug)]
pub enum ReceiveError {
    Frame(FrameError),
    Broken(std::io::Error),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Frame(error) => error.fmt(formatter),
            // TLS says itself who ended it, and why.
            ReceiveError::Broken(error) if error.kind() == std::io::ErrorKind::InvalidData => error.fmt(formatter),
            ReceiveError::Broken(error) => write!(formatter, "connection broke: {error}"),
        }
    }
}

impl From<FrameError> for ReceiveError {
    fn from(error: FrameError) -> ReceiveError {
        ReceiveError::Frame(error)
    }
}

impl From<std::io::Error> for ReceiveError {
    fn from(error: std::io::Error) -> ReceiveError {
        ReceiveError::Broken(error)
    }
}

/// A checked frame. Its head stays readable until the next frame is asked for.
pub struct Received {
    pub header: Header,
    pub bulk: Bytes,
    head: Range<usize>,
}

/// Reads frames from a stream.
pub struct Incoming {
    runtime: Runtime,
    stream: Stream,
    buffer: AlignedBuffer,
    /// Bytes of `buffer` that earlier frames used up.
    start: usize,
    version: u8,
    max_head_bytes: usize,
    max_bulk_bytes: usize,
    /// When bytes last came, in nanoseconds of the runtime's clock.
    heard: Rc<Cell<u64>>,
}

impl Incoming {
    /// Reads from `stream` frames of a handshake; those above the limits are refused.
    pub fn new(runtime: &Runtime, stream: &Stream, max_head_bytes: usize, max_bulk_bytes: usize) -> Incoming {
        let buffer = AlignedBuffer::with_capacity(BUFFER_BYTES);
        let heard = Rc::new(Cell::new(runtime.now().0));
        Incoming {
            runtime: runtime.clone(),
            stream: stream.clone(),
            buffer,
            start: 0,
            version: HANDSHAKE_VERSION,
            max_head_bytes,
            max_bulk_bytes,
            heard,
        }
    }

    /// The peer has proven who it is: from now on frames of `version` come, of any size that a frame may have.
    pub fn trust(&mut self, version: u8) {
        self.version = version;
        self.max_head_bytes = MAX_HEAD_BYTES;
        self.max_bulk_bytes = MAX_BULK_BYTES;
    }

    /// The time at which bytes last came, shared.
    pub fn heard(&self) -> Rc<Cell<u64>> {
        self.heard.clone()
    }

    /// The next frame; `None` when the peer closed between two frames.
    pub async fn next(&mut self) -> Result<Option<Received>, ReceiveError> {
        if !self.fill(HEADER_BYTES).await? {
            let left = self.unread();
            return if left == 0 { Ok(None) } else { Err(cut_off(left)) };
        }
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&self.buffer.as_slice()[self.start..self.start + HEADER_BYTES]);
        let header = Header::decode(&bytes, self.version, self.max_head_bytes, self.max_bulk_bytes)?;
        if !self.fill(HEADER_BYTES + header.head_bytes).await? {
            return Err(cut_off(self.unread()));
        }
        let head = self.start + HEADER_BYTES..self.start + HEADER_BYTES + header.head_bytes;
        self.start = head.end;
        let bulk = self.bulk(header.bulk_bytes).await?;
        let received = Received { header, bulk, head };
        header.check(&bytes, self.head(&received), &received.bulk)?;
        Ok(Some(received))
    }

    /// The head of a frame that `next` just returned.
    pub fn head(&self, received: &Received) -> &[u8] {
        self.buffer.as_slice().get(received.head.clone()).unwrap_or_default()
    }

    fn unread(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Receives until `needed` bytes are unread; false when the peer closed before.
    async fn fill(&mut self, needed: usize) -> Result<bool, ReceiveError> {
        while self.unread() < needed {
            self.make_room(needed);
            let buffer = std::mem::replace(&mut self.buffer, AlignedBuffer::with_capacity(0));
            let (buffer, count) = self.stream.receive(buffer).await?;
            self.buffer = buffer;
            self.heard.set(self.runtime.now().0);
            if count == 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves the unread bytes to the start of a buffer that has room for `needed` bytes.
    fn make_room(&mut self, needed: usize) {
        let (start, end) = (self.start, self.buffer.len());
        if start == 0 && self.buffer.capacity() >= needed && self.buffer.capacity() > end {
            return;
        }
        let capacity = BUFFER_BYTES.max((needed + OVERRUN_BYTES).next_multiple_of(OVERRUN_BYTES));
        if self.buffer.capacity() < needed || self.buffer.capacity() > capacity {
            let mut larger = AlignedBuffer::with_capacity(capacity);
            larger.append(&self.buffer.as_slice()[start..end]);
            self.buffer = larger;
        } else {
            self.buffer.as_mut_slice().copy_within(start..end, 0);
            self.buffer.set_len(end - start);
        }
        self.start = 0;
    }

    /// Takes `length` bytes of bulk into a buffer of their own.
    async fn bulk(&mut self, length: usize) -> Result<Bytes, ReceiveError> {
        if length == 0 {
            return Ok(Bytes::new());
        }
        let mut bulk = AlignedBuffer::with_capacity(length);
        let here = self.unread().min(length);
        bulk.append(&self.buffer.as_slice()[self.start..self.start + here]);
        self.start += here;
        while bulk.len() < length {
            let (buffer, count) = self.stream.receive(bulk).await?;
            bulk = buffer;
            self.heard.set(self.runtime.now().0);
            if count == 0 {
                return Err(cut_off(bulk.len()));
            }
        }
        if bulk.len() > length {
            self.give_back(&bulk.as_slice()[length..]);
            bulk.set_len(length);
        }
        Ok(bulk.freeze())
    }

    /// Puts bytes received beyond a bulk's end behind the (used up) buffer, keeping the head that lies in it.
    fn give_back(&mut self, bytes: &[u8]) {
        let end = self.buffer.len();
        if self.buffer.capacity() - end < bytes.len() {
            let mut larger = AlignedBuffer::with_capacity(end + bytes.len());
            larger.append(self.buffer.as_slice());
            self.buffer = larger;
        }
        self.buffer.append(bytes);
    }
}

fn cut_off(bytes: usize) -> ReceiveError {
    ReceiveError::Broken(std::io::Error::new(
        std::io::ErrorKind::UnexpectedEof,
        format!("closed {bytes} bytes into a frame"),
    ))
}

#[cfg(test)]
mod tests;
