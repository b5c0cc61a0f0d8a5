//! The life of a link: connect, prove who we are, carry answers until the connection ends, wait a little, connect again.

use super::{Line, Link};
use crate::PeerEvent;
use crate::backoff::Backoff;
use crate::codec::{AnswerEnvelope, NodeEnvelope, decode_all};
use crate::credit::Allowance;
use crate::frame::{FrameKind, MAX_STRANGER_BYTES};
use crate::handshake::{Credentials, Peer, Refusal, initiate};
use crate::incoming::{Incoming, Received};
use crate::outgoing::Outgoing;
use crate::pending::{AnyAnswer, Pending};
use crate::stream::{NoStream, Stream};
use crate::tls::{Channel, PeerTls};
use bytes::Bytes;
use futures_util::future::{Either, select};
use openlake_io::Runtime;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

/// Connecting and the handshake together: many round trips even across continents.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

/// Time for the last answers of a connection that was replaced: longer than any request waits.
const RETIREMENT: Duration = Duration::from_secs(60);
/// How often it is looked whether they came.
const RETIREMENT_LOOK: Duration = Duration::from_millis(100);

/// A connection whose peer has proven who it is.
struct Connected {
    stream: Stream,
    incoming: Incoming,
    peer: Peer,
}

impl Link {
    /// Connects again and again until closed.
    pub(super) async fn run(self: Rc<Link>) {
        let runtime = self.home.runtime.clone();
        let mut backoff = Backoff::default();
        while !self.closed.get() {
            match self.connect().await {
                Ok(connected) => {
                    backoff = Backoff::default();
                    self.begin(connected);
                }
                Err(reason) => self.failed(reason),
            }
            self.attempted.set(true);
            self.change.notify();
            // Only a connection by the secret and the certificates of now is left alone.
            loop {
                let turn = self.turn.wait();
                if self.closed.get() || self.line.borrow().is_none() || self.is_outdated() {
                    break;
                }
                turn.await;
            }
            if !self.closed.get() {
                // A peer that connects to us is there again: no reason to wait any longer for it.
                let (stop, arrived) = (pin!(self.stop.wait()), pin!(self.home.arrived.wait()));
                let _ = runtime.timeout(backoff.next(runtime.random_u64()), select(stop, arrived)).await;
            }
        }
    }

    /// A connection by the first secret; where that is refused and there is none to replace, by the other: while secrets change, not
    /// every node knows the new one yet.
    async fn connect(&self) -> Result<Connected, String> {
        let me = self.home.credentials();
        let mut refusal = format!("node {} has no peer secret configured", me.node);
        for (index, secret) in me.secrets.iter().enumerate() {
            if index > 0 && self.line.borrow().is_some() {
                break;
            }
            match self.connect_by(&me, secret).await {
                Ok(connected) => return Ok(connected),
                // Who refuses one secret may know the other; who cannot be reached at all will not be reached by it either.
                Err(failure) => {
                    let is_theirs = failure.is_theirs;
                    // The reason for the secret that is meant to be used is the one that helps.
                    if index == 0 {
                        refusal = failure.reason;
                    }
                    if !is_theirs {
                        break;
                    }
                }
            }
        }
        Err(refusal)
    }

    async fn connect_by(&self, me: &Credentials, secret: &[u8]) -> Result<Connected, Refusal> {
        let runtime = &self.home.runtime;
        let failure = |reason| Refusal {
            node: Some(self.node),
            reason,
            is_theirs: false,
        };
        let attempt = async {
            let stream = self.open_stream(me.tls.as_ref()).await.map_err(failure)?;
            let mut incoming = Incoming::new(runtime, &stream, MAX_STRANGER_BYTES, MAX_STRANGER_BYTES);
            let linked = initiate(runtime, &stream, &mut incoming, me, secret, self.node).await;
            let peer = linked?;
            Ok(Connected { stream, incoming, peer })
        };
        let stop = self.stop.wait();
        match select(pin!(runtime.timeout(HANDSHAKE_TIMEOUT, attempt)), pin!(stop)).await {
            Either::Left((Ok(result), _)) => result,
            Either::Left((Err(_), _)) => Err(failure(format!("no answer from {} within {HANDSHAKE_TIMEOUT:?}", self.address))),
            Either::Right(_) => Err(failure("closed".to_owned())),
        }
    }

    /// A connection to the peer, over TLS where that is configured. Where it is not required, a peer without it is linked to as it is,
    /// but never in the place of a connection that there is.
    async fn open_stream(&self, tls: Option<&PeerTls>) -> Result<Stream, String> {
        let runtime = &self.home.runtime;
        let connect = || async {
            let connected = runtime.connect_from(self.home.source, self.address).await;
            connected.map_err(|error| format!("connecting to {}: {error}", self.address))
        };
        let socket = connect().await?;
        let Some(tls) = tls else {
            return Ok(Stream::plain(socket, Bytes::new()));
        };
        match Stream::connect(runtime, socket, tls, self.node, self.address.ip()).await {
            Ok(stream) => Ok(stream),
            Err(NoStream::NoTls(_)) if !tls.is_required() && self.line.borrow().is_none() => {
                Ok(Stream::plain(connect().await?, Bytes::new()))
            }
            Err(NoStream::NoTls(reason) | NoStream::Failed(reason)) => Err(format!(
                "node {} has no TLS with node {} at {}: {reason}",
                self.home.node, self.node, self.address
            )),
        }
    }

    /// Puts a connection in use, in place of an older one.
    fn begin(self: &Rc<Link>, connected: Connected) {
        let Connected { stream, incoming, peer } = connected;
        if self.closed.get() {
            return stream.shutdown();
        }
        let line = Rc::new(Line {
            key_id: peer.key_id,
            tls_id: stream.channel().map(Channel::material),
            boot: peer.boot,
            outgoing: Outgoing::new(peer.version, Allowance::bounded(peer.credit), self.change.clone()),
            pending: Rc::new(Pending::new(self.change.clone())),
            stream,
            heard: incoming.heard(),
            pinged: Cell::new(None),
            verdict: RefCell::default(),
        });
        self.home.linked_boots.borrow_mut().insert(self.node, peer.boot);
        self.silent.set(false);
        self.reason.replace(String::new());
        match self.line.replace(Some(line.clone())) {
            Some(old) => self.home.runtime.spawn(retire(self.home.runtime.clone(), old)),
            None => self.home.tell(&PeerEvent::Connected { node: self.node }),
        }
        let (runtime, sending) = (self.home.runtime.clone(), line.clone());
        self.home.runtime.spawn(async move {
            // A connection that cannot send is of no use: its other half ends too.
            if sending.outgoing.run(&runtime, &sending.stream).await.is_err() {
                sending.stream.shutdown();
            }
        });
        self.home.runtime.spawn(self.clone().serve(line, incoming));
    }

    /// Carries answers until the connection ends.
    async fn serve(self: Rc<Link>, line: Rc<Line>, mut incoming: Incoming) {
        let reason = loop {
            let received = match incoming.next().await {
                Ok(Some(received)) => received,
                Ok(None) => break "the peer closed the connection".to_owned(),
                Err(error) => break error.to_string(),
            };
            if self.is_current(&line) && self.silent.replace(false) {
                self.reason.replace(String::new());
                self.home.linked_boots.borrow_mut().insert(self.node, line.boot);
                self.home.tell(&PeerEvent::Connected { node: self.node });
            }
            if let Err(error) = self.received(&line, &received, incoming.head(&received)) {
                break error;
            }
        };
        let (frames, sends) = line.outgoing.counts();
        self.counted.set((self.counted.get().0 + frames, self.counted.get().1 + sends));
        line.outgoing.close();
        line.stream.shutdown();
        line.pending.end_all();
        if self.is_current(&line) {
            self.disconnected(line.verdict.take().unwrap_or(reason));
            self.change.notify();
            self.turn.notify();
        }
    }

    fn is_current(&self, line: &Rc<Line>) -> bool {
        self.line.borrow().as_ref().is_some_and(|current| Rc::ptr_eq(current, line))
    }

    /// Takes one frame. An error means that the peer does not speak this protocol.
    fn received(&self, line: &Line, received: &Received, head: &[u8]) -> Result<(), String> {
        let (id, kind) = (received.header.request, received.header.kind);
        if kind == FrameKind::Credit {
            let credit = decode_all(head, received.bulk.clone());
            line.outgoing
                .raise(credit.map_err(|error| format!("credit of node {} cannot be read: {error}", self.node))?);
            return Ok(());
        }
        // Late answers are not even decoded.
        if line.pending.is_waiting(id) {
            self.answered(line, id, kind, head, received.bulk.clone())?;
        }
        Ok(())
    }

    fn answered(&self, line: &Line, id: u64, kind: FrameKind, head: &[u8], bulk: bytes::Bytes) -> Result<(), String> {
        let unreadable = |error| format!("answer of node {} cannot be read: {error}", self.node);
        let (clock, answer) = match kind {
            FrameKind::Answer => {
                let (envelope, answer): (AnswerEnvelope, _) = decode_all(head, bulk).map_err(unreadable)?;
                (envelope.clock, AnyAnswer::Slot(answer, envelope.generation))
            }
            FrameKind::NodeAnswer => {
                let (envelope, answer): (NodeEnvelope, _) = decode_all(head, bulk).map_err(unreadable)?;
                (envelope.clock, AnyAnswer::Node(answer))
            }
            other => return Err(format!("node {} sent {other:?} where an answer was due", self.node)),
        };
        self.home.merge_clock(self.node, clock);
        if let Some(since) = line.pending.end(id, Some(Ok(answer))) {
            let mut estimate = self.estimate.get();
            estimate.add(Duration::from_nanos(self.home.runtime.now().0.saturating_sub(since.0)));
            self.estimate.set(estimate);
        }
        Ok(())
    }

    fn disconnected(&self, reason: String) {
        self.line.take();
        self.home.linked_boots.borrow_mut().remove(&self.node);
        self.silent.set(false);
        if !self.closed.get() {
            self.reason.replace(reason.clone());
            self.home.tell(&PeerEvent::Disconnected { node: self.node, reason });
        }
    }

    fn failed(&self, reason: String) {
        let reason = match self.line.borrow().is_some() {
            true => {
                format!("the link stays as it was made before; a new one, by the secret and certificates of now, is refused: {reason}")
            }
            false => reason,
        };
        if !self.closed.get() && self.reason.replace(reason.clone()) != reason {
            self.home.tell(&PeerEvent::Unreachable { node: self.node, reason });
        }
    }
}

/// Lets a connection end once its last answer came.
async fn retire(runtime: Runtime, line: Rc<Line>) {
    let mut waited = Duration::ZERO;
    while waited < RETIREMENT && !(line.pending.is_empty() && line.outgoing.unsent_bytes() == 0) {
        runtime.sleep(RETIREMENT_LOOK).await;
        waited += RETIREMENT_LOOK;
    }
    line.outgoing.close();
    line.stream.shutdown();
}
