//! The sending side of a connection: a head and its body in as few sends as possible, the next bytes fetched while these are sent.

use crate::objects::ObjectReader;
use crate::reply::{Content, Reply};
use crate::watch::Watch;
use bytes::Bytes;
use futures_util::future::join;
use openlake_io::{Instant, Runtime, Socket};
use std::collections::VecDeque;
use std::rc::Rc;

/// Bytes of one send: a peer that takes fewer than this in [`crate::input::STALL`] (4.3 KiB/s) is cut off.
const SEND_BYTES: usize = 256 * 1024;

/// Why a reply was not sent whole. Either way the connection cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendError {
    /// The peer is gone or takes nothing.
    Peer,
    /// The object could not be read to its end.
    Content,
}

/// A connection's sending side.
pub(crate) struct Output {
    runtime: Runtime,
    socket: Socket,
    watch: Rc<Watch>,
}

impl Output {
    pub(crate) fn new(runtime: Runtime, socket: Socket, watch: Rc<Watch>) -> Output {
        Output { runtime, socket, watch }
    }

    /// Sends a reply with the connection's own header lines.
    pub(crate) async fn send<R: ObjectReader>(&self, mut reply: Reply<R>, common: &[u8]) -> Result<(), SendError> {
        let head = reply.head(common);
        match reply.content {
            Content::None | Content::Described(_) => self.send_bytes(vec![head]).await,
            Content::Bytes(bytes) if bytes.is_empty() => self.send_bytes(vec![head]).await,
            Content::Bytes(bytes) => self.send_paced(Some(head), vec![bytes]).await,
            Content::Stream { first, reader, length } => self.send_stream(head, first, reader, length).await,
        }
    }

    async fn send_stream<R: ObjectReader>(&self, head: Bytes, first: Bytes, mut reader: R, length: u64) -> Result<(), SendError> {
        let (mut head, mut pieces, mut left) = (Some(head), vec![first], length);
        loop {
            let mut gathered: usize = pieces.iter().map(Bytes::len).sum();
            while gathered < SEND_BYTES
                && let Some(piece) = reader.next_ready()
            {
                gathered += piece.len();
                pieces.push(piece);
            }
            left = left.checked_sub(gathered as u64).ok_or(SendError::Content)?;
            if left == 0 {
                return self.send_paced(head.take(), pieces).await;
            }
            let (sent, next) = join(self.send_paced(head.take(), pieces), reader.next()).await;
            sent?;
            match next {
                Some(Ok(next)) => pieces = vec![next],
                Some(Err(_)) | None => return Err(SendError::Content),
            }
        }
    }

    async fn send_paced(&self, mut head: Option<Bytes>, pieces: Vec<Bytes>) -> Result<(), SendError> {
        let mut pieces = VecDeque::from(pieces);
        while head.is_some() || !pieces.is_empty() {
            let (mut buffers, mut room) = (Vec::from_iter(head.take()), SEND_BYTES);
            while room > 0
                && let Some(piece) = pieces.front_mut()
            {
                let part = piece.split_to(piece.len().min(room));
                room -= part.len();
                buffers.push(part);
                if piece.is_empty() {
                    pieces.pop_front();
                }
            }
            self.send_bytes(buffers).await?;
        }
        Ok(())
    }

    /// Sends buffers as they are.
    pub(crate) async fn send_bytes(&self, buffers: Vec<Bytes>) -> Result<(), SendError> {
        let stall = u64::try_from(crate::input::STALL.as_nanos()).unwrap_or(u64::MAX);
        let deadline = Instant(self.runtime.now().0.saturating_add(stall));
        match self.watch.limit(deadline, self.socket.send(buffers)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SendError::Peer),
        }
    }
}
