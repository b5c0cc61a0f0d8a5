//! A connection as everything above sees it: a stream of plain bytes, with or without TLS beneath.
//!
//! Who listens takes both and tells them apart by the first byte: a TLS handshake begins with 22, a frame with 0x4f. What does not fit
//! this node's configuration is answered in a form that the other side can read, so that both sides show what is wrong.

use crate::handshake::{Credentials, describe_stranger, refuse_stranger, said_instead};
use crate::tls::{Channel, NoSession, PeerTls, Session};
use bytes::{Buf, Bytes};
use openlake_io::{ALIGNMENT_BYTES, AlignedBuffer, Runtime, Socket};
use std::cell::RefCell;
use std::io;
use std::net::IpAddr;
use std::rc::Rc;

const TLS_HANDSHAKE: u8 = 22;

/// A connected stream. A cheap handle; closed with the last one. One receive and one send may be under way at a time.
#[derive(Clone)]
pub struct Stream {
    socket: Socket,
    way: Rc<Way>,
}

enum Way {
    /// Bytes that were received while it was found out that there is no TLS.
    Plain(RefCell<Bytes>),
    Secured(Box<Session>),
}

/// Why there is no stream to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoStream {
    /// The other side speaks no TLS, and why as far as it says so.
    NoTls(String),
    Failed(String),
}

impl Stream {
    /// Without TLS; `early` was received already.
    pub fn plain(socket: Socket, early: Bytes) -> Stream {
        let way = Rc::new(Way::Plain(RefCell::new(early)));
        Stream { socket, way }
    }

    fn secured(socket: Socket, session: Session) -> Stream {
        let way = Rc::new(Way::Secured(Box::new(session)));
        Stream { socket, way }
    }

    /// TLS to `node`, which is at `address` by the layout.
    pub async fn connect(runtime: &Runtime, socket: Socket, tls: &PeerTls, node: u32, address: IpAddr) -> Result<Stream, NoStream> {
        match tls.connect(runtime, &socket, node, address).await {
            Ok(session) => Ok(Stream::secured(socket, session)),
            Err(NoSession::Failed(reason)) => Err(NoStream::Failed(reason)),
            Err(NoSession::NotSpoken(early)) => {
                let stream = Stream::plain(socket, early);
                Err(NoStream::NoTls(said_instead(runtime, &stream).await))
            }
        }
    }

    /// The stream of a connection that came in; `None` when the other side only looked whether the port is open. An error says why
    /// there is none.
    pub async fn accept(runtime: &Runtime, socket: Socket, me: &Credentials) -> Result<Option<Stream>, String> {
        let first = socket.receive(AlignedBuffer::with_stale_capacity(ALIGNMENT_BYTES)).await;
        let (buffer, _) = first.map_err(|error| describe_stranger(me, &format!("the connection broke: {error}")))?;
        let early = buffer.freeze();
        match (early.first(), &me.tls) {
            (None, _) => Ok(None),
            (Some(&TLS_HANDSHAKE), Some(tls)) => match tls.accept(runtime, &socket, early).await {
                Ok(session) => Ok(Some(Stream::secured(socket, session))),
                Err(NoSession::Failed(reason)) => Err(describe_stranger(me, &reason)),
                Err(NoSession::NotSpoken(_)) => Err(describe_stranger(me, "it does not speak TLS")),
            },
            (Some(&TLS_HANDSHAKE), None) => {
                let why = "it begins with TLS, which is not configured here: give this node a [peer_tls] table too, with mode \
                           \"accept\" until all nodes have one";
                Err(refuse_stranger(&Stream::plain(socket, Bytes::new()), me, why).await)
            }
            (Some(_), _) => Ok(Some(Stream::plain(socket, early))),
        }
    }

    /// The TLS session that it runs in, if it does.
    pub fn channel(&self) -> Option<&Channel> {
        match &*self.way {
            Way::Plain(_) => None,
            Way::Secured(session) => Some(&session.channel),
        }
    }

    /// Receives at least one byte behind the bytes `buffer` holds; 0 means the peer closed. Dropping the future may lose bytes.
    pub async fn receive(&self, mut buffer: AlignedBuffer) -> io::Result<(AlignedBuffer, usize)> {
        let early = match &*self.way {
            Way::Secured(session) => return session.receive(&self.socket, buffer).await,
            Way::Plain(early) => early,
        };
        let count = buffer.append(&early.borrow());
        early.borrow_mut().advance(count);
        if count > 0 {
            return Ok((buffer, count));
        }
        self.socket.receive(buffer).await
    }

    /// Sends all bytes of `parts` in order. When the future is dropped, an unknown part of them has been sent.
    pub async fn send(&self, parts: Vec<Bytes>) -> io::Result<()> {
        match &*self.way {
            Way::Secured(session) => session.send(&self.socket, parts).await,
            Way::Plain(_) => self.socket.send(parts).await,
        }
    }

    /// Ends both directions at once.
    pub fn shutdown(&self) {
        self.socket.shutdown();
    }
}
