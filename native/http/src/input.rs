//! The receiving side of a connection: heads, then the bytes of bodies, in the order in which they arrive.
//!
//! Heads are read into one small buffer that the connection keeps. What a body brings behind its head's fragment is received straight
//! into aligned buffers of its own and passed on without a copy. Bytes behind the body (pipelining) stay in the small buffer, and
//! nothing more is received until it is their turn.

use crate::chunked::{ChunkDecoder, Event, Malformed};
use crate::head::{Framing, HEAD_BYTES, HeadError, Scan};
use crate::held::Held;
use crate::watch::Watch;
use bytes::Bytes;
use openlake_io::{AlignedBuffer, Instant, Runtime, Socket};
use std::rc::Rc;
use std::time::Duration;

/// Bytes of body received into one buffer: a stripe of the smallest sets, which the store then need not put together.
const PIECE_BYTES: u64 = 256 * 1024;
/// A body of which no further piece ([`PIECE_BYTES`], or what was sent of a chunked one) arrives within this time ends the connection.
/// So 4.4 KB/s is the slowest upload, and a client that trickles single bytes cannot hold a buffer for long.
pub(crate) const STALL: Duration = Duration::from_secs(60);
/// How much a peer may still send while the last reply is on its way to it.
const LINGER_BYTES: u64 = 16 * 1024 * 1024;
/// The interim reply that asks for the body.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// Why no (further) request came.
#[derive(Debug)]
pub(crate) enum HeadEnd {
    /// The peer closed, or was idle for too long: nothing to answer.
    Quiet,
    /// A head did not arrive in time.
    Slow,
    Bad(HeadError),
}

/// Why a body ended early.
#[derive(Debug)]
pub(crate) enum BodyEnd {
    /// The peer closed or the connection broke.
    Broken,
    Stalled,
    Malformed(Malformed),
}

/// What is left of the current body.
enum BodyState {
    Length(u64),
    Chunked(ChunkDecoder),
    Done,
    /// Reading failed; where the next request starts is unknown.
    Failed,
}

/// A connection's receiving side.
pub(crate) struct Input {
    runtime: Runtime,
    socket: Socket,
    watch: Rc<Watch>,
    held: Held,
    body: BodyState,
    /// A read of the body is under way, or its future was dropped and took bytes along: then the rest cannot be read any more.
    reading: bool,
    owes_continue: bool,
    /// Body bytes read so far for the current request, without HTTP's own chunks.
    pub body_bytes: u64,
}

impl Input {
    pub(crate) fn new(runtime: Runtime, socket: Socket, watch: Rc<Watch>) -> Input {
        Input {
            runtime,
            socket,
            watch,
            held: Held::new(),
            body: BodyState::Done,
            reading: false,
            owes_continue: false,
            body_bytes: 0,
        }
    }

    /// The next head, copied into `head`. `idle` limits the wait for its first byte, `arrival` the time from there to its end.
    pub(crate) async fn read_head(&mut self, head: &mut Vec<u8>, idle: Duration, arrival: Duration) -> Result<(), HeadEnd> {
        let mut deadline = self.after(idle);
        let mut waiting = true;
        let mut scan = Scan::default();
        loop {
            // RFC 9112 section 2.2: empty lines in front of a request are skipped.
            while scan.is_fresh() && self.held.unread().starts_with(b"\r\n") {
                self.held.skip(2);
            }
            if let Some(end) = scan.find_end(self.held.unread()).map_err(HeadEnd::Bad)? {
                if end > HEAD_BYTES {
                    return Err(HeadEnd::Bad(HeadError::TOO_LARGE));
                }
                head.clear();
                head.extend_from_slice(self.held.unread().get(..end).unwrap_or_default());
                self.held.skip(end);
                return Ok(());
            }
            if self.held.unread().len() >= HEAD_BYTES {
                return Err(HeadEnd::Bad(HeadError::TOO_LARGE));
            }
            if waiting && !self.held.unread().is_empty() {
                waiting = false;
                deadline = self.after(arrival);
            }
            let receive = self.socket.receive(self.held.lend());
            let received = if waiting {
                self.watch.limit_idle(deadline, receive).await
            } else {
                self.watch.limit(deadline, receive).await
            };
            match received {
                Ok(Ok((buffer, length))) => {
                    self.held.restore(buffer);
                    if length == 0 {
                        return Err(HeadEnd::Quiet);
                    }
                }
                Ok(Err(_)) => return Err(HeadEnd::Quiet),
                Err(_) => return Err(if waiting { HeadEnd::Quiet } else { HeadEnd::Slow }),
            }
        }
    }

    /// Announces the body that follows the head just read.
    pub(crate) fn begin_body(&mut self, framing: Framing, expects_continue: bool) {
        self.body_bytes = 0;
        self.owes_continue = expects_continue;
        self.body = match framing {
            Framing::None | Framing::Length(0) => BodyState::Done,
            Framing::Length(length) => BodyState::Length(length),
            Framing::Chunked => BodyState::Chunked(ChunkDecoder::new()),
        };
    }

    /// The next bytes of the body without HTTP's own chunks; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, BodyEnd> {
        if std::mem::replace(&mut self.reading, true) {
            self.body = BodyState::Failed;
        }
        let result = self.next_piece().await;
        self.reading = false;
        match &result {
            Ok(Some(piece)) => self.body_bytes += piece.len() as u64,
            Ok(None) => {}
            Err(_) => self.body = BodyState::Failed,
        }
        result
    }

    /// Whether the body was read to its end.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.body, BodyState::Done) && !self.reading
    }

    /// Whether the rest of the body is at most `limit` bytes and already on its way, so that reading it is the cheapest way on.
    pub(crate) fn is_drainable(&self, limit: u64) -> bool {
        match self.body {
            _ if self.reading => false,
            BodyState::Done => true,
            BodyState::Length(left) => left <= limit && !self.owes_continue,
            BodyState::Chunked(_) | BodyState::Failed => false,
        }
    }

    /// Reads and drops what comes until the body ends, the peer closes, 16 MiB came or `time` is over: so that the peer gets to read the
    /// reply before the close, which would otherwise cut it off with a reset.
    pub(crate) async fn linger(&mut self, time: Duration) {
        let deadline = self.after(time);
        let limit = match self.body {
            BodyState::Length(left) => left.min(LINGER_BYTES),
            _ => LINGER_BYTES,
        };
        let mut dropped = self.held.unread().len() as u64;
        while dropped < limit {
            let buffer = AlignedBuffer::with_capacity(64 * 1024);
            match self.watch.limit(deadline, self.socket.receive(buffer)).await {
                Ok(Ok((_, length))) if length > 0 => dropped += length as u64,
                _ => return,
            }
        }
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, BodyEnd> {
        let wanted = matches!(self.body, BodyState::Length(_) | BodyState::Chunked(_));
        if wanted && std::mem::take(&mut self.owes_continue) && self.held.unread().is_empty() {
            let deadline = self.after(STALL);
            let send = self.socket.send(vec![Bytes::from_static(CONTINUE)]);
            self.watch
                .limit(deadline, send)
                .await
                .map_err(|_| BodyEnd::Stalled)?
                .map_err(|_| BodyEnd::Broken)?;
        }
        match &self.body {
            BodyState::Length(left) => {
                let left = *left;
                let piece = self.receive_piece(left, true).await?;
                let left = left - piece.len() as u64;
                self.body = if left == 0 { BodyState::Done } else { BodyState::Length(left) };
                Ok(Some(piece))
            }
            BodyState::Chunked(_) => self.next_chunk().await,
            BodyState::Done => Ok(None),
            BodyState::Failed => Err(BodyEnd::Broken),
        }
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, BodyEnd> {
        loop {
            let mut piece = match self.held.unread().is_empty() {
                true => self.receive_piece(PIECE_BYTES, false).await?,
                false => self.held.take(PIECE_BYTES),
            };
            let BodyState::Chunked(decoder) = &mut self.body else {
                return Err(BodyEnd::Broken);
            };
            let data = loop {
                match decoder.next(&mut piece).map_err(BodyEnd::Malformed)? {
                    Event::Data(data) => break Some(data),
                    Event::Starved => break None,
                    Event::End => {
                        self.body = BodyState::Done;
                        break None;
                    }
                    Event::Chunk { .. } | Event::ChunkEnd | Event::Trailer(_) => {}
                }
            };
            self.held.give_back(&piece);
            if data.is_some() || matches!(self.body, BodyState::Done) {
                return Ok(data);
            }
        }
    }

    /// 1 to `want` bytes. `fill`: so many will come, wait until a whole piece is there.
    async fn receive_piece(&mut self, want: u64, fill: bool) -> Result<Bytes, BodyEnd> {
        let want = want.min(PIECE_BYTES);
        let held = self.held.unread().len();
        if held > 0 && (!fill || held as u64 >= want) {
            return Ok(self.held.take(want));
        }
        let want = want as usize;
        let mut buffer = AlignedBuffer::with_stale_capacity(want);
        buffer.append(self.held.unread());
        self.held.skip(held);
        let deadline = self.after(STALL);
        while buffer.is_empty() || fill && buffer.len() < want {
            let received = self
                .watch
                .limit(deadline, self.socket.receive(buffer))
                .await
                .map_err(|_| BodyEnd::Stalled)?;
            let (received, length) = received.map_err(|_| BodyEnd::Broken)?;
            if length == 0 {
                return Err(BodyEnd::Broken);
            }
            buffer = received;
        }
        let mut piece = buffer.freeze();
        let surplus = piece.split_off(want.min(piece.len()));
        self.held.give_back(&surplus);
        Ok(piece)
    }

    fn after(&self, duration: Duration) -> Instant {
        Instant(
            self.runtime
                .now()
                .0
                .saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)),
        )
    }
}
